/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The layer below: one function for the others. */
#include <linux/module.h>
#include <pool.h>

u32
pool_base_sum (const void *data, size_t size)
{
  const u8 *byte = data;
  u32 sum = 0;

  while (size-- > 0)
    sum = sum * 31 + *byte++;
  return sum;
}
EXPORT_SYMBOL (pool_base_sum);

MODULE_DESCRIPTION ("Layer below a pool, for tests of dkms");
MODULE_LICENSE ("GPL");
MODULE_VERSION ("1.0");
