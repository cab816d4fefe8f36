/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds faults of directories, sources and links of the tree, and interrupted changes. */
#define _GNU_SOURCE
#include "doctor/look-tree.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "store/journal.h"
#include "store/layout.h"
#include "store/record.h"
#include "store/register.h"
#include "store/work.h"

enum { DAY_S = 24 * 60 * 60 };

/* ---- interrupted changes ---- */

gboolean
dkms_look_for_changes (DkmsLook *self)
{
  const DkmsPlaces *places = &self->settings->places;
  guint mark = dkms_unread_mark ();
  g_auto (DkmsFd) journal = dkms_look_is_locked (places, "lock") ? -1 : dkms_journal_open (places, FALSE, NULL);
  g_autoptr (GPtrArray) names = journal >= 0 ? dkms_journal_list (journal, NULL) : NULL;

  if (journal < 0)
    dkms_unread_drop (mark);
  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *path = dkms_layout_own (places, "journal", name);
      g_autofree char *text
          = *name != '.' && dkms_is_file_at (journal, name) ? dkms_journal_read (journal, name, NULL) : NULL;
      json_t *object = text != NULL ? json_loads (text, 0, NULL) : NULL;

      if (dkms_journal_kind (object) == DKMS_JOURNAL_NEWER)
        DKMS_FOUND (self, JOURNAL_NEWER, .path = path);
      else
        DKMS_FOUND (self, JOURNAL, .path = path);
      json_decref (object);
    }
  return names != NULL && names->len > 0;
}

static void
look_at_notes (DkmsLook *self)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *dir = dkms_layout_own (places, "depmod", NULL);
  g_autoptr (GPtrArray) names = dkms_look_list (places, dir);
  g_autoptr (GHashTable) kernels = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i], *dot = strchr (name, '.');
      g_autofree char *id = dot != NULL ? g_strndup (name, (gsize)(dot - name)) : NULL;

      if (id != NULL && *id != '\0' && dot[1] != '\0' && !dkms_work_alive (places, id)
          && g_hash_table_add (kernels, (gpointer)(dot + 1)))
        DKMS_FOUND (self, DEPMOD_DUE, .id = { .kernel = dot + 1 });
    }
}

/* Whether the directory @path was not changed for a day. */
static gboolean
is_old (const DkmsPlaces *places, const char *path)
{
  struct stat st;

  return dkms_root_stat (places->root, path, &st) == 0
         && st.st_mtim.tv_sec < g_get_real_time () / G_USEC_PER_SEC - DAY_S;
}

static void
look_at_work (DkmsLook *self)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *dir = dkms_layout_own (places, "work", NULL);
  g_autoptr (GPtrArray) names = dkms_look_list (places, dir);

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (dir, names->pdata[i], NULL);
      if (is_old (places, path) && !dkms_work_alive (places, names->pdata[i])
          && !g_str_has_prefix (names->pdata[i], "loan-"))
        DKMS_FOUND (self, WORK_LEFT, .path = path);
    }
}

/* ---- sources ---- */

/* Returns: (transfer full): the directory, inside the root, to which the link @path leads with @text */
static char *
target_of (const char *path, const char *text)
{
  g_autofree char *dir = g_path_get_dirname (path);

  return g_canonicalize_filename (text, dir);
}

/* A source that is gone, or has no dkms.conf. @where: the source */
static void
add_without_source (DkmsLook *self, const DkmsVersion *v, const char *where, gboolean gone)
{
  const DkmsId id = { v->module, v->version, NULL, NULL };
  g_autofree char *other = dkms_look_find_source (&self->settings->places, &id, where);
  const DkmsErrorInfo info = { .id = id, .path = where, .place = other, .number = v->builds->len };
  DkmsFault fault = other != NULL        ? (gone ? DKMS_FAULT_SOURCE_MOVED : DKMS_FAULT_CONF_MOVED)
                    : v->builds->len > 0 ? (gone ? DKMS_FAULT_SOURCE_GONE : DKMS_FAULT_NO_CONF)
                                         : (gone ? DKMS_FAULT_SOURCE_GONE_ALONE : DKMS_FAULT_NO_CONF_ALONE);

  dkms_fault_findings_add (self->findings, self->settings->places.root->host_path, fault, &info);
}

/* A name that dkms gives to files in the directory of a version. */
static gboolean
is_own_name (const char *name)
{
  static const char *const names[] = { "build", "source", "tarball", "driver_disk", "rpm", "deb", NULL };

  return g_strv_contains (names, name) || g_str_has_prefix (name, ".dkms-");
}

/* Names that dkms gives to files beside module/ in the directory of a build. */
static gboolean
is_own_name_of_build (const char *name)
{
  static const char *const names[] = { "log", ".record.json", ".recipe.json", ".attempt.json", ".stale", NULL };

  return g_strv_contains (names, name) || g_str_has_prefix (name, ".dep_") || g_str_has_prefix (name, "dkms.conf");
}

/* Whether the directory @path of a build without modules holds only files of dkms. */
static gboolean
is_own_remainder (const DkmsPlaces *places, const char *path)
{
  g_autoptr (GPtrArray) names = dkms_look_list (places, path);

  for (guint i = 0; i < names->len; i++)
    if (!is_own_name_of_build (names->pdata[i]))
      return FALSE;
  return TRUE;
}

/* Whether the directory of a version without source and builds holds only what dkms puts there. */
static gboolean
is_own_version (const DkmsPlaces *places, const char *path)
{
  g_autoptr (GPtrArray) names = dkms_look_list (places, path);

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *below = g_build_filename (path, names->pdata[i], NULL);
      g_autoptr (GPtrArray) arches = NULL;

      if (is_own_name (names->pdata[i]))
        continue;
      if (!dkms_root_is_dir (places->root, below))
        return FALSE;
      arches = dkms_look_list (places, below);
      for (guint a = 0; a < arches->len; a++)
        {
          g_autofree char *build = g_build_filename (below, arches->pdata[a], NULL);
          if (!dkms_root_is_dir (places->root, build) || !is_own_remainder (places, build))
            return FALSE;
        }
    }
  return TRUE;
}

/* Looks at the source of a version. Returns: whether the version itself goes, so that nothing in it matters */
static gboolean
look_at_source (DkmsLook *self, const DkmsVersion *v)
{
  const DkmsPlaces *places = &self->settings->places;
  const DkmsId id = { v->module, v->version, NULL, NULL };
  g_autofree char *path = dkms_layout_version (places, &id, "source"), *dir = dkms_layout_version (places, &id, NULL);
  g_autofree char *text = dkms_root_read_link (places->root, path);
  g_autofree char *where = text != NULL ? target_of (path, text) : g_strdup (path);
  g_autofree char *conf = g_build_filename (path, "dkms.conf", NULL);
  g_autofree char *wanted = g_strconcat (v->module, "/", v->version, NULL);
  gboolean there = dkms_look_exists (places, path);

  if (!there && v->builds->len == 0)
    {
      if (is_own_version (places, dir))
        DKMS_FOUND (self, ORPHAN_VERSION, .id = id, .path = dir);
      else
        DKMS_FOUND (self, ORPHAN_VERSION_OTHER, .id = id, .path = dir);
      return TRUE;
    }
  if (!there || !dkms_root_is_dir (places->root, path))
    add_without_source (self, v, where, TRUE);
  else if (!dkms_root_is_file (places->root, conf))
    add_without_source (self, v, where, FALSE);
  else
    {
      g_autofree char *identity = dkms_look_identity (places, path);
      g_autofree char *other = NULL;

      if (identity == NULL || strcmp (identity, wanted) == 0)
        return FALSE;
      other = text != NULL ? dkms_look_find_source (places, &id, where) : NULL;
      if (other != NULL)
        DKMS_FOUND (self, SOURCE_OTHER, .id = id, .path = where, .place = other, .text = identity);
      else
        DKMS_FOUND (self, SOURCE_OTHER_ONLY, .id = id, .path = where, .text = identity);
      return FALSE;
    }
  return v->builds->len == 0;
}

/* ---- directories of versions ---- */

static void
look_at_build_dir (DkmsLook *self, const DkmsVersion *v)
{
  const DkmsPlaces *places = &self->settings->places;
  const DkmsId id = { v->module, v->version, NULL, NULL };
  g_autofree char *path = dkms_layout_version (places, &id, "build");
  g_autofree char *lock = g_strjoin ("/", "locks/area", v->module, v->version, NULL);
  g_autoptr (GPtrArray) names = dkms_look_list (places, path);

  if (names->len > 0 && is_old (places, path) && !dkms_look_is_locked (places, lock))
    DKMS_FOUND (self, BUILD_LEFT, .id = id, .path = path);
}

/* Finds <k>/<a> without module/. */
static void
look_for_stale (DkmsLook *self, const DkmsVersion *v)
{
  const DkmsPlaces *places = &self->settings->places;
  const DkmsId id = { v->module, v->version, NULL, NULL };
  g_autofree char *dir = dkms_layout_version (places, &id, NULL);
  g_autoptr (GPtrArray) kernels = dkms_look_list (places, dir);

  for (guint k = 0; k < kernels->len; k++)
    {
      const char *kernel = kernels->pdata[k];
      g_autofree char *below = g_build_filename (dir, kernel, NULL);
      g_autoptr (GPtrArray) arches = NULL;

      if (!dkms_tree_is_kernel_name (kernel) || g_hash_table_contains (self->gone, kernel)
          || !dkms_root_is_dir (places->root, below))
        continue;
      arches = dkms_look_list (places, below);
      if (arches->len == 0)
        DKMS_FOUND (self, STALE_BUILD, .id = { v->module, v->version, kernel, NULL }, .path = below);
      for (guint a = 0; a < arches->len; a++)
        {
          g_autofree char *build = g_build_filename (below, arches->pdata[a], NULL);
          g_autofree char *modules = g_build_filename (build, "module", NULL);
          const DkmsId of = { v->module, v->version, kernel, arches->pdata[a] };

          if (!dkms_root_is_dir (places->root, build) || dkms_root_is_dir (places->root, modules))
            continue;
          if (is_own_remainder (places, build))
            DKMS_FOUND (self, STALE_BUILD, .id = of, .path = build);
          else
            DKMS_FOUND (self, STALE_BUILD_OTHER, .id = of, .path = build);
        }
    }
}

/* ---- links ---- */

/* Returns: (nullable): another version of the module whose build for the kernel is installed */
static const char *
find_installed (const DkmsLook *self, const DkmsId *id)
{
  const DkmsPlaces *places = &self->settings->places;

  for (guint i = 0; i < self->state->versions->len; i++)
    {
      const DkmsVersion *v = self->state->versions->pdata[i];
      const DkmsBuild *build = strcmp (v->module, id->module) == 0 ? dkms_version_find (v, id) : NULL;
      const DkmsId of = { v->module, v->version, id->kernel, id->arch };
      g_autoptr (DkmsRecord) record = build != NULL && build->built ? dkms_record_read (places, &of) : NULL;

      for (guint m = 0; record != NULL && m < record->modules->len; m++)
        {
          const DkmsRecordModule *module = record->modules->pdata[m];
          g_autofree char *below = g_build_filename ("module", module->file != NULL ? module->file : "", NULL);
          g_autofree char *built = dkms_layout_build (places, &of, below);
          g_autofree char *there = dkms_layout_installed (places, id->kernel, module->dest_location, module->file);
          if (module->file != NULL && dkms_root_is_file (places->root, there) && dkms_look_equal (places, built, there))
            return v->version;
        }
    }
  return NULL;
}

static void
look_at_link (DkmsLook *self, const char *module, const char *name)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *path = g_build_filename (places->dkms_tree, module, name, NULL);
  g_autofree char *text = dkms_root_read_link (places->root, path);
  g_auto (GStrv) parts = g_strsplit (text != NULL ? text : "", "/", -1);
  struct stat st;

  if (text == NULL || dkms_root_stat (places->root, path, &st) == 0 || !dkms_is_absent (errno))
    return;
  if (g_strv_length (parts) != 3)
    {
      DKMS_FOUND (self, LINK_DANGLING, .id = { .module = module }, .path = path);
      return;
    }
  const DkmsId id = { module, parts[0], parts[1], parts[2] };
  const char *other = g_hash_table_contains (self->gone, parts[1]) ? NULL : find_installed (self, &id);
  if (g_hash_table_contains (self->gone, parts[1]))
    return;
  if (other != NULL)
    DKMS_FOUND (self, LINK_ELSEWHERE, .id = id, .path = path, .text = other);
  else
    DKMS_FOUND (self, LINK_DANGLING, .id = id, .path = path);
}

/* ---- modules ---- */

static gboolean
is_link_name (const char *name)
{
  return g_str_has_prefix (name, "kernel-") && strchr (name + strlen ("kernel-"), '-') != NULL;
}

static void
look_at_module (DkmsLook *self, const char *module)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *dir = g_build_filename (places->dkms_tree, module, NULL);
  g_autoptr (GPtrArray) names = dkms_look_list (places, dir);
  guint versions = 0, links = 0, others = 0;

  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *path = g_build_filename (dir, name, NULL);

      if (is_link_name (name))
        {
          links++;
          look_at_link (self, module, name);
        }
      else if (strcmp (name, "original_module") == 0 || (*name != '.' && dkms_root_is_dir (places->root, path)))
        versions++;
      else
        others++;
    }
  if (versions + links > 0)
    return;
  if (others == 0)
    DKMS_FOUND (self, EMPTY_MODULE, .id = { .module = module }, .path = dir);
  else
    DKMS_FOUND (self, EMPTY_MODULE_OTHER, .id = { .module = module }, .path = dir);
}

void
dkms_look_at_tree (DkmsLook *self)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autoptr (GPtrArray) names = dkms_look_list (places, places->dkms_tree);

  look_at_notes (self);
  look_at_work (self);
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *path = g_build_filename (places->dkms_tree, name, NULL);
      DkmsLookPart part = dkms_look_begin (self);

      if (*name != '.' && !g_hash_table_contains (self->busy, name) && dkms_root_is_dir (places->root, path))
        look_at_module (self, name);
      dkms_look_end (self, part);
    }
  for (guint i = 0; i < self->state->versions->len; i++)
    {
      const DkmsVersion *v = self->state->versions->pdata[i];

      DkmsLookPart part = dkms_look_begin (self);

      if (!g_hash_table_contains (self->busy, v->module) && !look_at_source (self, v))
        {
          look_for_stale (self, v);
          look_at_build_dir (self, v);
        }
      dkms_look_end (self, part);
    }
}
