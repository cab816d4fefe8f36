/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Warnings about the key and the certificate that sign modules. */
#pragma once

#include "model/event.h"
#include "verify/trust.h"

/**
 * dkms_key_checks:
 * @hash: (nullable): the digest of the signatures of the kernel
 *
 * Emits a warning for each problem that does not decide whether the kernel accepts signatures: validity, permissions, a
 * certificate of another key, the digest, certificates with the same name. A key on a token is not opened.
 */
void dkms_key_checks (const DkmsSettings *settings, DkmsListener *events, const DkmsTrustReading *trust,
                      const char *hash);
