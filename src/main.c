/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli.h"

int
main (int argc, char **argv)
{
  return dkms_cli_main (argc, argv);
}
