/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels that apk offers. */
#pragma once

#include "forecast/offer.h"

extern const DkmsManager dkms_manager_apk;

/* ---- for tests ---- */

/** Adds the kernels in the output of `apk -s upgrade`. */
void dkms_apk_read_upgrade (const char *text, GPtrArray *offers);
/** Adds the packages in the output of `apk search -x`. @name: of the package that was searched */
void dkms_apk_read_search (const char *text, const char *name, DkmsKernelOffer *offer);
/** Returns: (transfer full) (nullable): the release of the kernel in @version of the package @name; NULL if it is none
 */
char *dkms_apk_release (const char *name, const char *version);
