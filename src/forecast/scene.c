/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds what must be mounted where for a forecast, and mounts it. */
#define _GNU_SOURCE
#include "forecast/scene.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "forecast/headers.h"
#include "store/layout.h"

/* A directory of the system, and what is added to it. */
typedef struct {
  char *inside;     /* its path inside the root, without links */
  GPtrArray *added; /* element-type utf8: directories of the host */
  gboolean lacks;   /* it lacks a name that one of them has */
} Merged;

/* A directory that is shown at another path. */
typedef struct {
  char *from, *to; /* of the host; inside the root */
} Shown;

typedef struct {
  const DkmsPlaces *places;
  GHashTable *merged; /* path inside the root -> Merged */
  GPtrArray *shown;   /* element-type Shown */
} Scene;

static void
merged_free (gpointer data)
{
  Merged *self = data;

  g_free (self->inside);
  g_ptr_array_unref (self->added);
  g_free (self);
}

static void
shown_free (gpointer data)
{
  Shown *self = data;

  g_free (self->from);
  g_free (self->to);
  g_free (self);
}

static void
scene_clear (Scene *self)
{
  g_hash_table_unref (self->merged);
  g_ptr_array_unref (self->shown);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Scene, scene_clear)

/* Whether @inside/@name belongs to one kernel, or to the tools with which modules for it are built. Such a directory is
 * shown as a whole. */
static gboolean
is_of_kernel (const Scene *self, const char *inside, const char *name)
{
  static const char *const dirs[] = { "/usr/src/kernels", "/lib/modules", "/usr/lib/modules" };
  gboolean of_kernels = strcmp (inside, self->places->install_tree) == 0;

  for (gsize i = 0; i < G_N_ELEMENTS (dirs); i++)
    of_kernels |= strcmp (inside, dirs[i]) == 0;
  return of_kernels || (strcmp (inside, "/usr/src") == 0 && strcmp (name, "kernels") != 0)
         || (g_str_has_suffix (inside, "/lib") && g_str_has_prefix (name, "linux-kbuild-"));
}

static Merged *
merged_at (const Scene *self, const char *inside)
{
  Merged *merged = g_hash_table_lookup (self->merged, inside);

  if (merged == NULL)
    {
      merged = g_new0 (Merged, 1);
      merged->inside = g_strdup (inside);
      merged->added = g_ptr_array_new_with_free_func (g_free);
      g_hash_table_insert (self->merged, merged->inside, merged);
    }
  return merged;
}

static void
show (const Scene *self, const char *from, const char *to)
{
  Shown *shown = g_new0 (Shown, 1);

  shown->from = g_strdup (from);
  shown->to = g_strdup (to);
  g_ptr_array_add (self->shown, shown);
}

/* Compares the directory @from of the host with @path, an existing directory inside the root. */
static gboolean
compare (const Scene *self, const char *from, const char *path, GError **error)
{
  const DkmsRoot *root = self->places->root;
  g_autofree char *inside = dkms_root_canonical (root, path);
  g_autoptr (GPtrArray) names = dkms_list_dir_at (AT_FDCWD, from, error);

  if (names == NULL)
    return FALSE;
  if (inside == NULL)
    return DKMS_FAIL (error, HEADERS_NOT_SHOWN, .text = path, .number = errno);
  Merged *merged = merged_at (self, inside);
  g_ptr_array_add (merged->added, g_strdup (from));
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *below = g_build_filename (from, name, NULL), *there = g_build_filename (inside, name, NULL);
      gboolean dir = !dkms_is_link_at (AT_FDCWD, below) && dkms_is_dir_at (AT_FDCWD, below);
      gboolean exists = dir ? dkms_root_is_dir (root, there) : FALSE;

      merged->lacks |= !exists; /* an existing file stays, and adding it once more does no harm */
      if (dir && is_of_kernel (self, inside, name))
        show (self, below, there);
      else if (dir && exists && !compare (self, below, there, error))
        return FALSE;
    }
  return TRUE;
}

static int
compare_paths (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const Merged *const *)a)->inside, (*(const Merged *const *)b)->inside);
}

static gboolean
mount_all (const Scene *self, GError **error)
{
  const DkmsRoot *root = self->places->root;
  g_autoptr (GPtrArray) all = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->merged);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_add (all, value);
  g_ptr_array_sort (all, compare_paths); /* a directory comes before those in it */
  for (guint i = 0; i < all->len; i++)
    {
      const Merged *merged = all->pdata[i];
      g_autofree char *dir = dkms_root_host_path (root, merged->inside);
      if (merged->lacks && !dkms_mounts_merge (dir, merged->added, error))
        return FALSE;
    }
  for (guint i = 0; i < self->shown->len; i++)
    {
      const Shown *shown = self->shown->pdata[i];
      g_autofree char *to = dkms_root_host_path (root, shown->to);
      if (!dkms_mounts_bind (shown->from, to, FALSE, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
show_headers (const DkmsPlaces *places, const GPtrArray *headers, GError **error)
{
  g_auto (Scene) self = { .places = places };

  self.merged = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, merged_free);
  self.shown = g_ptr_array_new_with_free_func (shown_free);
  for (guint i = 0; i < headers->len; i++)
    {
      const DkmsAheadHeaders *one = headers->pdata[i];
      if (!compare (&self, one->root, "/", error))
        return FALSE;
      for (guint r = 0; r < one->roots->len; r++)
        if (!compare (&self, one->roots->pdata[r], "/", error))
          return FALSE;
    }
  for (guint i = 0; i < headers->len; i++)
    {
      const DkmsAheadHeaders *one = headers->pdata[i];
      g_autofree char *build = g_build_filename (places->install_tree, one->release, "build", NULL);
      if (one->build != NULL)
        show (&self, one->build, build);
    }
  return mount_all (&self, error);
}

/* Shows the copy of the tree, and in it the files of forecasts. */
static gboolean
show_tree (const DkmsPlaces *places, const char *tree, GError **error)
{
  g_autofree char *ahead = dkms_layout_own (places, "ahead", NULL);
  g_autofree char *from = dkms_root_host_path (places->root, tree);
  g_autofree char *to = dkms_root_host_path (places->root, places->dkms_tree);
  g_autofree char *own = dkms_root_host_path (places->root, ahead);
  g_autofree char *own_in_copy = g_build_filename (from, ".dkms/ahead", NULL);

  return dkms_mounts_bind (own, own_in_copy, TRUE, error) && dkms_mounts_bind (from, to, TRUE, error);
}

DkmsMounts *
dkms_scene_enter (const DkmsPlaces *places, const GPtrArray *headers, const char *tree, GError **error)
{
  guint mark = dkms_unread_mark ();
  DkmsMounts *mounts = dkms_mounts_enter (error);

  if (mounts == NULL)
    return NULL;
  if (show_headers (places, headers, error) && show_tree (places, tree, error)
      && dkms_root_reopen (places->root, error))
    {
      dkms_unread_drop (mark);
      return mounts;
    }
  (void)dkms_scene_leave (mounts, places, NULL);
  dkms_unread_drop (mark);
  return NULL;
}

gboolean
dkms_scene_leave (DkmsMounts *mounts, const DkmsPlaces *places, GError **error)
{
  return dkms_mounts_leave (mounts, error) && dkms_root_reopen (places->root, error);
}
