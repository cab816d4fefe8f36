/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How plans are put together. Private to plan/. */
#pragma once

#include "model/id.h"
#include "model/state.h"
#include "plan/plan.h"

#define DKMS_NO_STEP G_MAXUINT

/* A plan while it is made, and what it is made from. */
typedef struct {
  DkmsPlan *plan;
  const DkmsRequest *request;
  const DkmsFacts *facts;
} DkmsPlanner;

/** Appends a step that needs step @need (DKMS_NO_STEP: nothing). Returns: its number */
guint dkms_plan_push (DkmsPlan *plan, DkmsStepKind kind, const DkmsId *id, guint need);
/** Appends the remark that there is nothing to do. */
guint dkms_plan_push_notice (DkmsPlan *plan, const DkmsId *id, guint need, const char *text);

/**
 * Appends the build of @v, if there is none that can be installed, and its install. What is there stays until it is
 * replaced. Returns: the number of the first of the steps; *@last is that of the last one
 */
guint dkms_plan_push_install (DkmsPlan *plan, const DkmsVersion *v, const DkmsTarget *target, guint *last);

/** Adds a remark about @kernel to @list; takes @text. */
void dkms_plan_remark (GPtrArray *list, const char *kernel, char *text);

/** Everything about the version that the request names. */
gboolean dkms_plan_one (const DkmsPlanner *p, GError **error);
/** match: for the target kernel what is installed for the template, in the same versions. */
gboolean dkms_plan_match (const DkmsPlanner *p, GError **error);
/** kernel_preinst (modules that come back by themselves), kernel_prerm (all): builds go, empty directories last. */
void dkms_plan_clear (const DkmsPlanner *p);
void dkms_plan_clean (DkmsPlan *plan, const DkmsTarget *target);
/** autoinstall: the latest version of every module that wants to be there, in rounds (docs/interface/build-install.md
 * §12). */
void dkms_plan_autoinstall (DkmsPlan *plan, const DkmsTarget *target, const DkmsState *state);
/** Rebuilds, once and in order, what saw other versions of its dependencies than will be installed. */
void dkms_plan_dependents (DkmsPlan *plan, const DkmsState *state, const DkmsTarget *target);
