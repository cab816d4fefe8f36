/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the distribution of a root decides (spec/cli.md §2, spec/dkms-conf.md §4). */
#pragma once

#include "base/root.h"

/** Returns: (transfer full) (nullable): the distribution id; NULL with DKMS_ERROR_NO_OS_RELEASE */
char *dkms_distro_id (const DkmsRoot *root, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: (transfer none) (nullable): "/updates/dkms" and the like; NULL: the recipe decides */
const char *dkms_distro_destination (const char *id);
/** Returns: (transfer full): name of the header package to install for @release, for messages */
char *dkms_distro_headers_package (const char *id, const char *release);
