/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds out what a request needs to know, plans it, and does it. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "plan/plan.h"

/**
 * dkms_run:
 * Does @request. Errors of steps are told as they happen; what is returned has not been told yet.
 *
 * @status: (out): exit status of a step, 0 if all went well; the first failure's in plan order
 */
gboolean dkms_run (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                   int (*exit_code) (const char *verb, const GError *), int *status,
                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
