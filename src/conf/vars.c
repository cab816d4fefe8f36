/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Variables of configuration files, by name and index. */
#include "conf/vars.h"

#include <regex.h>
#include <string.h>

DkmsVars *
dkms_vars_new (const char *path)
{
  DkmsVars *self = g_new0 (DkmsVars, 1);

  self->path = g_strdup (path);
  self->values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  self->deprecated = dkms_events_new ();
  return self;
}

void
dkms_vars_free (DkmsVars *self)
{
  if (self == NULL)
    return;
  g_free (self->path);
  g_hash_table_unref (self->values);
  g_ptr_array_unref (self->deprecated);
  g_free (self);
}

void
dkms_vars_set (DkmsVars *self, const char *name, guint index, const char *value)
{
  GPtrArray *elements = g_hash_table_lookup (self->values, name);

  if (elements == NULL)
    {
      elements = g_ptr_array_new_with_free_func (g_free);
      g_hash_table_insert (self->values, g_strdup (name), elements);
    }
  if (elements->len <= index)
    g_ptr_array_set_size (elements, (gint)index + 1);
  g_free (elements->pdata[index]);
  elements->pdata[index] = g_strdup (value);
}

void
dkms_vars_set_folded (DkmsVars *self, const char *name, guint index, const char *value)
{
  g_autoptr (GString) folded = g_string_sized_new (strlen (value));

  while (*value != '\0')
    {
      gsize blanks = strspn (value, " \t\n"), n = strcspn (value + blanks, " \t\n");

      if (blanks > 0)
        g_string_append_c (folded, ' ');
      g_string_append_len (folded, value + blanks, (gssize)n);
      value += blanks + n;
    }
  dkms_vars_set (self, name, index, folded->str);
}

void
dkms_vars_add_deprecated (DkmsVars *self, const char *file, const char *name, const char *value)
{
  static const char *const harmless[] = { "true", "/bin/true", "/usr/bin/true", NULL };

  if (strcmp (name, "CLEAN") == 0 && g_strv_contains (harmless, value))
    return;
  g_ptr_array_add (self->deprecated, DKMS_EVENT_NEW (DIRECTIVE_DEPRECATED, .path = file, .name = name));
}

const char *
dkms_vars_get (const DkmsVars *self, const char *name, guint index)
{
  const GPtrArray *elements = g_hash_table_lookup (self->values, name);

  return elements != NULL && index < elements->len && elements->pdata[index] != NULL ? elements->pdata[index] : "";
}

guint
dkms_vars_count (const DkmsVars *self, const char *name)
{
  const GPtrArray *elements = g_hash_table_lookup (self->values, name);

  return elements != NULL ? elements->len : 0;
}

gboolean
dkms_vars_match (const DkmsVars *self, const char *name, guint index)
{
  g_autofree char *key = g_strconcat ("=", name, NULL);

  return strcmp (dkms_vars_get (self, key, index), "0") != 0;
}

void
dkms_vars_try_match (DkmsVars *self, const char *name, guint i, const char *kernel, const char *arch)
{
  static const char *const of_kernel[] = { "BUILD_EXCLUSIVE_KERNEL", "MAKE_MATCH", "PATCH_MATCH", NULL };
  gboolean about_arch = strcmp (name, "BUILD_EXCLUSIVE_ARCH") == 0;
  g_autofree char *key = g_strconcat ("=", name, NULL);
  gboolean found = FALSE;
  regex_t regex;

  if (!about_arch && !g_strv_contains (of_kernel, name))
    return;
  if (regcomp (&regex, dkms_vars_get (self, name, i), REG_EXTENDED | REG_NOSUB) == 0)
    {
      found = regexec (&regex, about_arch ? arch : kernel, 0, NULL, 0) == 0;
      regfree (&regex);
    }
  dkms_vars_set (self, key, i, found ? "1" : "0");
}

json_t *
dkms_vars_to_json (const DkmsVars *self)
{
  json_t *object = json_object ();
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, self->values);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      const GPtrArray *elements = value;
      json_t *array = json_array ();

      for (guint i = 0; i < elements->len; i++)
        json_array_append_new (array, elements->pdata[i] != NULL ? json_string (elements->pdata[i]) : json_null ());
      json_object_set_new (object, name, array);
    }
  return object;
}

DkmsVars *
dkms_vars_from_json (const char *path, json_t *json)
{
  g_autoptr (DkmsVars) self = dkms_vars_new (path);
  const char *name;
  json_t *array, *element;
  size_t i;

  if (!json_is_object (json))
    return NULL;
  json_object_foreach (json, name, array)
    json_array_foreach (array, i, element)
      if (json_is_string (element))
        dkms_vars_set (self, name, (guint)i, json_string_value (element));
  return g_steal_pointer (&self);
}
