/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Publishes files: writes them under a temporary name, flushes and renames them. */
#define _GNU_SOURCE
#include "base/publish.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/walk.h"

/* Returns: (transfer full): an unused temporary name in the directory of @name, so that rename() stays on one file
 * system */
static char *
name_beside (const char *name)
{
  const char *slash = strrchr (name, '/');
  int dir = slash != NULL ? (int)(slash + 1 - name) : 0;

  return g_strdup_printf ("%.*s.%s.%08x", dir, name, name + dir, g_random_int ());
}

static int
open_parent (int dir_fd, const char *name)
{
  g_autofree char *dir = g_path_get_dirname (name);

  return openat (dir_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* @shown: its final name, for messages */
static gboolean
write_new (const DkmsNewFile *file, const char *shown, const void *data, gsize size, GError **error)
{
  g_auto (DkmsFd) fd = openat (file->dir, file->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, file->mode);

  if (fd < 0)
    return dkms_fail_errno (error, "create", shown);
  if (!dkms_write_all (fd, data, size, shown, error))
    goto undo;
  if (fchmod (fd, file->mode) < 0 || (file->flush && fsync (fd) < 0))
    {
      dkms_fail_errno (error, "flush", shown);
      goto undo;
    }
  if (close (dkms_fd_steal (&fd)) < 0)
    {
      dkms_fail_errno (error, "close", shown);
      goto undo;
    }
  return TRUE;

undo:
  (void)unlinkat (file->dir, file->name, 0);
  return FALSE;
}

gboolean
dkms_write_new_at (int dir_fd, const char *name, const void *data, gsize size, mode_t mode, GError **error)
{
  return write_new (&(DkmsNewFile){ dir_fd, name, mode, TRUE }, name, data, size, error);
}

/* Renames @beside of @from_dir to @name in @dir_fd, and flushes the directory. */
static gboolean
put_in_place (int from_dir, const char *beside, int dir_fd, const char *name, GError **error)
{
  g_auto (DkmsFd) parent = -1;

  if (renameat (from_dir, beside, dir_fd, name) < 0)
    {
      dkms_fail_errno (error, "put in place", name);
      (void)unlinkat (from_dir, beside, 0);
      return FALSE;
    }
  parent = open_parent (dir_fd, name);
  if (parent < 0 || fsync (parent) < 0)
    return dkms_fail_errno (error, "flush the directory of", name);
  return TRUE;
}

gboolean
dkms_publish_at (int dir_fd, const char *name, const void *data, gsize size, mode_t mode, GError **error)
{
  g_autofree char *beside = name_beside (name);

  return write_new (&(DkmsNewFile){ dir_fd, beside, mode, TRUE }, name, data, size, error)
         && put_in_place (dir_fd, beside, dir_fd, name, error);
}

gboolean
dkms_publish_via_at (int via_dir, int dir_fd, const char *name, const char *text, mode_t mode, GError **error)
{
  g_autofree char *base = g_path_get_basename (name);
  g_autofree char *beside = name_beside (base);

  return write_new (&(DkmsNewFile){ via_dir, beside, mode, TRUE }, name, text, strlen (text), error)
         && put_in_place (via_dir, beside, dir_fd, name, error);
}

gboolean
dkms_replace_bytes_at (int via_dir, int dir_fd, const char *name, GBytes *bytes, mode_t mode, GError **error)
{
  g_autofree char *beside = name_beside (name);
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);

  if (!write_new (&(DkmsNewFile){ via_dir, beside, mode, FALSE }, name, data, size, error))
    return FALSE;
  if (renameat (via_dir, beside, dir_fd, name) == 0)
    return TRUE;
  dkms_fail_errno (error, "put in place", name);
  (void)unlinkat (via_dir, beside, 0);
  return FALSE;
}

gboolean
dkms_replace_via_at (int via_dir, int dir_fd, const char *name, const char *text, mode_t mode, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (text, strlen (text));

  return dkms_replace_bytes_at (via_dir, dir_fd, name, bytes, mode, error);
}

static gboolean
flush_entry (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  g_auto (DkmsFd) fd = -1;

  if (entry->event == DKMS_WALK_LEAVE || (entry->event == DKMS_WALK_FILE && !S_ISREG (entry->st->st_mode)))
    return TRUE; /* a link is stored in its directory, which is flushed */
  fd = openat (entry->dir_fd, entry->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  return (fd >= 0 && fsync (fd) == 0) || dkms_fail_errno (error, "flush", entry->path);
}

gboolean
dkms_flush_tree_at (int dir_fd, const char *name, GError **error)
{
  return dkms_walk_at (dir_fd, name, flush_entry, NULL, error);
}
