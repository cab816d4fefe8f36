/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps and deletes builds of forecasts. */
#define _GNU_SOURCE
#include "store/kept.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"
#include "base/unread.h"
#include "base/walk.h"
#include "check/causes.h"
#include "store/layout.h"
#include "store/lock.h"

enum { MOST_BYTES = 1 << 20, DAYS = 30, SECONDS_OF_DAY = 24 * 60 * 60 };

#define BUILDS "ahead/builds"
#define KERNELS "ahead/kernels"

/* ---- keeping ---- */

char *
dkms_kept_identity (const DkmsInputs *inputs)
{
  return inputs != NULL && dkms_inputs_are_complete (inputs) ? dkms_inputs_identity (inputs) : NULL;
}

char *
dkms_kept_path (const DkmsPlaces *places, const char *identity)
{
  return dkms_layout_own (places, BUILDS, identity);
}

int
dkms_kept_open (const DkmsPlaces *places, const char *identity, DkmsAttempt **attempt)
{
  static const char *const records[] = { ".attempt.json", "attempt.json" };
  guint mark = dkms_unread_mark ();
  g_autofree char *path = dkms_kept_path (places, identity);
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, path, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (DkmsAttempt) found = NULL;

  *attempt = NULL;
  for (gsize i = 0; fd >= 0 && i < G_N_ELEMENTS (records) && found == NULL; i++)
    {
      gsize size = 0;
      g_autofree char *text
          = dkms_is_file_at (fd, records[i]) ? dkms_read_at (fd, records[i], MOST_BYTES, &size, NULL) : NULL;
      found = text != NULL ? dkms_attempt_from_text (text, size, NULL) : NULL;
    }
  dkms_unread_drop (mark); /* what cannot be read is built again */
  if (found == NULL)
    return -1;
  g_autofree char *own = dkms_kept_identity (found->inputs);
  if (g_strcmp0 (own, identity) != 0)
    return -1;
  *attempt = g_steal_pointer (&found);
  return dkms_fd_steal (&fd);
}

gboolean
dkms_kept_add (const DkmsPlaces *places, const char *from, const char *identity, GError **error)
{
  g_autofree char *dir = dkms_layout_own (places, BUILDS, NULL);
  g_autofree char *name = NULL;
  g_auto (DkmsFd) to = dkms_root_open_dir (places->root, dir, TRUE, error);
  g_auto (DkmsFd) parent = to >= 0 ? dkms_root_open_parent (places->root, from, FALSE, &name, error) : -1;

  if (parent < 0 || !dkms_flush_tree_at (parent, name, error) || !dkms_remove_tree_at (to, identity, error))
    return FALSE;
  return (renameat2 (parent, name, to, identity, RENAME_NOREPLACE) == 0 && fsync (to) == 0)
         || dkms_fail_errno (error, "keep", from);
}

gboolean
dkms_kept_is_final (const DkmsAttempt *attempt)
{
  const DkmsCauseInfo *cause = attempt->cause != NULL ? dkms_cause_find (attempt->cause) : NULL;
  DkmsError kind = dkms_error_info (attempt->error)->kind;

  if (attempt->outcome != DKMS_OUTCOME_FAILED || attempt->error == NULL)
    return attempt->outcome == DKMS_OUTCOME_BUILT;
  /* A shell reports a command that a signal ended as 128 + its number. */
  return dkms_error_info (attempt->error)->status < 128
         && (kind == DKMS_ERROR_MAKE_FAILED || kind == DKMS_ERROR_PATCH_FAILED || kind == DKMS_ERROR_SCRIPT_FAILED)
         && cause != NULL
         && (cause->class == DKMS_CLASS_CODE || cause->class == DKMS_CLASS_MODPOST
             || cause->class == DKMS_CLASS_RECIPE);
}

/* ---- deleting ---- */

/* A directory that can be deleted. */
typedef struct {
  char *path; /* inside the root */
  gint64 time;
  goffset size;
} Entry;

static void
entry_free (gpointer data)
{
  Entry *self = data;

  g_free (self->path);
  g_free (self);
}

static void
drop (const DkmsPlaces *places, const char *path)
{
  g_autofree char *name = NULL;
  g_auto (DkmsFd) parent = dkms_root_open_parent (places->root, path, FALSE, &name, NULL);

  if (parent >= 0)
    dkms_discard_tree_at (parent, name);
}

static void
list (const DkmsPlaces *places, const char *below, GPtrArray *entries)
{
  g_autofree char *dir = dkms_layout_own (places, below, NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      struct stat st;
      if (fstatat (fd, names->pdata[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
        continue;
      Entry *entry = g_new0 (Entry, 1);
      entry->path = g_build_filename (dir, names->pdata[i], NULL);
      entry->time = st.st_mtime;
      g_ptr_array_add (entries, entry);
    }
}

static GPtrArray *
list_all (const DkmsPlaces *places)
{
  GPtrArray *entries = g_ptr_array_new_with_free_func (entry_free);

  list (places, BUILDS, entries);
  list (places, KERNELS, entries);
  return entries;
}

/* Whether the headers of the kernel whose files are in @path have been installed. */
static gboolean
is_installed (const DkmsPlaces *places, const char *path)
{
  g_autofree char *kernels = dkms_layout_own (places, KERNELS, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *include = g_build_filename (places->install_tree, name, "build", "include", NULL);

  return strcmp (parent, kernels) == 0 && dkms_root_is_dir (places->root, include);
}

void
dkms_kept_sweep (const DkmsPlaces *places)
{
  guint mark = dkms_unread_mark ();
  g_autofree char *ahead = dkms_layout_own (places, "ahead", NULL);
  gint64 oldest = g_get_real_time () / G_USEC_PER_SEC - (gint64)DAYS * SECONDS_OF_DAY;

  if (dkms_root_is_dir (places->root, ahead))
    {
      g_autoptr (DkmsLock) lock = dkms_lock_try (places, NULL, DKMS_KEPT_LOCK, TRUE, NULL);
      g_autoptr (GPtrArray) entries = lock != NULL ? list_all (places) : NULL;

      for (guint i = 0; entries != NULL && i < entries->len; i++)
        {
          const Entry *entry = entries->pdata[i];
          if (entry->time < oldest || is_installed (places, entry->path))
            drop (places, entry->path);
        }
    }
  dkms_unread_drop (mark); /* the next run tries again */
}

static gboolean
add_size (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  if (entry->st != NULL)
    *(goffset *)data += (goffset)entry->st->st_blocks * 512;
  return TRUE;
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  const Entry *x = *(const Entry *const *)a, *y = *(const Entry *const *)b;

  return x->time != y->time ? (x->time < y->time ? -1 : 1) : strcmp (x->path, y->path);
}

void
dkms_kept_limit (const DkmsPlaces *places, guint limit_mib)
{
  guint mark = dkms_unread_mark ();
  g_autoptr (GPtrArray) entries = list_all (places);
  goffset sum = 0;

  for (guint i = 0; i < entries->len; i++)
    {
      Entry *entry = entries->pdata[i];
      g_auto (DkmsFd) fd = dkms_root_openat (places->root, entry->path, O_RDONLY | O_DIRECTORY, 0);
      if (fd < 0 || !dkms_walk_at (fd, ".", add_size, &entry->size, NULL))
        g_debug ("The size of %s is not known.", entry->path);
      entry->size = MAX (entry->size, 1); /* some file systems need no blocks for directories and small files */
      sum += entry->size;
    }
  g_ptr_array_sort (entries, compare_times);
  for (guint i = 0; i < entries->len && sum > (goffset)limit_mib << 20; i++)
    {
      const Entry *entry = entries->pdata[i];
      drop (places, entry->path);
      sum -= entry->size;
    }
  dkms_unread_drop (mark);
}
