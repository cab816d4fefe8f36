/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `dkms secureboot --enroll`: asks MokManager to enrol the certificate at the next boot. */
#pragma once

#include "model/event.h"
#include "verify/trust.h"

/**
 * dkms_enrol:
 * @trust: of the kernel whose certificate is enrolled
 *
 * Of several certificates, the first one that is not enrolled is chosen. Runs mokutil, which asks for a password on the
 * terminal, and checks that the firmware holds the request. Does nothing if the certificate is enrolled, or if the
 * request exists.
 */
gboolean dkms_enrol (const DkmsSettings *settings, DkmsListener *events, const DkmsTrustReading *trust,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
