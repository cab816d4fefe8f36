/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Converts the report of dkms-sandbox to sentences. */
#include "base/findings.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

void
dkms_findings_clear (DkmsFindings *self)
{
  g_clear_pointer (&self->failure, g_free);
  g_clear_pointer (&self->ended, g_free);
  g_clear_pointer (&self->left, g_free);
}

/* Takes ownership of @text. If a kind has several lines, the last one is used. */
static void
replace (char **field, char *text)
{
  g_free (*field);
  *field = text;
}

/* Stores why the sandbox cannot be set up, such as "namespaces: Operation not permitted". */
static void
fail (DkmsFindings *self, const char *why)
{
  dkms_recall_helper (why);
  replace (&self->failure, g_strdup (why));
}

void
dkms_findings_read (DkmsFindings *self, int report)
{
  g_autofree char *text
      = lseek (report, 0, SEEK_SET) == 0 ? dkms_read_fd (report, "report", 1 << 16, NULL, NULL) : NULL;
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      g_auto (GStrv) words = g_strsplit (*line, " ", 3);
      if (g_str_has_prefix (*line, "setup "))
        fail (self, *line + strlen ("setup "));
      else if (g_str_has_prefix (*line, "missing "))
        {
          fail (self, *line + strlen ("missing "));
          self->missing = TRUE;
        }
      else if (g_str_has_prefix (*line, "processes ") && words[1] != NULL)
        replace (&self->ended, DKMS_SAY (LIMIT_PROCESSES, .text = words[1]));
      else if (strcmp (*line, "disk") == 0)
        replace (&self->ended, DKMS_SAY (LIMIT_DISK, 0));
      else if (strcmp (*line, "memory") == 0)
        replace (&self->ended, DKMS_SAY (LIMIT_MEMORY, 0));
      else if (strcmp (*line, "symbols") == 0)
        replace (&self->ended, DKMS_SAY (SYMBOLS_READ, 0));
      else if (g_str_has_prefix (*line, "output ") && words[1] != NULL)
        replace (&self->ended,
                 DKMS_SAY (LIMIT_OUTPUT, .number = (gint64)(g_ascii_strtoull (words[1], NULL, 10) >> 20)));
      else if (g_str_has_prefix (*line, "silence ") && words[1] != NULL)
        replace (&self->ended, DKMS_SAY (LIMIT_SILENCE, .text = words[1]));
      else if (g_str_has_prefix (*line, "note "))
        g_debug ("sandbox: %s", *line + strlen ("note "));
      else if (g_str_has_prefix (*line, "left ") && g_strv_length (words) == 3)
        replace (&self->left, strcmp (words[1], "1") == 0 ? DKMS_SAY (ONE_LEFT, .name = words[2])
                                                          : DKMS_SAY (SOME_LEFT, .text = words[1], .name = words[2]));
    }
}
