/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of a kernel's configuration: lines NAME=VALUE. */
#pragma once

/** Returns: (transfer none) (nullable): the value of the option @name, such as "CONFIG_MODULE_SIG", in @config: the
 * rest of the first line that sets it, and of the text; NULL if no line sets it */
const char *dkms_kconfig_find (const char *config, const char *name);
