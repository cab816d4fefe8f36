/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads entries, and puts them in the order of the boot loader. */
#include "machine/bls.h"

#include <fnmatch.h>
#include <string.h>

#include "model/version.h"

enum { MOST_EXPANDED = 64 << 10 }; /* bytes of one line with the values of variables */

/* Returns: (transfer full): @name without the counter "+LEFT" or "+LEFT-DONE" before ".conf". @bad: (out): whether no
 * try is left */
static char *
without_counter (const char *name, gboolean *bad)
{
  const char *plus = strrchr (name, '+'), *dot = strrchr (name, '.');

  *bad = FALSE;
  if (plus == NULL || dot == NULL || plus > dot || !g_ascii_isdigit (plus[1])
      || strspn (plus + 1, "0123456789-") != (gsize)(dot - plus - 1))
    return g_strdup (name);
  *bad = plus[1] == '0' && !g_ascii_isdigit (plus[2]);
  return g_strdup_printf ("%.*s%s", (int)(plus - name), name, dot);
}

/* Returns: (transfer full): @text with the values of $NAME and ${NAME} */
static char *
expand (const char *text, GHashTable *variables)
{
  GString *out = g_string_new (NULL);

  while (*text != '\0')
    {
      gboolean braces = text[0] == '$' && text[1] == '{';
      gsize length = *text == '$' ? strspn (text + 1 + braces, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
                                                               "0123456789")
                                  : 0;
      if (length == 0 || (braces && text[2 + length] != '}'))
        {
          g_string_append_c (out, *text++);
          continue;
        }
      g_autofree char *name = g_strndup (text + 1 + braces, length);
      const char *value = variables != NULL ? g_hash_table_lookup (variables, name) : NULL;
      if (value != NULL && out->len + strlen (value) <= MOST_EXPANDED)
        g_string_append (out, value);
      text += 1 + length + 2 * braces;
    }
  return g_string_free (out, FALSE);
}

/* Returns: the value in @line if it begins with @key; NULL if it does not */
static char *
value_of (char *line, const char *key)
{
  gsize length = strlen (key);

  if (strncmp (line, key, length) != 0 || (line[length] != ' ' && line[length] != '\t'))
    return NULL;
  return g_strstrip (line + length);
}

static void
replace (char **field, const char *value)
{
  g_free (*field);
  *field = g_strdup (value);
}

DkmsBlsEntry *
dkms_bls_parse (const char *name, const char *text, GHashTable *variables)
{
  DkmsBlsEntry *self = g_new0 (DkmsBlsEntry, 1);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GString) options = g_string_new (NULL);
  DkmsBootEntry *entry = dkms_boot_entry_new (NULL);

  self->entry = entry;
  entry->id = without_counter (name, &self->bad);
  for (char **line = lines; *line != NULL; line++)
    {
      char *text_of_line = g_strchug (*line), *value;
      const struct {
        const char *key;
        char **field;
      } fields[] = { { "title", &entry->title },
                     { "version", &self->version },
                     { "linux", &entry->kernel },
                     { "machine-id", &self->machine_id },
                     { "sort-key", &self->sort_key } };

      for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
        if ((value = value_of (text_of_line, fields[i].key)) != NULL)
          replace (fields[i].field, value);
      if ((value = value_of (text_of_line, "initrd")) != NULL)
        {
          g_autofree char *expanded = expand (value, variables);
          g_auto (GStrv) words = g_strsplit_set (expanded, " \t", -1); /* GRUB accepts several in one line */
          for (char **word = words; *word != NULL; word++)
            if (**word != '\0')
              g_ptr_array_add (entry->initrds, g_strdup (*word));
        }
      if ((value = value_of (text_of_line, "options")) != NULL)
        {
          g_autofree char *expanded = expand (value, variables);
          g_string_append_printf (options, "%s%s", options->len > 0 ? " " : "", expanded);
        }
    }
  if (entry->title == NULL)
    entry->title = g_strdup (entry->id);
  entry->cmdline = entry->kernel != NULL ? g_strdup (options->str) : NULL;
  return self;
}

void
dkms_bls_entry_free (DkmsBlsEntry *self)
{
  if (self == NULL)
    return;
  dkms_boot_entry_free (self->entry);
  g_free (self->version);
  g_free (self->sort_key);
  g_free (self->machine_id);
  g_free (self);
}

/* ---- order ---- */

static const char *
or_empty (const char *text)
{
  return text != NULL ? text : "";
}

static int
compare (gconstpointer one, gconstpointer other)
{
  const DkmsBlsEntry *a = *(const DkmsBlsEntry *const *)one, *b = *(const DkmsBlsEntry *const *)other;
  int order = (int)a->bad - (int)b->bad;

  if (order != 0)
    return order;
  order = (int)(a->sort_key == NULL) - (int)(b->sort_key == NULL);
  if (order == 0 && a->sort_key != NULL)
    order = strcmp (a->sort_key, b->sort_key);
  if (order == 0 && a->sort_key != NULL)
    order = strcmp (or_empty (a->machine_id), or_empty (b->machine_id));
  if (order == 0 && a->sort_key != NULL)
    order = dkms_version_sort (or_empty (b->version), or_empty (a->version));
  return order != 0 ? order : dkms_version_sort (b->entry->id, a->entry->id);
}

void
dkms_bls_sort (GPtrArray *entries)
{
  g_ptr_array_sort (entries, compare);
}

static int
compare_for_grub (gconstpointer one, gconstpointer other)
{
  const DkmsBlsEntry *a = *(const DkmsBlsEntry *const *)one, *b = *(const DkmsBlsEntry *const *)other;

  return dkms_version_sort (b->entry->id, a->entry->id);
}

void
dkms_bls_sort_for_grub (GPtrArray *entries)
{
  g_ptr_array_sort (entries, compare_for_grub);
}

const DkmsBlsEntry *
dkms_bls_find (const GPtrArray *entries, const char *pattern)
{
  g_autofree char *folded = g_ascii_strdown (pattern, -1);

  for (guint i = 0; i < entries->len; i++)
    {
      const DkmsBlsEntry *entry = entries->pdata[i];
      g_autofree char *id = g_ascii_strdown (entry->entry->id, -1);
      if (fnmatch (folded, id, 0) == 0)
        return entry;
    }
  return NULL;
}

char *
dkms_bls_default (const char *loader_conf)
{
  g_auto (GStrv) lines = g_strsplit (loader_conf, "\n", -1);
  char *found = NULL;

  for (char **line = lines; *line != NULL; line++)
    {
      char *value = value_of (g_strchug (*line), "default");
      if (value != NULL)
        replace (&found, value);
    }
  return found;
}
