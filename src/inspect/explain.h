/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `dkms explain` and `dkms log`: the reason why the last build failed, and its log. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "model/request.h"

/**
 * dkms_explain:
 * Explains the newest failed build among those that @request selects, or the cause that is named instead of a module.
 *
 * Returns: whether it was explained, or nothing failed; DKMS_ERROR_NOT_KNOWN for an unknown module,
 *   DKMS_ERROR_UNDETERMINED if the cause is unknown
 */
gboolean dkms_explain (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Fails because the module that @request names is not registered; names a similar one, or with @causes a similar cause
 * of failed builds. */
gboolean dkms_explain_fail_unknown (const DkmsPlaces *places, const DkmsRequest *request, gboolean causes,
                                    GError **error);
/** Lists the stored attempts of the builds that @request selects, newest first. */
gboolean dkms_explain_list (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Opens the newest log of the builds that @request selects. Returns: a descriptor that the caller owns, or -1 with an
 * error */
int dkms_explain_open_log (const DkmsSettings *settings, const DkmsRequest *request,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
