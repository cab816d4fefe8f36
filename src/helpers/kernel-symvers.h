/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of symbols that the build of a kernel writes (Module.symvers). Its lines are "CRC tab name tab module tab
 * kind tab namespace". */
#pragma once

#include "helpers/kernel-image.h"

/** Calls @func for each symbol of the kernel itself in @text, of @size bytes. Symbols of its modules are left out.
 * Returns: (transfer none) (nullable): why there is none */
const char *kernel_symvers_read (const char *text, size_t size, KernelExportFunc func, void *user);
