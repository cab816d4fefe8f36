/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extracts names from the text of a line. */
#include "check/line.h"

#include <string.h>

enum { LONGEST_LINE = 400 };

/* Commands that download files, some of which print nothing when they fail (wget -q), and the text that must follow on
 * the line. */
static const char *const downloaders[][2]
    = { { "wget", "://" },       { "curl", "://" },      { "git", "clone " },    { "git", "fetch" },
        { "git", "pull" },       { "git", "submodule" }, { "svn", "://" },       { "rsync", "::" },
        { "rsync", "://" },      { "pip", "install " },  { "pip3", "install " }, { "apt-get", "install " },
        { "apt", "install " },   { "dnf", "install " },  { "yum", "install " },  { "aria2c", "://" },
        { "cargo", "install " }, { "npm", "install" },   { "go", "get " },       { "hg", "clone " } };

static gboolean
is_word_end (char c)
{
  return c == '\0' || strchr (" \t\n;&|()`'\"", c) != NULL;
}

const char *
dkms_downloader_in (const char *text)
{
  for (gsize i = 0; i < G_N_ELEMENTS (downloaders); i++)
    {
      const char *word = downloaders[i][0];
      for (const char *at = text; (at = strstr (at, word)) != NULL; at++)
        {
          const char *rest = at + strlen (word);
          const char *found = strstr (rest, downloaders[i][1]);
          if ((at == text || at[-1] == '/' || is_word_end (at[-1])) && is_word_end (*rest) && *rest != '\0'
              && found != NULL && found < rest + strcspn (rest, "\n"))
            return word;
        }
    }
  return NULL;
}

/* ---- names in a line ---- */

/* Returns: the number of bytes of the quotation mark or punctuation at @at; 0: none */
static gsize
mark_size (const char *at)
{
  if (g_str_has_prefix (at, "\xe2\x80\x98") || g_str_has_prefix (at, "\xe2\x80\x99"))
    return 3;
  return *at != '\0' && strchr (" \t\n'\"`:,;()[]<>=", *at) != NULL ? 1 : 0;
}

char **
dkms_line_paths (const char *line)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();

  for (const char *at = line; *at != '\0'; at++)
    {
      const char *end = at;

      /* After a blank or a mark, and not the address of a web page. */
      if (*at != '/' || at[1] == '/' || (at > line && mark_size (at - 1) == 0 && (guchar)at[-1] < 0x80))
        continue;
      while (*end != '\0' && mark_size (end) == 0)
        end++;
      if (end > at + 1)
        g_ptr_array_add (paths, g_strndup (at, (gsize)(end - at)));
      at = end - 1;
    }
  g_ptr_array_add (paths, NULL);
  return (char **)g_ptr_array_free (g_steal_pointer (&paths), FALSE);
}

gboolean
dkms_line_creates (const char *line)
{
  static const char *const marks[] = { "annot create", "annot touch", "annot make", "annot mkdir", "ailed to create" };
  gboolean creates = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (marks); i++)
    creates |= strstr (line, marks[i]) != NULL;
  return creates;
}

char *
dkms_line_command (const char *line)
{
  static const char *const marks[] = { ": command not found", ": not found", ": No such file or directory", NULL };

  for (const char *const *mark = marks; *mark != NULL; mark++)
    {
      const char *end = strstr (line, *mark), *start = end;

      while (end != NULL && end > line && end[-1] == '\'')
        end--;
      if (end != NULL && end - line >= 3 && mark_size (end - 3) == 3)
        end -= 3;
      for (start = end; start != NULL && start > line && mark_size (start - 1) == 0 && (guchar)start[-1] < 0x80;)
        start--;
      if (end != NULL && end > start)
        return g_strndup (start, (gsize)(end - start));
    }
  return NULL;
}

/* ---- its plain text ---- */

gsize
dkms_line_drop_colours (const char *line, gsize size, char *plain)
{
  const char *at = line, *end = line + size;
  gsize length = 0;

  while (at < end)
    {
      const char *escape = memchr (at, '\033', (gsize)(end - at));
      gsize part = (gsize)((escape != NULL ? escape : end) - at);
      memcpy (plain + length, at, part);
      length += part;
      at += part;
      if (at == end)
        break;
      at++;
      if (at < end && *at == '[') /* up to its final byte (ECMA-48) */
        for (at++; at < end;)
          if ((guchar)*at++ >= 0x40)
            break;
    }
  return length;
}

char *
dkms_line_clean (const char *line, gsize size)
{
  gsize most = MIN (size, 16 * LONGEST_LINE);
  g_autofree char *plain = g_malloc (most + 1);
  gsize length = dkms_line_drop_colours (line, most, plain), kept = 0;

  for (gsize i = 0; i < length && kept < 4 * LONGEST_LINE + 4; i++)
    if (plain[i] == '\t')
      plain[kept++] = ' ';
    else if ((guchar)plain[i] >= ' ' && plain[i] != 0x7f)
      plain[kept++] = plain[i];
  g_autofree char *valid = g_utf8_make_valid (plain, (gssize)kept);
  g_strstrip (valid);
  if (g_utf8_strlen (valid, -1) <= LONGEST_LINE)
    return g_steal_pointer (&valid);
  g_autofree char *beginning = g_utf8_substring (valid, 0, LONGEST_LINE);
  return g_strconcat (beginning, "...", NULL);
}

char *
dkms_line_plain_quotes (const char *line)
{
  static const char *const marks[] = { "\xe2\x80\x98", "\xe2\x80\x99", "\xc2\xb4", "`" };
  GString *text = g_string_sized_new (strlen (line) + 1);

  for (const char *at = line; *at != '\0'; at++)
    {
      gsize size = 0;

      for (gsize i = 0; i < G_N_ELEMENTS (marks) && size == 0; i++)
        size = g_str_has_prefix (at, marks[i]) ? strlen (marks[i]) : 0;
      g_string_append_c (text, size > 0 ? '\'' : *at);
      at += size > 0 ? size - 1 : 0;
    }
  return g_string_free (text, FALSE);
}
