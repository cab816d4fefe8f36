/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver without a device: it prints a message when it is loaded and when it is unloaded. */
#include <linux/init.h>
#include <linux/module.h>

static int __init
my_driver_init (void)
{
  pr_info ("my_driver: loaded\n");
  return 0;
}

static void __exit
my_driver_exit (void)
{
  pr_info ("my_driver: unloaded\n");
}

module_init (my_driver_init);
module_exit (my_driver_exit);
MODULE_DESCRIPTION ("Example of a packaged driver");
MODULE_LICENSE ("GPL");
MODULE_VERSION ("1.0");
