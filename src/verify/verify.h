/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `dkms verify`: whether a kernel, usually the one that boots next, will have its modules. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "model/request.h"

/**
 * dkms_verify:
 * Checks the modules that are expected for the kernels of @request: for the one that boots next, if it names none.
 * Nothing is changed, except the remembered answers of helpers (store/answers.h).
 *
 * Returns: FALSE with DKMS_ERROR_WILL_NOT_LOAD if a module will not be there, DKMS_ERROR_LOADING_UNKNOWN if something
 *   that decides is unknown
 */
gboolean dkms_verify (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
