/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of modprobe in a root: the files of modprobe.d(5). */
#pragma once

#include "base/root.h"
#include "check/modprobe-line.h"

/**
 * dkms_modprobe_config_read:
 * @refused: (out) (transfer full) (nullable): a file or directory that this user may not read
 *
 * Returns: (transfer full) (element-type DkmsModprobeLine): the lines of all files, in the order of modprobe. A file
 * hides those of the same name in later directories
 */
GPtrArray *dkms_modprobe_config_read (const DkmsRoot *root, char **refused);
