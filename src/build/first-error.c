/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "build/build.h"

/* What the first message of a failed build looks like, best evidence first: a line of an earlier
 * row wins over any line of a later one. */
static const char *const marks[][12] = {
  { "No space left on device", "Segmentation fault", "internal compiler error", "Cannot allocate memory", NULL },
  { ": fatal error:", ": error:", "ERROR: modpost:", "undefined reference to", NULL },
  { ": command not found", ": not found", "No such file or directory", "ermission denied", "Read-only file system",
    "Operation not permitted", "Network is unreachable", "Address family not supported", "Authentication failure",
    NULL },
  { "*** No rule to make target", "*** No targets", "Killed", NULL },
  { "Error:", "error:", "***", NULL },
};

static gboolean
has_mark (const char *line, const char *const *row)
{
  for (; *row != NULL; row++)
    if (strstr (line, *row) != NULL)
      return TRUE;
  return FALSE;
}

char *
dkms_first_error (const char *log)
{
  g_auto (GStrv) lines = g_strsplit (log, "\n", -1);

  for (gsize row = 0; row < G_N_ELEMENTS (marks); row++)
    for (char **line = lines; *line != NULL; line++)
      if (!g_str_has_prefix (*line, "# command:") && has_mark (*line, marks[row]))
        return g_strndup (g_strstrip (*line), 400);
  return NULL;
}
