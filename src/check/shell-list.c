/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads assignments. */
#include "check/shell-list.h"

#include <string.h>

static const char blanks[] = " \t\n";

/* Reads a word of an array, or a value, at @at: parts in quotes and others. Returns: behind it */
static const char *
read_word (const char *at, const char *end, GString *word)
{
  while (*at != '\0' && strchr (end, *at) == NULL)
    if (*at == '"' || *at == '\'')
      {
        gsize length = strcspn (at + 1, *at == '"' ? "\"" : "'");
        g_string_append_len (word, at + 1, (gssize)length);
        at += 1 + length + (at[1 + length] != '\0');
      }
    else
      g_string_append_c (word, *at++);
  return at;
}

static void
add_words (const char *text, GPtrArray *words)
{
  for (text += strspn (text, blanks); *text != '\0'; text += strspn (text, blanks))
    {
      gsize length = strcspn (text, blanks);
      g_autofree char *word = g_strndup (text, length);
      if (strpbrk (word, "$`\\") == NULL)
        g_ptr_array_add (words, g_steal_pointer (&word));
      text += length;
    }
}

/* Reads the value at @at. Returns: behind it */
static const char *
read_value (const char *at, GPtrArray *words)
{
  g_autoptr (GString) word = g_string_new (NULL);

  if (*at != '(')
    {
      at = read_word (at, " \t\n;#", word);
      add_words (word->str, words);
      return at;
    }
  for (at++; *at != '\0' && *at != ')'; at += strspn (at, blanks))
    {
      if (*at == '#')
        at += strcspn (at, "\n");
      g_string_truncate (word, 0);
      at = read_word (at, " \t\n)", word);
      add_words (word->str, words);
    }
  return at;
}

void
dkms_shell_list_read (const char *text, const char *name, GPtrArray *words)
{
  gsize length = strlen (name);

  while (*text != '\0')
    {
      text += strspn (text, blanks);
      if (strncmp (text, name, length) == 0 && (text[length] == '=' || strncmp (text + length, "+=", 2) == 0))
        {
          gboolean more = text[length] == '+';
          if (!more)
            g_ptr_array_set_size (words, 0);
          text = read_value (text + length + 1 + more, words);
        }
      text += strcspn (text, "\n");
    }
}
