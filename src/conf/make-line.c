/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parses a MAKE line, which is shell code: finds the make commands in it, and adds arguments. */
#include "conf/make-line.h"

#include <string.h>

enum { MAX_NESTING = 64 };

/* Returns: the end of the unit of shell text at @at: a quoted string, $(...), ${...},
 * back-quotes, an escaped character, or one plain character. Text that is nested deeper than MAX_NESTING is skipped to
 * the end of the line, because deep nesting in a recipe could overflow the stack. */
static const char *
skip_piece (const char *at, guint nesting)
{
  char close = *at == '\'' || *at == '"' || *at == '`' ? *at : '\0';
  gboolean substitution = *at == '$' && (at[1] == '(' || at[1] == '{');

  if (*at == '\\' && at[1] != '\0')
    return at + 2;
  if (close == '\0' && !substitution)
    return at + 1;
  if (nesting == MAX_NESTING)
    return at + strlen (at);
  if (substitution)
    close = *++at == '(' ? ')' : '}';
  for (at++; *at != '\0' && *at != close;)
    if (close == '\'')
      at++;
    else if (close == '"' && *at == '\'')
      at++;
    else
      at = skip_piece (at, nesting + 1);
  return *at != '\0' ? at + 1 : at;
}

/* Returns: the length of the operator at @at that ends a simple command, 0 if there is none */
static gsize
operator_length (const char *at)
{
  if ((*at == '>' || *at == '<') && (at[1] == '&' || at[1] == '|'))
    return 0; /* of a redirection */
  if (*at == '&' && at[1] == '>')
    return 0;
  return strspn (at, ";&|()") > 0 ? 1 : 0;
}

typedef struct {
  const char *start, *end;
} Word;

/* The next word at @at, up to the end of its simple command. Returns: FALSE at the end */
static gboolean
next_word (const char *at, Word *word)
{
  at += strspn (at, " \t\n");
  word->start = word->end = at;
  if (*at == '#')
    return FALSE; /* the rest is a comment */
  while (*at != '\0' && strchr (" \t\n", *at) == NULL && operator_length (at) == 0)
    at = (*at == '>' || *at == '<' || *at == '&') && at[1] != '\0' && at[1] != ' ' ? at + 2 : skip_piece (at, 0);
  word->end = at;
  return word->end > word->start;
}

static gboolean
is_make (const Word *word)
{
  g_autofree char *text = g_strndup (word->start, (gsize)(word->end - word->start));
  g_autofree char *plain = g_shell_unquote (text, NULL);
  g_autofree char *name = plain != NULL ? g_path_get_basename (plain) : NULL;

  return name != NULL && (strcmp (name, "make") == 0 || strcmp (name, "gmake") == 0);
}

static gboolean
is_one_of (const Word *word, const char *const *words)
{
  g_autofree char *text = g_strndup (word->start, (gsize)(word->end - word->start));

  return g_strv_contains (words, text);
}

static gboolean
is_assignment (const Word *word)
{
  gsize n = 0, length = (gsize)(word->end - word->start);

  while (n < length && (g_ascii_isalnum (word->start[n]) || word->start[n] == '_'))
    n++;
  return n > 0 && n < length && word->start[n] == '=';
}

/* Whether the simple command that begins at @at runs make. @end: (out): the end of its words; @next: (out): the
 * operator or comment after it */
static gboolean
runs_make (const char *at, const char **end, const char **next)
{
  static const char *const keywords[] = { "!", "{", "if", "then", "elif", "else", "while", "until", "do", NULL };
  static const char *const wrappers[] = { "env", "nice", "ionice", "nohup", "time", "exec", "command", NULL };
  gboolean make = FALSE, command = TRUE, wrapped = FALSE;
  Word word;

  for (*end = at; next_word (at, &word); at = *end = word.end)
    {
      make |= command && is_make (&word);
      wrapped |= command && is_one_of (&word, wrappers); /* with options, whose values look like commands */
      command = command && !make && (wrapped || is_one_of (&word, keywords) || is_assignment (&word));
    }
  *next = word.start;
  return make;
}

char *
dkms_make_line_add_llvm (const char *line)
{
  GString *result = g_string_new (NULL);
  gboolean any = FALSE;
  const char *copied = line, *end, *next;

  for (const char *at = line; *at != '\0'; at = next + operator_length (next))
    {
      if (runs_make (at, &end, &next))
        {
          g_string_append_len (result, copied, end - copied);
          g_string_append (result, " LLVM=1");
          copied = end;
          any = TRUE;
        }
      if (*next == '#')
        break;
    }
  g_string_append (result, copied);
  if (!any)
    g_string_append (result, " LLVM=1");
  return g_string_free (result, FALSE);
}

char *
dkms_make_line_inject (const char *make, const char *jobs, const char *release)
{
  if (!g_str_has_prefix (make, "make") || (make[4] != '\0' && !g_ascii_isspace (make[4])))
    return g_strdup (make);
  if (jobs == NULL)
    return g_strdup_printf ("make KERNELRELEASE=%s%s", release, make + 4);
  return g_strdup_printf ("make -j%s KERNELRELEASE=%s%s", jobs, release, make + 4);
}
