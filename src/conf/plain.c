/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads configuration files that consist of plain assignments. */
#include "conf/plain.h"

#include <string.h>

/* The limit of elements in conf/evaluate.c, and a limit of characters for all values, because each line may double the
 * value before. */
enum { LIMIT_INDEX = 4096, LIMIT_VALUES = 1 << 20 };

typedef struct {
  const DkmsQuery *query;
  GStrv names, deprecated; /* of variables */
  DkmsVars *vars;          /* the wanted ones */
  DkmsVars *old;           /* the deprecated ones, until the end of each file */
  DkmsVars *own;           /* those of the files */
  const char *at;          /* in the text of a file, which ends with NUL */
  gsize total;             /* characters of all values */
} Reader;

static gboolean
is_name_char (char c)
{
  return g_ascii_isalnum (c) || c == '_';
}

/* Reads a name. Returns: (transfer full) (nullable): NULL if there is none */
static char *
take_name (Reader *self)
{
  const char *start = self->at;

  if (g_ascii_isdigit (*start))
    return NULL;
  while (is_name_char (*self->at))
    self->at++;
  return self->at > start ? g_strndup (start, (gsize)(self->at - start)) : NULL;
}

static gboolean
is_one_of (GStrv names, const char *name)
{
  return g_strv_contains ((const char *const *)names, name);
}

/* Returns: (transfer none) (nullable): where the variable @name of a file is kept; NULL: it may mean something to bash,
 * whose own variables have other names */
static DkmsVars *
place_of (const Reader *self, const char *name)
{
  if (is_one_of (self->names, name))
    return self->vars;
  if (is_one_of (self->deprecated, name))
    return self->old;
  return g_ascii_islower (*name) ? self->own : NULL;
}

/* Appends the value of the variable @name. Returns: FALSE if only bash knows it */
static gboolean
append_variable (const Reader *self, const char *name, GString *value)
{
  const DkmsVars *place = place_of (self, name);
  gsize n = strlen (name);

  if (place != NULL && (place != self->own || dkms_vars_count (place, name) > 0))
    return g_string_append (value, dkms_vars_get (place, name, 0)) != NULL;
  for (guint i = 0; i < self->query->assign->len; i++)
    {
      const char *pair = self->query->assign->pdata[i];
      if (strncmp (pair, name, n) == 0 && pair[n] == '=')
        return g_string_append (value, pair + n + 1) != NULL;
    }
  return FALSE; /* perhaps it is in the environment */
}

/* Reads $NAME or ${NAME}. */
static gboolean
take_variable (Reader *self, GString *value)
{
  gboolean braces = self->at[1] == '{';

  self->at += braces ? 2 : 1;
  g_autofree char *name = take_name (self);
  if (name == NULL || (braces && *self->at != '}'))
    return FALSE;
  self->at += braces ? 1 : 0;
  return append_variable (self, name, value);
}

/* Reads a text in quotes at the current position. */
static gboolean
take_quoted (Reader *self, GString *value)
{
  char quote = *self->at++;

  while (*self->at != quote)
    {
      if (self->total + value->len > LIMIT_VALUES)
        return FALSE;
      if (quote == '"' && *self->at == '$')
        {
          if (!take_variable (self, value))
            return FALSE;
          continue;
        }
      /* Values with the latter are expanded once more; a line end is one of the control characters. */
      if (*self->at < ' ' || *self->at > '~' || strchr ("$`\\", *self->at) != NULL)
        return FALSE;
      g_string_append_c (value, *self->at++);
    }
  self->at++;
  return TRUE;
}

static gboolean
take_value (Reader *self, GString *value)
{
  while (*self->at != '\0' && strchr (" \t\n", *self->at) == NULL)
    {
      gboolean ok = TRUE;

      if (*self->at == '"' || *self->at == '\'')
        ok = take_quoted (self, value);
      else if (*self->at == '$')
        ok = take_variable (self, value);
      else if (g_ascii_isalnum (*self->at) || strchr ("%+,-./:=@^_", *self->at) != NULL)
        g_string_append_c (value, *self->at++);
      else
        ok = FALSE;
      if (!ok || self->total + value->len > LIMIT_VALUES)
        return FALSE;
    }
  self->total += value->len;
  /* Also in the value of a variable. driver.bash removes CR. */
  return strpbrk (value->str, "$`\\\r") == NULL && g_utf8_validate (value->str, -1, NULL);
}

/* Reads [NUMBER], if it is next. */
static gboolean
take_index (Reader *self, guint *index)
{
  const char *digits = self->at + 1;
  guint64 number;

  *index = 0;
  if (*self->at != '[')
    return TRUE;
  gsize count = strspn (digits, "0123456789");
  g_autofree char *text = g_strndup (digits, count);
  /* A number that begins with 0 is octal. */
  if (digits[count] != ']' || (*text == '0' && count > 1)
      || !g_ascii_string_to_unsigned (text, 10, 0, LIMIT_INDEX, &number, NULL))
    return FALSE;
  *index = (guint)number;
  self->at = digits + count + 1;
  return TRUE;
}

static gboolean
take_assignment (Reader *self)
{
  static const char *const expressions[]
      = { "BUILD_EXCLUSIVE_KERNEL", "BUILD_EXCLUSIVE_ARCH", "MAKE_MATCH", "PATCH_MATCH", NULL };
  g_autofree char *name = take_name (self);
  g_autoptr (GString) value = g_string_new (NULL);
  DkmsVars *place = name != NULL ? place_of (self, name) : NULL;
  guint index;

  if (place == NULL || g_strv_contains (expressions, name) || !take_index (self, &index) || *self->at++ != '='
      || !take_value (self, value))
    return FALSE;
  /* Not folded, because a later line may use the original value. */
  dkms_vars_set (place, name, index, value->str);
  return TRUE;
}

static void
skip_blanks (Reader *self)
{
  self->at += strspn (self->at, " \t");
}

/* Reads one line with its end. */
static gboolean
take_line (Reader *self)
{
  skip_blanks (self);
  if (*self->at != '#' && *self->at != '\n' && *self->at != '\0')
    {
      if (!take_assignment (self))
        return FALSE;
      skip_blanks (self); /* take_value() stops at a blank or the end, so a # after it begins a comment */
    }
  if (*self->at == '#')
    self->at += strcspn (self->at, "\n");
  if (*self->at == '\0')
    return TRUE;
  return *self->at++ == '\n';
}

/* As driver.bash does after each file. */
static void
note_deprecated (const Reader *self, DkmsVars *result, const char *file)
{
  for (char **name = self->deprecated; *name != NULL; name++)
    if (dkms_vars_count (self->old, *name) > 0)
      {
        dkms_vars_add_deprecated (result, file, *name, dkms_vars_get (self->old, *name, 0));
        g_hash_table_remove (self->old->values, *name);
      }
}

/* driver.bash folds values after it has read all files. */
static void
fold (const Reader *self, DkmsVars *result)
{
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, self->vars->values);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      const GPtrArray *elements = value;
      for (guint i = 0; i < elements->len; i++)
        if (elements->pdata[i] != NULL)
          dkms_vars_set_folded (result, name, i, elements->pdata[i]);
    }
}

/* Whether bash would treat a variable of the caller as one of the files. */
static gboolean
is_disturbed (const Reader *self)
{
  g_auto (GStrv) environment = g_listenv ();

  for (char **variable = environment; *variable != NULL; variable++)
    if (g_str_has_prefix (*variable, "DKMS_DIRECTIVE"))
      return TRUE;
  for (guint i = 0; i < self->query->assign->len; i++)
    {
      const char *pair = self->query->assign->pdata[i];
      g_autofree char *name = g_strndup (pair, strcspn (pair, "="));
      if (is_one_of (self->names, name) || is_one_of (self->deprecated, name))
        return TRUE;
    }
  return FALSE;
}

DkmsVars *
dkms_plain_evaluate (const DkmsQuery *query, const GPtrArray *texts, const char *names, const char *deprecated)
{
  g_auto (GStrv) wanted = g_strsplit (names, " ", -1);
  g_auto (GStrv) unwanted = g_strsplit (deprecated != NULL ? deprecated : "", " ", -1);
  g_autoptr (DkmsVars) vars = dkms_vars_new (query->shown);
  g_autoptr (DkmsVars) old = dkms_vars_new (query->shown);
  g_autoptr (DkmsVars) own = dkms_vars_new (query->shown);
  g_autoptr (DkmsVars) result = dkms_vars_new (query->shown);
  Reader reader = { query, wanted, unwanted, vars, old, own, "", 0 };

  if (is_disturbed (&reader))
    return NULL;
  for (guint i = 0; i < texts->len; i++)
    {
      reader.at = ((const GString *)texts->pdata[i])->str;
      while (*reader.at != '\0')
        if (!take_line (&reader))
          return NULL;
      note_deprecated (&reader, result, query->files->pdata[i]);
    }
  fold (&reader, result);
  return g_steal_pointer (&result);
}
