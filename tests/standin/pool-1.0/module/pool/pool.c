/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiles only when configure found out the right thing about the kernel, and loads only upon pool_base. */
#include <linux/device/class.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/module.h>
#include <pool.h>

#ifndef HAVE_SANE_MODULES
#error "pool_config.h is not that of this kernel"
#endif
#ifdef HAVE_NONSENSE
#error "configure takes anything for granted"
#endif

static struct class *pools;

int
pool_devices (void)
{
  return 7;
}
EXPORT_SYMBOL_GPL (pool_devices);

static int __init
pool_init (void)
{
#ifdef HAVE_CLASS_CREATE_ONE
  pools = class_create ("pool");
#else
  pools = class_create (THIS_MODULE, "pool");
#endif
  if (IS_ERR (pools))
    return PTR_ERR (pools);
  pr_info ("pool: checksum %u\n", pool_base_sum ("abc", 3));
  return 0;
}

static void __exit
pool_exit (void)
{
  class_destroy (pools);
}

module_init (pool_init);
module_exit (pool_exit);
MODULE_DESCRIPTION ("Pool, for tests of dkms");
MODULE_LICENSE ("GPL");
MODULE_VERSION ("1.0");
