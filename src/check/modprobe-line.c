/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Splits files of modprobe.d into words. */
#include "check/modprobe-line.h"

#include <string.h>

static const char blanks[] = " \t";

void
dkms_modprobe_line_free (DkmsModprobeLine *self)
{
  if (self == NULL)
    return;
  g_free (self->path);
  g_free (self->command);
  g_free (self->name);
  g_free (self->rest);
  g_free (self);
}

GPtrArray *
dkms_modprobe_lines_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_modprobe_line_free);
}

/* Returns: (transfer full): the words of @line, which lie between blanks */
static char **
split (const char *line)
{
  GStrvBuilder *words = g_strv_builder_new ();

  for (line += strspn (line, blanks); *line != '\0'; line += strspn (line, blanks))
    {
      gsize length = strcspn (line, blanks);
      g_autofree char *word = g_strndup (line, length);
      g_strv_builder_add (words, word);
      line += length;
    }
  char **all = g_strv_builder_end (words);
  g_strv_builder_unref (words);
  return all;
}

static void
add (GPtrArray *lines, const char *path, const char *line)
{
  g_auto (GStrv) words = split (line);
  DkmsModprobeLine *self;

  if (words[0] == NULL || *words[0] == '#' || words[1] == NULL)
    return;
  self = g_new0 (DkmsModprobeLine, 1);
  self->path = g_strdup (path);
  self->command = g_strdup (words[0]);
  self->name = g_strdelimit (g_strdup (words[1]), "-", '_');
  self->rest = g_strjoinv (" ", words + 2);
  g_ptr_array_add (lines, self);
}

void
dkms_modprobe_lines_parse (GPtrArray *lines, const char *path, const char *text)
{
  g_autoptr (GString) line = g_string_new (NULL);

  while (*text != '\0')
    {
      gsize length = strcspn (text, "\n");
      gboolean goes_on = length > 0 && text[length - 1] == '\\' && text[length] == '\n';

      g_string_append_len (line, text, (gssize)length - (goes_on ? 1 : 0));
      text += length + (text[length] == '\n');
      if (goes_on)
        continue;
      add (lines, path, line->str);
      g_string_truncate (line, 0);
    }
  add (lines, path, line->str);
}

gboolean
dkms_modprobe_lines_equal (const DkmsModprobeLine *one, const DkmsModprobeLine *other)
{
  return strcmp (one->command, other->command) == 0 && strcmp (one->name, other->name) == 0
         && strcmp (one->rest, other->rest) == 0;
}

char **
dkms_softdep_names (const char *rest)
{
  g_auto (GStrv) words = split (rest);
  GStrvBuilder *names = g_strv_builder_new ();

  for (char **word = words; *word != NULL; word++)
    if (!g_str_has_suffix (*word, ":")) /* "pre:" and "post:" */
      {
        g_strdelimit (*word, "-", '_');
        g_strv_builder_add (names, *word);
      }
  char **all = g_strv_builder_end (names);
  g_strv_builder_unref (names);
  return all;
}
