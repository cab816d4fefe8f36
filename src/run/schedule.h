/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does the steps of a plan, as parallel as the plan allows. */
#pragma once

#include "run/steps.h"

/** Does all steps of the plan (run/schedule.c). Returns: FALSE when a signal ended the run */
gboolean dkms_schedule (DkmsRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;
