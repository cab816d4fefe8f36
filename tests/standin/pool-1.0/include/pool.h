/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the modules of pool have for each other and for other packages. */
#pragma once
#include <linux/types.h>

u32 pool_base_sum (const void *data, size_t size);
int pool_devices (void);
