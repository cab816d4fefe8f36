/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks, fills and prunes the local directory of the build cache. */
#define _GNU_SOURCE
#include "share/cache-dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "share/safe-place.h"

#define ENTRIES "ac"
#define BLOBS "cas"
/* The name of a file that is being written. Those of killed processes are deleted like other old files. */
#define TEMPORARY ".new-"

struct DkmsCacheDir {
  char *path; /* inside the root */
  int entries, blobs;
};

static gboolean
is_safe (int fd)
{
  struct stat st;

  return fstat (fd, &st) == 0 && S_ISDIR (st.st_mode) && dkms_is_safe (&st, FALSE);
}

static int
open_below (const DkmsPlaces *places, const char *path, const char *name, gboolean create, GError **error)
{
  g_autofree char *dir = g_build_filename (path, name, NULL);

  if (create)
    return dkms_root_open_dir (places->root, dir, TRUE, error);
  int fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0 && !dkms_is_absent (errno))
    (void)dkms_fail_errno (error, "open", dir);
  return fd;
}

DkmsCacheDir *
dkms_cache_dir_open (const DkmsSettings *settings, gboolean create, GError **error)
{
  const DkmsPlaces *places = &settings->places;
  const char *path = settings->policy.cache_dir;
  g_autoptr (DkmsCacheDir) self = NULL;
  g_autofree char *unsafe = NULL;

  if (*path == '\0')
    return NULL;
  self = g_new0 (DkmsCacheDir, 1);
  self->entries = self->blobs = -1;
  self->entries = open_below (places, path, ENTRIES, create, error);
  self->blobs = self->entries >= 0 ? open_below (places, path, BLOBS, create, error) : -1;
  if (self->blobs < 0)
    return NULL;
  self->path = dkms_root_canonical (places->root, path);
  if (self->path == NULL)
    return (void)dkms_fail_errno (error, "open", path), NULL;
  if (!dkms_find_unsafe (places->root, path, &unsafe, error))
    return NULL;
  if (unsafe == NULL && (!is_safe (self->entries) || !is_safe (self->blobs)))
    unsafe = g_strdup (self->path);
  if (unsafe != NULL)
    return (void)DKMS_FAIL (error, CACHE_WRITABLE, .path = unsafe, .name = self->path), NULL;
  return g_steal_pointer (&self);
}

void
dkms_cache_dir_close (DkmsCacheDir *self)
{
  if (self == NULL)
    return;
  g_auto (DkmsFd) entries = self->entries, blobs = self->blobs; /* closed at the end */
  (void)entries, (void)blobs;
  g_free (self->path);
  g_free (self);
}

/* ---- entries ---- */

char *
dkms_cache_slot (const char *key, const char *signer)
{
  g_autofree char *text
      = g_strconcat ("dkms-slot-1\n", key, "\n", signer != NULL ? signer : "0000000000000000", "\n", NULL);

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

int
dkms_cache_dir_open_entry (const DkmsCacheDir *self, const char *slot)
{
  return openat (self->entries, slot, DKMS_READ_FLAGS | O_NOFOLLOW);
}

int
dkms_cache_dir_blobs (const DkmsCacheDir *self)
{
  return self->blobs;
}

/* Copies the file @name of @from, a directory of the helper, to @to, which gets it when it is complete. */
static gboolean
copy (int from, const char *name, int to, const char *as, GError **error)
{
  g_autofree char *temporary = g_strdup_printf (TEMPORARY "%d-%s", (int)getpid (), as);

  if (!dkms_copy_plain_at (from, name, &(DkmsNewFile){ to, temporary, 0644, FALSE }, error))
    return FALSE;
  if (renameat (to, temporary, to, as) == 0)
    return TRUE;
  (void)dkms_fail_errno (error, "rename", temporary);
  (void)unlinkat (to, temporary, 0);
  return FALSE;
}

gboolean
dkms_cache_dir_add (const DkmsCacheDir *self, int from, const GPtrArray *blobs, const char *slot, GError **error)
{
  for (guint i = 0; i < blobs->len; i++)
    {
      const char *blob = blobs->pdata[i];
      struct stat st, new;
      /* An equal size is enough, because a damaged blob is found and deleted when it is used. */
      if (fstatat (self->blobs, blob, &st, AT_SYMLINK_NOFOLLOW) == 0
          && fstatat (from, blob, &new, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == new.st_size)
        (void)utimensat (self->blobs, blob, NULL, AT_SYMLINK_NOFOLLOW);
      else if (!copy (from, blob, self->blobs, blob, error))
        return FALSE;
    }
  return copy (from, "entry", self->entries, slot, error);
}

void
dkms_cache_dir_touch (const DkmsCacheDir *self, const char *slot, const GPtrArray *blobs)
{
  for (guint i = 0; i < blobs->len; i++)
    (void)utimensat (self->blobs, blobs->pdata[i], NULL, AT_SYMLINK_NOFOLLOW);
  (void)utimensat (self->entries, slot, NULL, AT_SYMLINK_NOFOLLOW);
}

void
dkms_cache_dir_drop (const DkmsCacheDir *self, const char *slot, const char *blob)
{
  if (unlinkat (self->entries, slot, 0) < 0 && errno != ENOENT)
    g_debug ("%s: %s", slot, g_strerror (errno)); /* it is deleted when it is old */
  if (blob != NULL && unlinkat (self->blobs, blob, 0) < 0 && errno != ENOENT)
    g_debug ("%s: %s", blob, g_strerror (errno));
}

/* ---- its size ---- */

/* A file of the cache. */
typedef struct {
  char *name;
  int dir;
  struct timespec used;
  goffset size;
} File;

static void
file_free (gpointer data)
{
  File *self = data;

  g_free (self->name);
  g_free (self);
}

static gboolean
list (int dir, GPtrArray *files, guint *count, GError **error)
{
  g_autoptr (GPtrArray) names = dkms_list_dir_at (dir, ".", error);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      struct stat st;
      if (fstatat (dir, names->pdata[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG (st.st_mode))
        continue;
      File *file = g_new0 (File, 1);
      *file = (File){ g_strdup (names->pdata[i]), dir, st.st_mtim, st.st_size };
      g_ptr_array_add (files, file);
      ++*count;
    }
  return names != NULL;
}

static gboolean
list_all (const DkmsCacheDir *self, GPtrArray *files, DkmsCacheSize *size, GError **error)
{
  *size = (DkmsCacheSize){ 0 };
  if (!list (self->entries, files, &size->entries, error) || !list (self->blobs, files, &size->blobs, error))
    return FALSE;
  for (guint i = 0; i < files->len; i++)
    size->bytes += ((const File *)files->pdata[i])->size;
  return TRUE;
}

gboolean
dkms_cache_dir_measure (const DkmsCacheDir *self, DkmsCacheSize *size, GError **error)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (file_free);

  return list_all (self, files, size, error);
}

static int
compare_use (gconstpointer a, gconstpointer b)
{
  const File *x = *(const File *const *)a, *y = *(const File *const *)b;

  if (x->used.tv_sec != y->used.tv_sec)
    return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
  if (x->used.tv_nsec != y->used.tv_nsec)
    return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
  return strcmp (x->name, y->name);
}

gboolean
dkms_cache_dir_prune (const DkmsCacheDir *self, goffset most, guint *deleted, GError **error)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (file_free);
  g_auto (DkmsFd) lock = openat (self->entries, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DkmsCacheSize size;
  guint count = 0;

  if (deleted != NULL)
    *deleted = 0;
  if (lock < 0 || flock (lock, LOCK_EX | LOCK_NB) < 0)
    return lock >= 0 && errno == EWOULDBLOCK ? TRUE : dkms_fail_errno (error, "lock", self->path);
  if (!list_all (self, files, &size, error))
    return FALSE;
  if (size.bytes <= most)
    return TRUE;
  g_ptr_array_sort (files, compare_use);
  for (guint i = 0; i < files->len && size.bytes > most / 5 * 4; i++)
    {
      const File *file = files->pdata[i];
      if (unlinkat (file->dir, file->name, 0) < 0 && errno != ENOENT)
        return dkms_fail_errno (error, "delete", file->name);
      size.bytes -= file->size;
      count++;
    }
  if (deleted != NULL)
    *deleted = count;
  return TRUE;
}
