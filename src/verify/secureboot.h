/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `dkms secureboot`: whether kernels accept the signatures of dkms, and what is missing. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "model/request.h"

/**
 * dkms_secureboot:
 * Answers for the kernels of @request: the state of Secure Boot, the policy of the kernel, the key with its enrolment,
 * and who signed the installed modules.
 *
 * Returns: TRUE if nothing will be refused; DKMS_ERROR_SIGNATURES_REFUSED, or DKMS_ERROR_SIGNATURES_UNKNOWN if that is
 *   not known
 */
gboolean dkms_secureboot (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
