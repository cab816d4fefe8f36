/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Construction of plans. Private to plan/. */
#pragma once

#include "model/state.h"
#include "plan/plan.h"

#define DKMS_NO_STEP G_MAXUINT

/* A plan under construction, and its request and facts. */
typedef struct {
  DkmsPlan *plan;
  const DkmsRequest *request;
  const DkmsFacts *facts;
} DkmsPlanner;

/** Appends a step that needs step @need (DKMS_NO_STEP: nothing). Returns: its number */
guint dkms_plan_push (DkmsPlan *plan, DkmsStepKind kind, const DkmsId *id, guint need);
/** Appends the remark that nothing has to be done. @why: a kind of event that is a reason */
guint dkms_plan_push_remark (DkmsPlan *plan, const DkmsId *id, guint need, DkmsEventKind why);

/** Appends the build of @v for a forecast. Returns: the number of the step, also in @last: (out) */
guint dkms_plan_push_build (DkmsPlan *plan, const DkmsVersion *v, const DkmsId *target, guint *last);

/**
 * Appends the installation of @v, and its build if no usable one exists. Existing files are kept until they are
 * replaced. Returns: the number of the first step; @last: (out): that of the last step
 */
guint dkms_plan_push_install (DkmsPlan *plan, const DkmsVersion *v, const DkmsId *target, guint *last);
