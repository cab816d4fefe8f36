/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions that several parts of doctor ask about files. */
#define _GNU_SOURCE
#include "doctor/look.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "store/layout.h"
#include "store/lock.h"
#include "store/record.h"

DkmsLookPart
dkms_look_begin (const DkmsLook *self)
{
  return (DkmsLookPart){ self->findings->len, dkms_unread_mark () };
}

void
dkms_look_end (DkmsLook *self, DkmsLookPart part)
{
  if (dkms_unread_mark () > part.notes && self->findings->len > part.findings)
    g_ptr_array_set_size (self->findings, (int)part.findings);
}

gboolean
dkms_look_is_locked (const DkmsPlaces *places, const char *name)
{
  guint mark = dkms_unread_mark ();
  gboolean held = dkms_lock_is_held (places, name);

  dkms_unread_drop (mark);
  return held;
}

gboolean
dkms_look_is_module_name (const char *name, char **base)
{
  const char *suffix = dkms_module_suffix (name);
  gsize length = suffix != NULL ? (gsize)(suffix - name) - strlen (".ko") : 0;

  if (length > 0 && base != NULL)
    *base = g_strndup (name, length);
  return length > 0;
}

gboolean
dkms_look_exists (const DkmsPlaces *places, const char *path)
{
  g_autofree char *name = NULL;
  g_auto (DkmsFd) dir = dkms_root_open_parent (places->root, path, FALSE, &name, NULL);
  struct stat st;

  return dir >= 0 && fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

gboolean
dkms_look_equal (const DkmsPlaces *places, const char *a, const char *b)
{
  g_autofree char *first = dkms_root_resolved (places->root, a), *second = dkms_root_resolved (places->root, b);

  return first != NULL && second != NULL && dkms_files_equal_at (AT_FDCWD, first, AT_FDCWD, second);
}

GPtrArray *
dkms_look_list (const DkmsPlaces *places, const char *path)
{
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, path, O_RDONLY | O_DIRECTORY, 0);
  GPtrArray *names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  return names != NULL ? names : g_ptr_array_new_with_free_func (g_free);
}

/* ---- sources ---- */

/* Returns: (transfer full) (nullable): the plain text that the last line NAME=... of @text assigns */
static char *
plain_value (const char *text, const char *name)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  char *value = NULL;

  for (char **line = lines; *line != NULL; line++)
    {
      const char *at = g_strstrip (*line);
      gsize length;

      if (!g_str_has_prefix (at, name))
        continue;
      at += strlen (name);
      at += g_str_has_prefix (at, "[0]") ? strlen ("[0]") : 0;
      if (*at++ != '=')
        continue;
      g_clear_pointer (&value, g_free);
      const char *quote = *at == '"' || *at == '\'' ? at++ : NULL;
      length = quote != NULL ? strcspn (at, (char[]){ *quote, '\0' }) : strcspn (at, " \t#;");
      value = g_strndup (at, length);
    }
  /* Code, or a placeholder such as #MODULE_VERSION#. */
  if (value != NULL && (*value == '\0' || strpbrk (value, "$`\\#@<>") != NULL))
    g_clear_pointer (&value, g_free);
  return value;
}

char *
dkms_look_identity (const DkmsPlaces *places, const char *dir)
{
  g_autofree char *path = g_build_filename (dir, "dkms.conf", NULL);
  g_autofree char *text
      = dkms_root_is_file (places->root, path) ? dkms_root_read (places->root, path, 1 << 20, NULL, NULL) : NULL;
  g_autofree char *name = text != NULL ? plain_value (text, "PACKAGE_NAME") : NULL;
  g_autofree char *version = text != NULL ? plain_value (text, "PACKAGE_VERSION") : NULL;

  return name != NULL && version != NULL ? g_strconcat (name, "/", version, NULL) : NULL;
}

char *
dkms_look_find_source (const DkmsPlaces *places, const DkmsId *id, const char *but)
{
  g_autofree char *wanted = g_strconcat (id->module, "/", id->version, NULL);
  g_autofree char *usual = dkms_layout_unpacked (places, id);
  g_autofree char *usual_name = g_path_get_basename (usual);
  g_autoptr (GPtrArray) names = dkms_look_list (places, places->source_tree);

  g_ptr_array_insert (names, 0, g_strdup (usual_name)); /* the usual place first */
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *dir = g_build_filename (places->source_tree, names->pdata[i], NULL);
      g_autofree char *identity = g_strcmp0 (dir, but) != 0 ? dkms_look_identity (places, dir) : NULL;
      if (g_strcmp0 (identity, wanted) == 0)
        return g_steal_pointer (&dir);
    }
  return NULL;
}

/* ---- originals ---- */

char *
dkms_look_origin (const DkmsLook *self, const DkmsId *id, const char *file)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *dir = dkms_layout_originals (places, id);
  g_autofree char *origin = g_strconcat (dir, "/", file, ".origin", NULL);
  g_autofree char *text
      = dkms_root_is_file (places->root, origin) ? dkms_root_read (places->root, origin, 8192, NULL, NULL) : NULL;
  g_autofree char *below = g_strconcat (places->install_tree, "/", id->kernel, "/", NULL);
  g_autofree char *base = NULL;

  if (text != NULL)
    {
      text[strcspn (text, "\r\n")] = '\0';
      return g_str_has_prefix (text, below) && strstr (text, "/../") == NULL ? g_steal_pointer (&text) : NULL;
    }
  if (!dkms_look_is_module_name (file, &base))
    return NULL;
  for (guint i = 0; i < self->state->versions->len; i++)
    {
      const DkmsVersion *v = self->state->versions->pdata[i];
      const DkmsId build = { v->module, v->version, id->kernel, id->arch };
      g_autoptr (DkmsRecipe) recipe = strcmp (v->module, id->module) == 0 ? dkms_record_recipe (places, &build) : NULL;

      for (guint m = 0; recipe != NULL && m < recipe->modules->len; m++)
        {
          const DkmsRecipeModule *module = recipe->modules->pdata[m];
          if (strcmp (module->dest_name, base) == 0 && strstr (module->dest_location, "..") == NULL)
            return dkms_layout_installed (places, id->kernel, module->dest_location, file);
        }
    }
  return NULL;
}
