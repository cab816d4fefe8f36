/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Uses both modules of another package. */
#include <linux/init.h>
#include <linux/module.h>
#include <pool.h>

#ifndef HAVE_SANE_MODULES
#error "this was not compiled with the configuration of pool"
#endif

static int __init
cluster_init (void)
{
  pr_info ("cluster: %d devices, checksum %u\n", pool_devices (), pool_base_sum ("abc", 3));
  return 0;
}

static void __exit
cluster_exit (void)
{
}

module_init (cluster_init);
module_exit (cluster_exit);
MODULE_DESCRIPTION ("User of a pool, for tests of dkms");
MODULE_LICENSE ("GPL");
MODULE_VERSION ("1.0");
