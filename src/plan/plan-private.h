/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How plans are put together. Private to plan/. */
#pragma once

#include "plan/plan.h"

#define DKMS_NO_STEP G_MAXUINT

/** Appends a step that needs step @need (DKMS_NO_STEP: nothing). Returns: its number */
guint dkms_plan_push (DkmsPlan *plan, DkmsStepKind kind, const char *module, const char *version,
                      const DkmsTarget *target, guint need);
/** Appends the remark that there is nothing to do. */
guint dkms_plan_push_notice (DkmsPlan *plan, const char *module, const char *version, const DkmsTarget *target,
                             guint need, const char *text);

/** Returns: whether @build (may be NULL) holds all modules, so that it can be installed */
gboolean dkms_plan_is_usable (const DkmsBuild *build);
/** Returns: whether @build (may be NULL) is installed, and all of it is where it was put */
gboolean dkms_plan_is_sound (const DkmsBuild *build);
/**
 * Appends the build of @v, if there is none that can be installed, and its install. What is there stays until it is
 * replaced. Returns: the number of the first of the steps; *@last is that of the last one
 */
guint dkms_plan_push_install (DkmsPlan *plan, const DkmsVersion *v, const DkmsTarget *target, guint *last);

/** Adds a remark about @kernel to @list; takes @text. */
void dkms_plan_remark (GPtrArray *list, const char *kernel, char *text);

/** match: for the target kernel what is installed for the template, in the same versions. */
gboolean dkms_plan_match (DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state, GError **error);
/** kernel_preinst (modules that come back by themselves), kernel_prerm (all): builds go, empty directories last. */
void dkms_plan_clear (DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state);
void dkms_plan_clean (DkmsPlan *plan, const DkmsTarget *target);
/** autoinstall: the latest version of every module that wants to be there, in rounds (docs/interface/build-install.md
 * §12). */
void dkms_plan_autoinstall (DkmsPlan *plan, const DkmsTarget *target, const DkmsState *state);
/** Rebuilds, once and in order, what saw other versions of its dependencies than will be installed. */
void dkms_plan_dependents (DkmsPlan *plan, const DkmsState *state, const DkmsTarget *target);
