/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels that zypper offers. */
#pragma once

#include "forecast/offer.h"

extern const DkmsManager dkms_manager_zypper;

/* ---- for tests ---- */

/** Adds the kernels in the output of `zypper -x list-updates`. Returns: FALSE with @error if it is not XML */
gboolean dkms_zypper_read_updates (const char *text, GPtrArray *offers, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Adds the packages with the headers of @offer in the output of `zypper -x search -s`. */
gboolean dkms_zypper_read_search (const char *text, DkmsKernelOffer *offer, GError **error) G_GNUC_WARN_UNUSED_RESULT;
