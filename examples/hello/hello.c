/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A minimal module, which prints a message when it is loaded and when it is unloaded. */
#include <linux/init.h>
#include <linux/module.h>

static int __init
hello_init (void)
{
  pr_info ("hello from a module that dkms built\n");
  return 0;
}

static void __exit
hello_exit (void)
{
  pr_info ("good-bye\n");
}

module_init (hello_init);
module_exit (hello_exit);
MODULE_DESCRIPTION ("Example for dkms");
MODULE_LICENSE ("GPL");
MODULE_VERSION ("1.0");
