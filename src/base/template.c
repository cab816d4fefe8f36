/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fills in templates. */
#include "base/template.h"

#include <string.h>

#include "base/language.h"

static struct {
  char *program, *depmod;
  gboolean (*is_verb) (const char *word);
} chosen;

void
dkms_template_set_root (const char *root, gboolean (*is_verb) (const char *word))
{
  static const char harmless[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "/._-";
  g_autofree char *quoted = root[strspn (root, harmless)] == '\0' ? g_strdup (root) : g_shell_quote (root);

  g_free (chosen.program);
  g_free (chosen.depmod);
  chosen.depmod = g_strconcat ("depmod -b ", quoted, NULL);
  chosen.program = g_strconcat ("dkms --root ", quoted, NULL);
  chosen.is_verb = is_verb;
}

const char *
dkms_template_program (void)
{
  return chosen.program != NULL ? chosen.program : "dkms";
}

typedef struct {
  const char *absent;
  DkmsTemplateValue value;
  gconstpointer subject;
  gboolean translate;
} Values;

/* Returns: whether the field @name contains words, and not a name or a path. "the environment" consists of words, too.
 */
static gboolean
is_words (const char *name, const char *value)
{
  static const char *const fields[]
      = { "advice", "errno", "error", "near", "package", "reason", "text", "title", "whom" };

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    if (strcmp (fields[i], name) == 0)
      return TRUE;
  return g_str_has_prefix (value, "the ") || g_str_has_prefix (value, "a ");
}

/* Returns: (transfer none) (nullable): what replaces the first word of the command at @at in @text, if one is there */
static const char *
program_at (const char *text, const char *at)
{
  if (chosen.is_verb == NULL || (at > text && strchr (" '", at[-1]) == NULL))
    return NULL;
  if (g_str_has_prefix (at, "depmod {"))
    return chosen.depmod;
  if (!g_str_has_prefix (at, "dkms "))
    return NULL;
  g_autofree char *word = g_strndup (at + 5, strspn (at + 5, G_CSET_a_2_z "_"));
  return chosen.is_verb (word) ? chosen.program : NULL;
}

/* Appends the template from @text to @end. Returns: whether no value was absent */
static gboolean
fill (GString *out, const char *text, const char *end, const Values *values)
{
  const char *start = text;
  gboolean complete = TRUE;

  while (text < end)
    {
      const char *program = program_at (start, text);
      if (program != NULL)
        {
          g_string_append (out, program);
          text += strcspn (text, " ");
        }
      const char *close = *text == '{'   ? memchr (text, '}', (gsize)(end - text))
                          : *text == '[' ? memchr (text, ']', (gsize)(end - text))
                                         : NULL;
      if (close == NULL)
        {
          g_string_append_c (out, *text++);
          continue;
        }
      if (*text == '{')
        {
          g_autofree char *name = g_strndup (text + 1, (gsize)(close - text - 1));
          g_autofree char *value = values->value (values->subject, name);
          complete &= value != NULL;
          const char *shown = value != NULL ? value : values->absent;
          g_string_append (out, values->translate && is_words (name, shown) ? dkms_language_of (shown) : shown);
        }
      else
        {
          gsize before = out->len;
          if (!fill (out, text + 1, close, values))
            g_string_truncate (out, before);
        }
      text = close + 1;
    }
  return complete;
}

/* Returns: (transfer full): @text with its values */
static char *
fill_all (const char *text, const Values *values)
{
  GString *out = g_string_new (NULL);

  (void)fill (out, text, text + strlen (text), values);
  return g_string_free (out, FALSE);
}

char *
dkms_template_fill (const char *text, const char *absent, DkmsTemplateValue value, gconstpointer subject)
{
  const Values english = { absent, value, subject, FALSE }, translated = { absent, value, subject, TRUE };
  char *filled = fill_all (text, &english);

  if (!dkms_language_is_english ())
    {
      g_autofree char *translation = fill_all (dkms_language_of (text), &translated);
      dkms_language_remember (filled, translation);
    }
  return filled;
}

/* ---- the other way round ---- */

/* Returns: (transfer full): a regular expression for the texts of @text with values, which are named groups */
static char *
expression_of (const char *text)
{
  g_autoptr (GPtrArray) seen = g_ptr_array_new_with_free_func (g_free);
  GString *out = g_string_new ("^");
  gsize n;

  for (; *text != '\0'; text += n)
    {
      const char *close = *text == '{' ? strchr (text, '}') : NULL;
      gboolean bracket = *text == '[' || *text == ']';
      n = close != NULL ? (gsize)(close - text) + 1 : bracket ? 1 : strcspn (text + 1, "{[]") + 1;
      g_autofree char *part = close != NULL ? g_strndup (text + 1, n - 2) : g_regex_escape_string (text, (int)n);
      if (bracket)
        g_string_append (out, *text == '[' ? "(?:" : ")?");
      else if (close == NULL)
        g_string_append (out, part);
      else if (g_ptr_array_find_with_equal_func (seen, part, g_str_equal, NULL))
        g_string_append_printf (out, "(?P=%s)", part);
      else
        {
          g_string_append_printf (out, "(?P<%s>.*?)", part);
          g_ptr_array_add (seen, g_steal_pointer (&part));
        }
    }
  g_string_append (out, "$");
  return g_string_free (out, FALSE);
}

/* Returns: (transfer full) (nullable): the value of the group @name; NULL if it is empty */
static char *
group (gconstpointer subject, const char *name)
{
  g_autofree char *value = g_match_info_fetch_named (subject, name);

  return value != NULL && *value != '\0' ? g_steal_pointer (&value) : NULL;
}

gboolean
dkms_template_recall (const char *text, const char *filled)
{
  g_autofree char *expression = expression_of (text);
  g_autoptr (GRegex) regex = g_regex_new (expression, G_REGEX_DOTALL | G_REGEX_DOLLAR_ENDONLY, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;

  if (regex == NULL || !g_regex_match (regex, filled, 0, &match))
    return FALSE;
  g_autofree char *again = dkms_template_fill (text, "", group, match);
  return strcmp (again, filled) == 0;
}
