/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `dkms report`: the data for a bug report, as one text in Markdown. Nothing is sent. */
#pragma once

#include "model/event.h"
#include "model/request.h"
#include "world/world.h"

/**
 * dkms_bundle:
 * Gathers the data of the newest failed attempt, or otherwise the newest attempt, that @request selects:
 * its record and log, the recipe and its overrides, the state of the module, the settings, the kernel, the distribution
 * and the versions of packages. Names of users and hosts, addresses and secrets are replaced (check/redact.h). Private
 * keys are never opened.
 *
 * The text is emitted as an event, or written to request->output.
 *
 * Returns: DKMS_ERROR_NOT_KNOWN for an unknown module
 */
gboolean dkms_bundle (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
