/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds faults of the modules in the directories of kernels, and of archived originals. */
#define _GNU_SOURCE
#include "doctor/look-files.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "base/walk.h"
#include "store/layout.h"
#include "store/record.h"
#include "verify/lookup.h"

/* ---- the modules that one kernel should have ---- */

typedef struct {
  DkmsLook *look;
  const char *kernel;
  GHashTable *known; /* path -> the build that is installed there (DkmsId) */
  GHashTable *bases; /* name of a module without suffix -> its path in @known */
  GHashTable *names; /* set of file names of installed builds without a record, which can be anywhere */
  GHashTable *built; /* path -> path of a built file: where builds that are not installed would be installed */
} Expected;

static void
expect_recorded (const Expected *self, const DkmsBuild *build, const DkmsId *id, const DkmsRecord *record)
{
  const DkmsPlaces *places = &self->look->settings->places;

  for (guint i = 0; i < record->modules->len; i++)
    {
      const DkmsRecordModule *module = record->modules->pdata[i];
      g_autofree char *below = g_build_filename ("module", module->file != NULL ? module->file : "", NULL);
      g_autofree char *path = module->file != NULL
                                  ? dkms_layout_installed (places, self->kernel, module->dest_location, module->file)
                                  : NULL;

      if (path == NULL)
        continue;
      if (build->active)
        {
          g_hash_table_replace (self->bases, g_strdup (module->dest_name), g_strdup (path));
          g_hash_table_replace (self->known, g_steal_pointer (&path), dkms_id_copy (id));
        }
      else
        g_hash_table_replace (self->built, g_steal_pointer (&path), dkms_layout_build (places, id, below));
    }
}

static void
expect_build (const Expected *self, const DkmsVersion *v, const DkmsBuild *build)
{
  const DkmsPlaces *places = &self->look->settings->places;
  const DkmsId id = dkms_build_id (v, build);
  g_autoptr (DkmsRecord) record = dkms_record_read (places, &id);
  g_autofree char *dir = dkms_layout_build (places, &id, "module");
  g_autoptr (GPtrArray) files = record == NULL && build->active ? dkms_look_list (places, dir) : NULL;

  if (record != NULL)
    expect_recorded (self, build, &id, record);
  for (guint i = 0; files != NULL && i < files->len; i++)
    g_hash_table_add (self->names, g_strdup (files->pdata[i]));
}

static gboolean
expect (const Expected *self)
{
  gboolean busy = FALSE;

  for (guint i = 0; i < self->look->state->versions->len; i++)
    {
      const DkmsVersion *v = self->look->state->versions->pdata[i];
      for (guint b = 0; b < v->builds->len; b++)
        {
          const DkmsBuild *build = v->builds->pdata[b];
          if (strcmp (build->kernel, self->kernel) != 0)
            continue;
          busy |= g_hash_table_contains (self->look->busy, v->module);
          expect_build (self, v, build);
        }
    }
  return !busy;
}

/* ---- files that are there ---- */

/* Whether the uncompressed contents of both files are equal. */
static gboolean
is_same_module (const DkmsPlaces *places, const char *a, const char *b)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) files = NULL;

  if (dkms_look_equal (places, a, b))
    return TRUE;
  g_ptr_array_add (paths, dkms_root_resolved (places->root, a));
  g_ptr_array_add (paths, dkms_root_resolved (places->root, b));
  files = dkms_module_files_remembered (places, "doctor-twice", paths, NULL);
  if (files == NULL || files->len < 2)
    return FALSE;
  const DkmsModuleFile *first = files->pdata[0], *second = files->pdata[1];
  return first->sha256 != NULL && g_strcmp0 (first->sha256, second->sha256) == 0;
}

/* Looks at the module @path. @own: whether the directory is one that only dkms uses */
static void
look_at_file (const Expected *self, const char *path, gboolean own)
{
  const DkmsPlaces *places = &self->look->settings->places;
  g_autofree char *name = g_path_get_basename (path), *base = NULL, *owner = NULL;
  const DkmsId kernel = { .kernel = self->kernel };
  const char *twin, *built;

  if (!dkms_look_is_module_name (name, &base) || g_hash_table_contains (self->known, path)
      || g_hash_table_contains (self->names, name))
    return;
  twin = g_hash_table_lookup (self->bases, base);
  if (twin != NULL && dkms_root_is_file (places->root, twin))
    {
      const DkmsId *id = g_hash_table_lookup (self->known, twin);

      if (is_same_module (places, path, twin))
        {
          DKMS_FOUND (self->look, FILE_TWICE, .id = *id, .path = path, .place = twin);
          return;
        }
      owner = dkms_distro_package (self->look->settings->policy.distro, places->root, path);
      DKMS_FOUND (self->look, FILE_TWICE_OTHER, .id = *id, .path = path, .place = twin, .name = owner);
      return;
    }
  if (!own)
    return;
  built = g_hash_table_lookup (self->built, path); /* its link is absent */
  if (built != NULL && dkms_look_equal (places, path, built))
    return;
  owner = dkms_distro_package (self->look->settings->policy.distro, places->root, path);
  DKMS_FOUND (self->look, FILE_FOREIGN, .id = kernel, .path = path, .name = owner);
}

typedef struct {
  const Expected *expected;
  const char *dir;
  GPtrArray *links; /* (element-type utf8): in weak-updates */
  GPtrArray *files; /* (element-type utf8): modules elsewhere */
  gboolean weak;
} Walk;

static gboolean
take_entry (const char *path, const char *name, unsigned char type, gpointer data)
{
  const Walk *self = data;

  if (!dkms_look_is_module_name (name, NULL))
    return TRUE;
  if (self->weak && (type == DT_LNK || type == DT_UNKNOWN))
    g_ptr_array_add (self->links, g_build_filename (self->dir, path, NULL));
  else if (!self->weak && (type == DT_REG || type == DT_LNK || type == DT_UNKNOWN))
    g_ptr_array_add (self->files, g_build_filename (self->dir, path, NULL));
  return TRUE;
}

static void
walk (const Expected *self, const char *below, gboolean weak, GPtrArray *links, GPtrArray *files)
{
  const DkmsPlaces *places = &self->look->settings->places;
  g_autofree char *dir = g_strconcat (places->install_tree, "/", self->kernel, below, NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  Walk data = { self, dir, links, files, weak };

  if (fd >= 0)
    dkms_each_file_at (fd, take_entry, &data);
}

/* Adds modules beside the installed ones, which may be in directories that others use, too. */
static void
add_neighbours (const Expected *self, GPtrArray *files)
{
  const DkmsPlaces *places = &self->look->settings->places;
  GHashTableIter iter;
  gpointer base, path;

  g_hash_table_iter_init (&iter, self->bases);
  while (g_hash_table_iter_next (&iter, &base, &path))
    for (const char *const *suffix = dkms_module_suffixes; *suffix != NULL; suffix++)
      {
        g_autofree char *dir = g_path_get_dirname (path);
        g_autofree char *other = g_strconcat (dir, "/", (char *)base, ".ko", *suffix, NULL);
        if (strcmp (other, path) != 0 && dkms_root_is_file (places->root, other))
          g_ptr_array_add (files, g_steal_pointer (&other));
      }
}

static void
look_at_links (const Expected *self, const GPtrArray *links)
{
  const DkmsPlaces *places = &self->look->settings->places;

  for (guint i = 0; i < links->len; i++)
    {
      struct stat st;
      if (dkms_root_stat (places->root, links->pdata[i], &st) < 0 && dkms_is_absent (errno))
        DKMS_FOUND (self->look, WEAK_DANGLING, .id = { .kernel = self->kernel }, .path = links->pdata[i]);
    }
}

/* Returns: the number of modules of the active @build of another kernel that @targets, the targets of links, has; @all:
 * (out): of all its modules */
static guint
count_linked (const Expected *self, const DkmsVersion *v, const DkmsBuild *build, GHashTable *targets, guint *all)
{
  const DkmsPlaces *places = &self->look->settings->places;
  const DkmsId id = dkms_build_id (v, build);
  g_autoptr (DkmsRecord) record = dkms_record_read (places, &id);
  guint linked = 0;

  *all = 0;
  for (guint i = 0; record != NULL && i < record->modules->len; i++)
    {
      const DkmsRecordModule *module = record->modules->pdata[i];
      g_autofree char *path = module->file != NULL
                                  ? dkms_layout_installed (places, build->kernel, module->dest_location, module->file)
                                  : NULL;
      *all += path != NULL;
      linked += path != NULL && g_hash_table_contains (targets, path);
    }
  return linked;
}

/* A tool that was interrupted, or that refuses single modules, leaves some modules of a build without a link. */
static void
look_for_partial_sets (const Expected *self, const GPtrArray *links)
{
  const DkmsLook *look = self->look;
  g_autoptr (GHashTable) targets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < links->len; i++)
    {
      char *target = dkms_root_read_link (look->settings->places.root, links->pdata[i]);
      if (target != NULL)
        g_hash_table_add (targets, target);
    }
  for (guint i = 0; i < look->state->versions->len && links->len > 0; i++)
    {
      const DkmsVersion *v = look->state->versions->pdata[i];
      for (guint b = 0; b < v->builds->len; b++)
        {
          const DkmsBuild *build = v->builds->pdata[b];
          const DkmsId id = { v->module, v->version, self->kernel, build->arch };
          guint all, linked = build->active && strcmp (build->kernel, self->kernel) != 0
                                  ? count_linked (self, v, build, targets, &all)
                                  : 0;
          if (linked > 0 && linked < all)
            DKMS_FOUND (look, WEAK_PARTIAL, .id = id, .place = build->kernel, .number = linked, .limit = all);
        }
    }
}

static void
look_at_kernel (DkmsLook *look, const char *kernel)
{
  g_autoptr (GHashTable) known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)dkms_id_free);
  g_autoptr (GHashTable) bases = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) built = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) links = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *own = g_strconcat (look->settings->places.install_tree, "/", kernel, "/updates/dkms/", NULL);
  const Expected self = { look, kernel, known, bases, names, built };

  if (!expect (&self))
    return;
  walk (&self, "/weak-updates", TRUE, links, files);
  walk (&self, "/updates", FALSE, links, files);
  walk (&self, "/extra", FALSE, links, files);
  add_neighbours (&self, files);
  g_ptr_array_sort (links, dkms_compare_names);
  g_ptr_array_sort (files, dkms_compare_names);
  look_at_links (&self, links);
  look_for_partial_sets (&self, links);
  for (guint i = 0; i < files->len; i++)
    if (g_hash_table_add (seen, files->pdata[i]))
      look_at_file (&self, files->pdata[i], g_str_has_prefix (files->pdata[i], own));
}

/* ---- originals ---- */

/* Whether the archived file is another one than @package has now. */
static gboolean
is_outdated (const DkmsSettings *settings, const char *package, const char *origin, const char *archived)
{
  const DkmsRoot *root = settings->places.root;
  g_autofree char *wanted = dkms_distro_digest (settings->policy.distro, root, package, origin);
  gsize size = 0;
  g_autofree char *content = wanted != NULL ? dkms_root_read (root, archived, 256 << 20, &size, NULL) : NULL;

  if (content == NULL)
    return FALSE;
  GChecksumType type
      = strlen (wanted) == 2 * (gsize)g_checksum_type_get_length (G_CHECKSUM_MD5) ? G_CHECKSUM_MD5 : G_CHECKSUM_SHA256;
  g_autofree char *is = g_compute_checksum_for_data (type, (const guchar *)content, size);
  return strcmp (is, wanted) != 0;
}

/* Looks at the archived originals of a module for one kernel. */
static void
look_at_archive (DkmsLook *self, const DkmsId *id, gboolean installed)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *dir = dkms_layout_originals (places, id);
  g_autoptr (GPtrArray) names = dkms_look_list (places, dir);

  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i];
      gboolean is_origin = g_str_has_suffix (name, ".origin");
      g_autofree char *file = g_strndup (name, strlen (name) - (is_origin ? strlen (".origin") : 0));
      g_autofree char *archived = g_build_filename (dir, file, NULL), *place = dkms_look_origin (self, id, file);
      gboolean there = dkms_root_is_file (places->root, archived);
      g_autofree char *owner = NULL;

      if (!dkms_look_is_module_name (file, NULL) || (is_origin && there))
        continue;
      owner = place != NULL && installed ? dkms_distro_package (self->settings->policy.distro, places->root, place)
                                         : NULL;
      if (is_origin)
        DKMS_FOUND (self, ORIGINAL_LOST, .id = *id, .path = archived, .place = place,
                    .name = owner != NULL ? owner : "that contains it");
      else if (!installed && place == NULL)
        DKMS_FOUND (self, ORIGINAL_STRAY_ANYWHERE, .id = *id, .path = archived);
      else if (!installed && dkms_look_exists (places, place))
        DKMS_FOUND (self, ORIGINAL_STRAY_THERE, .id = *id, .path = archived, .place = place);
      else if (!installed)
        DKMS_FOUND (self, ORIGINAL_STRAY, .id = *id, .path = archived, .place = place);
      else if (owner != NULL && is_outdated (self->settings, owner, place, archived))
        DKMS_FOUND (self, ORIGINAL_OUTDATED, .id = *id, .path = archived, .place = place, .name = owner);
    }
}

static void
look_at_originals (DkmsLook *self, const char *module)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *dir = g_build_filename (places->dkms_tree, module, "original_module", NULL);
  g_autoptr (GPtrArray) kernels = dkms_look_list (places, dir);

  for (guint k = 0; k < kernels->len; k++)
    {
      g_autofree char *below = g_build_filename (dir, kernels->pdata[k], NULL);
      g_autoptr (GPtrArray) arches = NULL;

      if (g_hash_table_contains (self->gone, kernels->pdata[k]) || !dkms_root_is_dir (places->root, below))
        continue;
      arches = dkms_look_list (places, below);
      for (guint a = 0; a < arches->len; a++)
        {
          const DkmsId id = { module, NULL, kernels->pdata[k], arches->pdata[a] };
          g_autofree char *link = dkms_layout_link (places, &id);
          look_at_archive (self, &id, dkms_look_exists (places, link));
        }
    }
}

void
dkms_look_at_files (DkmsLook *self)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autoptr (GPtrArray) kernels = dkms_look_list (places, places->install_tree);
  g_autoptr (GPtrArray) modules = dkms_look_list (places, places->dkms_tree);

  for (guint i = 0; i < kernels->len; i++)
    {
      DkmsLookPart part = dkms_look_begin (self);

      /* Files that belong to a module that could not be read would seem to belong to nobody. */
      if (self->state->unread->len == 0 && !g_hash_table_contains (self->gone, kernels->pdata[i]))
        look_at_kernel (self, kernels->pdata[i]);
      dkms_look_end (self, part);
    }
  for (guint i = 0; i < modules->len; i++)
    {
      DkmsLookPart part = dkms_look_begin (self);

      if (*(const char *)modules->pdata[i] != '.' && !g_hash_table_contains (self->busy, modules->pdata[i]))
        look_at_originals (self, modules->pdata[i]);
      dkms_look_end (self, part);
    }
}
