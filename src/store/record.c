/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record that each build and installation leaves. */
#include "store/record.h"

#include <string.h>

#include "base/file.h"
#include "base/publish.h"
#include "model/event-json.h"
#include "store/layout.h"

static void
module_free (gpointer data)
{
  DkmsRecordModule *self = data;

  g_free (self->dest_name);
  g_free (self->dest_location);
  g_free (self->file);
  g_free (self->sha256);
  g_free (self->built_sig);
  g_free (self->installed_sig);
  g_free (self->owned_sig);
  g_free (self);
}

DkmsRecord *
dkms_record_new (void)
{
  DkmsRecord *self = g_new0 (DkmsRecord, 1);

  self->modules = g_ptr_array_new_with_free_func (module_free);
  self->doubts = g_ptr_array_new_with_free_func (g_free);
  return self;
}

DkmsRecordModule *
dkms_record_find (const DkmsRecord *self, const char *dest_name)
{
  for (guint i = 0; self != NULL && i < self->modules->len; i++)
    {
      DkmsRecordModule *module = self->modules->pdata[i];
      if (strcmp (module->dest_name, dest_name) == 0)
        return module;
    }
  return NULL;
}

void
dkms_record_free (DkmsRecord *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->modules);
  g_ptr_array_unref (self->doubts);
  g_free (self);
}

DkmsRecordModule *
dkms_record_add (DkmsRecord *self, const char *dest_name, const char *dest_location, const char *file)
{
  DkmsRecordModule *module = g_new0 (DkmsRecordModule, 1);

  module->dest_name = g_strdup (dest_name);
  module->dest_location = g_strdup (dest_location);
  module->file = g_strdup (file);
  g_ptr_array_add (self->modules, module);
  return module;
}

/* Returns: (transfer full) (nullable) */
static json_t *
read_json (const DkmsPlaces *places, const char *path)
{
  gsize size = 0;
  g_autofree char *text = dkms_root_read (places->root, path, 1 << 20, &size, NULL);

  return text != NULL ? json_loadb (text, size, 0, NULL) : NULL;
}

static gboolean
write_text (const char *text, int dir_fd, int via_fd, const char *name, GError **error)
{
  return via_fd < 0 ? dkms_publish_at (dir_fd, name, text, strlen (text), 0644, error)
                    : dkms_publish_via_at (via_fd, dir_fd, name, text, 0644, error);
}

/* A name of a file, as it may stand in a directory. */
static gboolean
is_file_name (const char *name)
{
  gboolean good = *name != '\0' && *name != '.';

  for (const char *c = name; *c != '\0'; c++)
    good &= *c != '/' && !g_ascii_iscntrl (*c);
  return good;
}

/* Records come from other machines, too, and name files that are deleted as root later on. */
static gboolean
is_sound (const DkmsRecord *self)
{
  for (guint i = 0; i < self->modules->len; i++)
    {
      const DkmsRecordModule *module = self->modules->pdata[i];
      g_auto (GStrv) words = g_strsplit (module->dest_location, "/", -1);

      if (!is_file_name (module->dest_name) || (module->file != NULL && !is_file_name (module->file))
          || (*module->dest_location != '\0' && *module->dest_location != '/'))
        return FALSE;
      for (char **word = words; *word != NULL; word++)
        if (**word != '\0' && !is_file_name (*word))
          return FALSE;
    }
  return TRUE;
}

static DkmsRecord *
record_from_json (json_t *object)
{
  json_t *module;
  DkmsRecord *self = NULL;
  size_t i;

  if (json_integer_value (json_object_get (object, "format")) == 1)
    {
      self = dkms_record_new ();
      self->seconds = json_number_value (json_object_get (object, "seconds"));
      self->checked = json_is_true (json_object_get (object, "checked"));
      json_array_foreach (json_object_get (object, "doubts"), i, module)
        if (json_is_string (module))
          g_ptr_array_add (self->doubts, g_strdup (json_string_value (module)));
      json_array_foreach (json_object_get (object, "modules"), i, module)
        {
          const char *name = NULL, *location = NULL, *file = NULL, *sum = NULL, *built = NULL, *installed = NULL,
                     *owned = NULL;

          if (json_unpack (module, "{s:s,s:s,s?s,s?s,s?s,s?s,s?s}", "name", &name, "location", &location, "file", &file,
                           "sha256", &sum, "built", &built, "installed", &installed, "owned", &owned)
              != 0)
            continue;
          DkmsRecordModule *added = dkms_record_add (self, name, location, file);
          added->sha256 = g_strdup (sum);
          added->built_sig = g_strdup (built);
          added->installed_sig = g_strdup (installed);
          added->owned_sig = g_strdup (owned);
        }
    }
  json_decref (object);
  if (self != NULL && !is_sound (self))
    g_clear_pointer (&self, dkms_record_free);
  return self;
}

DkmsRecord *
dkms_record_read (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *path = dkms_layout_build (places, id, ".record.json");

  return record_from_json (read_json (places, path));
}

DkmsRecord *
dkms_record_read_at (int build_dir_fd)
{
  gsize size = 0;
  g_autofree char *text = dkms_read_at (build_dir_fd, ".record.json", 1 << 20, &size, NULL);

  return record_from_json (text != NULL ? json_loadb (text, size, 0, NULL) : NULL);
}

static void
set_text (json_t *object, const char *key, const char *text)
{
  if (text != NULL)
    json_object_set_new (object, key, json_string (text));
}

char *
dkms_record_to_text (const DkmsRecord *self)
{
  json_t *list = json_array ();
  json_t *doubts = json_array ();
  json_t *object = json_pack ("{s:i,s:f,s:b,s:o,s:o}", "format", 1, "seconds", self->seconds, "checked", self->checked,
                              "doubts", doubts, "modules", list);

  for (guint i = 0; i < self->modules->len; i++)
    {
      const DkmsRecordModule *module = self->modules->pdata[i];
      json_t *entry = json_pack ("{s:s,s:s}", "name", module->dest_name, "location", module->dest_location);

      set_text (entry, "file", module->file);
      set_text (entry, "sha256", module->sha256);
      set_text (entry, "built", module->built_sig);
      set_text (entry, "installed", module->installed_sig);
      set_text (entry, "owned", module->owned_sig);
      json_array_append_new (list, entry);
    }
  for (guint i = 0; i < self->doubts->len; i++)
    json_array_append_new (doubts, json_string (self->doubts->pdata[i]));
  return dkms_json_to_text (object, JSON_COMPACT);
}

gboolean
dkms_record_write (const DkmsRecord *self, int build_dir_fd, int via_fd, GError **error)
{
  g_autofree char *text = dkms_record_to_text (self);

  return write_text (text, build_dir_fd, via_fd, ".record.json", error);
}

DkmsRecipe *
dkms_record_recipe (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *path = dkms_layout_build (places, id, ".recipe.json");
  json_t *object = read_json (places, path);
  DkmsRecipe *recipe = dkms_recipe_from_json (path, object, NULL);

  json_decref (object);
  return recipe;
}

gboolean
dkms_record_write_recipe (const DkmsRecipe *recipe, int build_dir_fd, GError **error)
{
  g_autofree char *text = dkms_json_to_text (dkms_vars_to_json (recipe->vars), JSON_COMPACT);

  return write_text (text, build_dir_fd, -1, ".recipe.json", error);
}
