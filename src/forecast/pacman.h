/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels that pacman offers. */
#pragma once

#include "forecast/offer.h"

extern const DkmsManager dkms_manager_pacman;

/* ---- for tests ---- */

/** Adds the kernels in the output of `checkupdates` or `pacman -Qu`. */
void dkms_pacman_read_updates (const char *text, GPtrArray *offers);
/** Adds the packages in the output of `pacman -Sp --print-format "%n %v %r"`. */
void dkms_pacman_read_packages (const char *text, DkmsKernelOffer *offer);
/** Returns: (transfer full) (nullable): the release of the kernel in @version of the package @name; NULL if it is none
 */
char *dkms_pacman_release (const char *name, const char *version);
