/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <string.h>

#include "cli/cli.h"

/* One program, two names: packages call it as common.postinst. */
int
main (int argc, char **argv)
{
  g_autofree char *name = g_path_get_basename (argc > 0 ? argv[0] : "dkms");

  return strcmp (name, "common.postinst") == 0 ? dkms_postinst_main (argc, argv) : dkms_cli_main (argc, argv);
}
