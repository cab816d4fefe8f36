/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carries out a request: gathers facts, makes the plan, and runs it. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "plan/plan.h"

/**
 * dkms_run:
 * Carries out @request. Errors of steps are reported when they happen; the returned error is not reported yet.
 *
 * @exit_code: (nullable): the exit status for an error of a verb; NULL: 1 for each
 * @status: (out): exit status: 0 if all steps succeeded, otherwise that of the first failed step in the order of the
 * plan
 */
gboolean dkms_run (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                   int (*exit_code) (const char *verb, const GError *), int *status,
                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
