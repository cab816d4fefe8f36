/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks the values of options and settings before any work is done. */
#pragma once

#include "cli/options.h"
#include "cli/verbs.h"

/** Checks the values that options and settings have for @verb, before one of them is used. */
gboolean dkms_options_check (const DkmsOptions *options, DkmsSettings *settings, const DkmsVerbInfo *verb,
                             DkmsListener *events, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** For a verb that answers about registered modules: replaces the given source by the module and the version in its
 * dkms.conf. */
gboolean dkms_request_name_source (const DkmsSettings *settings, DkmsListener *events, DkmsRequest *request,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Warns about settings and kernels that will have no effect on @verb. */
void dkms_options_warn (const DkmsOptions *options, const DkmsSettings *settings, const DkmsVerbInfo *verb,
                        DkmsListener *events);
/** Warns about unknown variables in framework.conf; programs that this one starts do not repeat the warning. */
void dkms_settings_warn_once (const DkmsPlaces *places, DkmsListener *events);
