/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds damage: missing files of builds, and missing installed modules. */
#define _GNU_SOURCE
#include "store/health.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "base/walk.h"
#include "store/layout.h"
#include "store/record.h"

/* ---- the index ---- */

struct DkmsIndex {
  char *text;        /* modules.dep, in which each path ends with a NUL */
  GHashTable *paths; /* relative to the kernel's directory */
};

DkmsIndex *
dkms_index_read (const DkmsPlaces *places, const char *kernel)
{
  g_autofree char *path = g_build_filename (places->install_tree, kernel, "modules.dep", NULL);
  g_autofree char *text = dkms_root_read (places->root, path, 64 << 20, NULL, NULL);
  DkmsIndex *self;

  if (text == NULL)
    return NULL;
  self = g_new0 (DkmsIndex, 1);
  self->paths = g_hash_table_new (g_str_hash, g_str_equal);
  for (char *line = text, *next; line != NULL; line = next) /* "path: path path..." */
    {
      gsize n = strcspn (line, ":\n");

      next = strchr (line + n, '\n');
      next = next != NULL ? next + 1 : NULL;
      if (line[n] != ':')
        continue;
      line[n] = '\0';
      g_hash_table_add (self->paths, line);
    }
  self->text = g_steal_pointer (&text);
  return self;
}

void
dkms_index_free (DkmsIndex *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->paths);
  g_free (self->text);
  g_free (self);
}

DkmsIndexAge
dkms_index_age (const DkmsPlaces *places, const char *kernel, const struct stat *file, const char *indexed_sig)
{
  g_autofree char *path = g_build_filename (places->install_tree, kernel, "modules.dep.bin", NULL);
  struct stat index;

  if (dkms_root_stat (places->root, path, &index) < 0)
    return DKMS_INDEX_ABSENT;
  return dkms_stat_is_newer (file, &index) && !dkms_stat_has_signature (file, indexed_sig) ? DKMS_INDEX_OLDER
                                                                                           : DKMS_INDEX_CURRENT;
}

/* ---- files ---- */

typedef enum { THERE, ABSENT, UNKNOWN } Presence;

/* A dangling link does not count as a module. */
static Presence
look (const DkmsRoot *root, const char *path)
{
  struct stat st;

  if (dkms_root_stat (root, path, &st) == 0)
    return S_ISREG (st.st_mode) ? THERE : UNKNOWN;
  return dkms_is_absent (errno) ? ABSENT : UNKNOWN;
}

typedef struct {
  const char *name;
  gboolean found;
} Search;

static gboolean
is_other (const char *path, const char *name, unsigned char type, gpointer data)
{
  Search *self = data;

  self->found = strcmp (name, self->name) == 0;
  return !self->found;
}

/* Whether a file named @name exists anywhere below @dir. */
static gboolean
is_below (int dir, const char *name)
{
  Search search = { name, FALSE };

  dkms_each_file_at (dir, is_other, &search);
  return search.found;
}

/* Names of the module files of a build; an empty array if it has none. */
static GPtrArray *
list_modules (const DkmsPlaces *s, const DkmsVersion *v, const DkmsBuild *b, int *dir)
{
  const DkmsId id = dkms_build_id (v, b);
  g_autofree char *path = dkms_layout_build (s, &id, "module");
  g_autoptr (GPtrArray) names = NULL;

  *dir = dkms_root_openat (s->root, path, O_RDONLY | O_DIRECTORY, 0);
  names = *dir >= 0 ? dkms_list_dir_at (*dir, ".", NULL) : NULL;
  if (names == NULL)
    return NULL;
  for (guint i = names->len; i-- > 0;)
    if (dkms_module_suffix (names->pdata[i]) == NULL)
      g_ptr_array_remove_index (names, i);
  return g_steal_pointer (&names);
}

/* A power cut can leave empty files in builds of the reference. */
static gboolean
is_whole (int dir, const char *name)
{
  struct stat st;

  if (fstatat (dir, name, &st, 0) < 0)
    {
      dkms_unread_note (dir, name, errno);
      return !dkms_is_absent (errno);
    }
  return S_ISREG (st.st_mode) && st.st_size > 0;
}

/* ---- builds ---- */

/* @location: (nullable): such as "/updates/dkms"; @ours: whether dkms installed the file */
static void
examine_installed (const DkmsPlaces *s, DkmsBuild *b, const char *location, const char *file, gboolean ours,
                   const DkmsIndex *index)
{
  g_autofree char *dir = g_build_filename (s->install_tree, b->kernel, "/", NULL);
  g_autofree char *path = location != NULL ? g_build_filename (dir, location, file, NULL) : NULL;
  Presence presence = path != NULL ? look (s->root, path) : ABSENT;
  g_auto (DkmsFd) fd = -1;

  if (presence == THERE)
    b->unindexed |= index != NULL && !g_hash_table_contains (index->paths, path + strlen (dir));
  if (presence != ABSENT)
    return;
  /* A module that was not installed because the kernel has a newer one exists under the same name. */
  fd = ours ? -1 : dkms_root_openat (s->root, dir, O_RDONLY | O_DIRECTORY, 0);
  b->gone |= ours || (fd >= 0 && !is_below (fd, file));
}

void
dkms_build_examine (const DkmsPlaces *s, const char *place, const DkmsVersion *v, DkmsBuild *b, const DkmsIndex *index)
{
  const DkmsId id = dkms_build_id (v, b);
  g_autoptr (DkmsRecord) record = dkms_record_read (s, &id);
  g_autofree char *kernel_dir = g_build_filename (s->install_tree, b->kernel, NULL);
  gboolean installed = b->active && dkms_root_is_dir (s->root, kernel_dir);
  g_auto (DkmsFd) dir = -1;
  g_autoptr (GPtrArray) names = list_modules (s, v, b, &dir);

  b->incomplete = b->gone = b->unindexed = FALSE;
  for (guint i = 0; record != NULL && i < record->modules->len; i++)
    {
      const DkmsRecordModule *module = record->modules->pdata[i];

      if (module->file == NULL)
        continue;
      b->incomplete |= dir >= 0 && !is_whole (dir, module->file);
      if (installed)
        examine_installed (s, b, module->dest_location, module->file, module->owned_sig != NULL, index);
    }
  for (guint i = 0; record == NULL && names != NULL && i < names->len; i++)
    {
      b->incomplete |= !is_whole (dir, names->pdata[i]);
      if (installed)
        examine_installed (s, b, place, names->pdata[i], FALSE, index);
    }
}

gboolean
dkms_build_lacks_output (const DkmsPlaces *s, const DkmsVersion *v, const DkmsBuild *b, const GPtrArray *outputs)
{
  const DkmsId id = dkms_build_id (v, b);
  g_autofree char *path = dkms_layout_build (s, &id, "module");
  g_auto (DkmsFd) dir = dkms_root_openat (s->root, path, O_RDONLY | O_DIRECTORY, 0);

  for (guint i = 0; dir >= 0 && i < outputs->len; i++)
    {
      const DkmsOutput *output = outputs->pdata[i];
      gboolean whole = output->excluded;

      for (const char *const *suffix = dkms_module_suffixes; *suffix != NULL && !whole; suffix++)
        {
          g_autofree char *file = g_strconcat (output->dest_name, ".ko", *suffix, NULL);
          whole = is_whole (dir, file);
        }
      if (!whole)
        return TRUE;
    }
  return FALSE;
}

gboolean
dkms_build_needs_recipe (const DkmsPlaces *s, const DkmsVersion *v, const DkmsBuild *b)
{
  const DkmsId id = dkms_build_id (v, b);
  g_autoptr (DkmsRecord) record = dkms_record_read (s, &id);
  g_auto (DkmsFd) dir = -1;
  g_autoptr (GPtrArray) names = record == NULL ? list_modules (s, v, b, &dir) : NULL;

  return names != NULL && names->len == 0;
}
