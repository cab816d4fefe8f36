/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads Module.symvers. */
#include "helpers/kernel-symvers.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS = 5, MOST_LINE = 2048 };

/* Splits @line at its tabs. Returns: the number of fields; those that are missing are "" */
static unsigned
split (char *line, char *fields[static FIELDS])
{
  unsigned count = 0;

  for (unsigned i = 0; i < FIELDS; i++)
    {
      fields[i] = line;
      count += i == 0 || *line != '\0';
      line += strcspn (line, "\t");
      if (*line == '\t')
        *line++ = '\0';
    }
  return count;
}

const char *
kernel_symvers_read (const char *text, size_t size, KernelExportFunc func, void *user)
{
  const char *end = size > 0 ? text + size : text;
  size_t found = 0;

  while (text < end)
    {
      const char *stop = memchr (text, '\n', (size_t)(end - text));
      size_t length = (size_t)((stop != NULL ? stop : end) - text);
      char line[MOST_LINE], *fields[FIELDS];

      if (length < sizeof line)
        {
          memcpy (line, text, length);
          line[length] = '\0';
          if (split (line, fields) >= 4 && strcmp (fields[2], "vmlinux") == 0 && *fields[1] != '\0'
              && strchr (fields[1], ' ') == NULL)
            {
              uint32_t crc = (uint32_t)strtoul (fields[0], NULL, 16);
              size_t kind = strlen (fields[3]);
              KernelExport symbol = { .name = fields[1],
                                      .name_space = fields[4],
                                      .gpl_only = kind > 4 && strcmp (fields[3] + kind - 4, "_GPL") == 0,
                                      .has_crc = crc != 0, /* without CONFIG_MODVERSIONS, all are 0 */
                                      .crc = crc };
              func (&symbol, user);
              found++;
            }
        }
      text += length + 1;
    }
  return found > 0 ? NULL : "it lists no symbols of the kernel";
}
