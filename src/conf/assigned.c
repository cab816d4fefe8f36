/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds assignments in the text of configuration files, for messages that name a line. */
#include "conf/assigned.h"

#include <string.h>

enum { ANY = -1 };

/* An assignment to a variable. */
typedef struct {
  const char *name; /* in the text */
  gsize length;     /* 0: the line is not an assignment */
  int index;        /* ANY: a list, or an index that only bash can evaluate */
} Assignment;

static Assignment
find_assignment (const char *line)
{
  Assignment found = { 0 };
  guint64 number;

  line += strspn (line, " \t");
  if (g_str_has_prefix (line, "export "))
    line += strcspn (line, " ") + strspn (line + strcspn (line, " "), " \t");
  found.name = line;
  if (g_ascii_isalpha (*line) || *line == '_')
    while (g_ascii_isalnum (line[found.length]) || line[found.length] == '_')
      found.length++;
  line += found.length;
  if (found.length > 0 && *line == '[')
    {
      gsize n = strcspn (line, "]");
      g_autofree char *text = g_strndup (line + 1, n - 1);
      found.index = g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT, &number, NULL) ? (int)number : ANY;
      line += n + (line[n] == ']');
    }
  if (g_str_has_prefix (line, "=(") || g_str_has_prefix (line, "+=("))
    found.index = ANY;
  else if (!g_str_has_prefix (line, "=") && !g_str_has_prefix (line, "+="))
    found.length = 0;
  return found;
}

GPtrArray *
dkms_assigned_names (const char *text)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      Assignment found = find_assignment (*line);
      g_autofree char *name = g_strndup (found.name, found.length);

      if (found.length > 0 && !g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
        g_ptr_array_add (names, g_steal_pointer (&name));
    }
  return names;
}

guint
dkms_assigned_line (const char *text, const char *name, int index)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint last = 0;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      Assignment found = find_assignment (lines[i]);

      if (found.length > 0 && found.length == strlen (name) && strncmp (found.name, name, found.length) == 0
          && (index == ANY || found.index == ANY || found.index == index))
        last = i + 1;
    }
  return last;
}

char *
dkms_file_and_line (const char *path, guint line)
{
  return line > 0 ? g_strdup_printf ("%s:%u", path, line) : g_strdup (path);
}
