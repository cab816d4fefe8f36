/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report of dkms-sandbox, in words. */
#include "base/findings.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"

void
dkms_findings_clear (DkmsFindings *self)
{
  g_clear_pointer (&self->failure, g_free);
  g_clear_pointer (&self->ended, g_free);
  g_clear_pointer (&self->left, g_free);
}

/* Takes @text. The last line of a kind counts. */
static void
replace (char **field, char *text)
{
  g_free (*field);
  *field = text;
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
        replace (&self->failure, g_strdup (*line + strlen ("setup ")));
      else if (g_str_has_prefix (*line, "missing "))
        {
          replace (&self->failure, g_strdup (*line + strlen ("missing ")));
          self->missing = TRUE;
        }
      else if (g_str_has_prefix (*line, "processes ") && words[1] != NULL)
        replace (&self->ended, g_strdup_printf ("it started more than %s processes or threads and was ended", words[1]));
      else if (strcmp (*line, "disk") == 0)
        replace (&self->ended, g_strdup ("it filled the disk and was ended"));
      else if (strcmp (*line, "memory") == 0)
        replace (&self->ended, g_strdup ("it used four fifths of the machine's memory and was ended"));
      else if (strcmp (*line, "symbols") == 0)
        replace (&self->ended,
                 g_strdup ("it looked for addresses of kernel symbols in /proc/kallsyms, and would have gone on "
                           "without them"));
      else if (g_str_has_prefix (*line, "output ") && words[1] != NULL)
        replace (&self->ended, g_strdup_printf ("it wrote more than %" G_GUINT64_FORMAT " MiB of output and was ended",
                                                g_ascii_strtoull (words[1], NULL, 10) >> 20));
      else if (g_str_has_prefix (*line, "silence ") && words[1] != NULL)
        replace (&self->ended, g_strdup_printf ("it wrote nothing for %s s and was ended (build_timeout in "
                                                "/etc/dkms/framework.conf sets the limit)",
                                                words[1]));
      else if (g_str_has_prefix (*line, "note "))
        g_debug ("sandbox: %s", *line + strlen ("note "));
      else if (g_str_has_prefix (*line, "left ") && g_strv_length (words) == 3)
        replace (&self->left,
                 g_strdup_printf ("%s process%s (%s)", words[1], strcmp (words[1], "1") == 0 ? "" : "es", words[2]));
    }
}
