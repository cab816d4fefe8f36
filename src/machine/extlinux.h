/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The menu of extlinux, syslinux and of U-Boot's distro boot: extlinux.conf (Syslinux wiki, "Config"). */
#pragma once

#include "machine/boot-entry.h"

/**
 * dkms_extlinux_parse:
 * @text: an extlinux.conf
 * @chosen: (out) (transfer none) (nullable): the entry that DEFAULT names; without DEFAULT the first one
 *
 * Returns: (transfer full) (element-type DkmsBootEntry): the entries; the id of each is its label
 */
GPtrArray *dkms_extlinux_parse (const char *text, const DkmsBootEntry **chosen);
