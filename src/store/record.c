/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes the records of builds and installations. */
#define _GNU_SOURCE
#include "store/record.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"
#include "base/unread.h"
#include "model/event-json.h"
#include "store/layout.h"

enum { MAX_SIZE = 1 << 20 };

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
  g_free (self->indexed_sig);
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
  g_autofree char *text = dkms_root_read (places->root, path, MAX_SIZE, &size, NULL);

  return text != NULL ? json_loadb (text, size, 0, NULL) : NULL;
}

static gboolean
write_text (const char *text, int dir_fd, int via_fd, const char *name, GError **error)
{
  return via_fd < 0 ? dkms_replace_via_at (dir_fd, dir_fd, name, text, 0644, error)
                    : dkms_publish_via_at (via_fd, dir_fd, name, text, 0644, error);
}

/* Whether @name is a file name without a directory. */
static gboolean
is_file_name (const char *name)
{
  gboolean good = *name != '\0' && *name != '.';

  for (const char *c = name; *c != '\0'; c++)
    good &= *c != '/' && !g_ascii_iscntrl (*c);
  return good;
}

/* Records may come from other machines, and name files that are later deleted as root. */
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
                     *owned = NULL, *indexed = NULL;

          if (json_unpack (module, "{s:s,s:s,s?s,s?s,s?s,s?s,s?s,s?s}", "name", &name, "location", &location, "file",
                           &file, "sha256", &sum, "built", &built, "installed", &installed, "owned", &owned, "indexed",
                           &indexed)
              != 0)
            continue;
          DkmsRecordModule *added = dkms_record_add (self, name, location, file);
          added->sha256 = g_strdup (sum);
          added->built_sig = g_strdup (built);
          added->installed_sig = g_strdup (installed);
          added->owned_sig = g_strdup (owned);
          added->indexed_sig = g_strdup (indexed);
        }
    }
  json_decref (object);
  if (self != NULL && !is_sound (self))
    g_clear_pointer (&self, dkms_record_free);
  return self;
}

/* ---- the form that dkms_record_to_text() writes ----
 * For a tree of 10,000 builds, the reader of JSON would take half the time of status. This reader accepts exactly that
 * form; the reader of JSON handles all others. */

typedef struct {
  const char *at, *end;
} Text;

static gboolean
take (Text *self, const char *expected)
{
  gsize size = strlen (expected);

  if ((gsize)(self->end - self->at) < size || memcmp (self->at, expected, size) != 0)
    return FALSE;
  self->at += size;
  return TRUE;
}

/* Reads a string of printable ASCII without escapes. Returns: FALSE if there is none */
static gboolean
take_string (Text *self, char **string)
{
  const char *start = self->at + 1;
  const char *at = start;

  if (!take (self, "\""))
    return FALSE;
  while (at < self->end && *at >= ' ' && *at <= '~' && *at != '"' && *at != '\\')
    at++;
  self->at = at;
  *string = g_strndup (start, (gsize)(at - start));
  return take (self, "\"");
}

/* Reads a number such as 12.5. */
static gboolean
take_seconds (Text *self, double *seconds)
{
  const char *start = self->at;
  char *end = NULL;
  gsize whole, fraction;

  while (self->at < self->end && g_ascii_isdigit (*self->at))
    self->at++;
  whole = (gsize)(self->at - start);
  if (whole == 0 || whole > 15 || (whole > 1 && *start == '0') || !take (self, "."))
    return FALSE;
  for (fraction = 0; self->at < self->end && g_ascii_isdigit (*self->at); fraction++)
    self->at++;
  *seconds = g_ascii_strtod (start, &end); /* the text ends with NUL */
  return fraction > 0 && end == self->at;
}

/* Reads the string @name, if it is the next member. Returns: FALSE if its value is not a string */
static gboolean
take_field (Text *self, const char *name, char **value)
{
  return !take (self, name) || take_string (self, value);
}

static gboolean
take_module (Text *self, DkmsRecord *record)
{
  DkmsRecordModule *module = g_new0 (DkmsRecordModule, 1);

  g_ptr_array_add (record->modules, module);
  return take (self, "{\"name\":") && take_string (self, &module->dest_name) && take (self, ",\"location\":")
         && take_string (self, &module->dest_location) && take_field (self, ",\"file\":", &module->file)
         && take_field (self, ",\"sha256\":", &module->sha256) && take_field (self, ",\"built\":", &module->built_sig)
         && take_field (self, ",\"installed\":", &module->installed_sig)
         && take_field (self, ",\"owned\":", &module->owned_sig)
         && take_field (self, ",\"indexed\":", &module->indexed_sig) && take (self, "}");
}

/* Returns: (transfer full) (nullable): NULL if @text, which ends with NUL, has another form, or contains too much */
static DkmsRecord *
record_from_own_text (const char *text, gsize size)
{
  g_autoptr (DkmsRecord) record = dkms_record_new ();
  Text rest = { text, text + size };

  if (!take (&rest, "{\"format\":1,\"seconds\":") || !take_seconds (&rest, &record->seconds))
    return NULL;
  record->checked = take (&rest, ",\"checked\":true");
  if ((!record->checked && !take (&rest, ",\"checked\":false")) || !take (&rest, ",\"doubts\":[],\"modules\":["))
    return NULL;
  do
    if (!take_module (&rest, record))
      return NULL;
  while (take (&rest, ","));
  return take (&rest, "]}\n") && rest.at == rest.end && is_sound (record) ? g_steal_pointer (&record) : NULL;
}

static DkmsRecord *
record_from_text (const char *text, gsize size)
{
  DkmsRecord *record = record_from_own_text (text, size);

  return record != NULL ? record : record_from_json (json_loadb (text, size, 0, NULL));
}

/* ---- reading ---- */

/* Returns: (transfer full) (nullable): the record in an open file */
static DkmsRecord *
read_record (int fd)
{
  gsize size = 0;
  g_autofree char *text = dkms_read_fd (fd, "", MAX_SIZE, &size, NULL);

  return text != NULL ? record_from_text (text, size) : NULL;
}

DkmsRecord *
dkms_record_read (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *path = dkms_layout_build (places, id, ".record.json");
  gsize size = 0;
  g_autofree char *text = dkms_root_read (places->root, path, MAX_SIZE, &size, NULL);

  return text != NULL ? record_from_text (text, size) : NULL;
}

DkmsRecord *
dkms_record_look (int kernel_fd, const char *arch, gboolean *seen)
{
  g_autofree char *path = g_strconcat (arch, "/.record.json", NULL);
  guint mark = dkms_unread_mark ();
  g_auto (DkmsFd) fd = openat (kernel_fd, path, DKMS_READ_FLAGS | O_NOFOLLOW);
  g_autoptr (DkmsRecord) record = fd >= 0 ? read_record (fd) : NULL;
  struct stat st;

  dkms_unread_drop (mark);
  *seen = FALSE;
  for (guint i = 0; record != NULL && i < record->modules->len; i++)
    {
      DkmsRecordModule *module = record->modules->pdata[i];
      g_autofree char *file = g_strconcat (arch, "/module/", module->file, NULL);

      if (module->file == NULL || fstatat (kernel_fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
        continue;
      *seen = TRUE;
      module->unchanged = dkms_stat_has_signature (&st, module->built_sig);
    }
  return g_steal_pointer (&record);
}

DkmsRecord *
dkms_record_read_at (int build_dir_fd)
{
  g_auto (DkmsFd) fd = openat (build_dir_fd, ".record.json", DKMS_READ_FLAGS | O_NOFOLLOW);

  if (fd < 0)
    dkms_unread_note (build_dir_fd, ".record.json", errno);
  return fd >= 0 ? read_record (fd) : NULL;
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
      set_text (entry, "indexed", module->indexed_sig);
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
