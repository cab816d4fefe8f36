/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds options of a kernel's configuration. */
#include "base/kconfig.h"

#include <string.h>

const char *
dkms_kconfig_find (const char *config, const char *name)
{
  size_t n = strlen (name);

  for (const char *line = config; line != NULL; line = strchr (line, '\n'))
    {
      line += *line == '\n';
      if (strncmp (line, name, n) == 0 && line[n] == '=')
        return line + n + 1;
    }
  return NULL;
}
