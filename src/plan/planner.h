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
