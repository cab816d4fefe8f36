/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs the steps of a plan, with as many at the same time as the plan allows. */
#pragma once

#include "run/steps.h"

/** Runs all steps of the plan (run/schedule.c). Returns: FALSE if a signal ended the run */
gboolean dkms_schedule (DkmsRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;
