/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order of the steps of a plan, which is a graph: when a step can start, and which one is first. */
#pragma once

#include "run/steps.h"

/** Returns: the outcome of @step according to the steps that it refers to: OUTCOME_WAITING while they are undecided,
 * OUTCOME_RUNNING if it can run */
DkmsOutcome dkms_order_verdict (const DkmsRun *run, const DkmsStep *step);
/** Sets the exit status of the blocked step @id to that of the step that blocks it. */
void dkms_order_take_code (DkmsRun *run, guint id);
/**
 * dkms_order_measure:
 * @way: by step, zero before: gets the seconds from its start to the end of the plan, through the longest chain of
 * steps that wait for each other
 * @by_way: gets the numbers of the steps, those with the longest way first
 * @past: by step, zero before: gets the seconds that a build took before, if that is known
 */
void dkms_order_measure (DkmsRun *run, double *way, guint *by_way, double *past);
