/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels that apt offers. */
#pragma once

#include "forecast/offer.h"

extern const DkmsManager dkms_manager_apt;

/* ---- for tests ---- */

/** Adds the kernels in the output of `apt-get -s dist-upgrade`. */
void dkms_apt_read_upgrade (const char *text, GPtrArray *offers);
/** Returns: (transfer full): the release of the kernel in the package @name; NULL if it contains none */
char *dkms_apt_release (const char *name);
/** Returns: (transfer full) (element-type utf8): names in the field @depends of a package, of alternatives the first */
GPtrArray *dkms_apt_depends (const char *depends);
