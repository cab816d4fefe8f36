/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How plans are put together. Private to plan/. */
#pragma once

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
/** Appends the remark that there is nothing to do. @why: a kind that is a reason */
guint dkms_plan_push_remark (DkmsPlan *plan, const DkmsId *id, guint need, DkmsEventKind why);

/**
 * Appends the build of @v, if there is none that can be installed, and its install. What is there stays until it is
 * replaced. Returns: the number of the first of the steps; *@last is that of the last one
 */
guint dkms_plan_push_install (DkmsPlan *plan, const DkmsVersion *v, const DkmsId *target, guint *last);
