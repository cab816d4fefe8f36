/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Creates scratch directories, and deletes unused ones. */
#define _GNU_SOURCE
#include "store/work.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "store/attempts.h"
#include "store/layout.h"
#include "store/lock.h"

enum { TRIES = 10 };

/* The parent of all scratch directories. It has no lock, because every user can open it. */
static int
open_all (const DkmsPlaces *places, gboolean create, GError **error)
{
  g_autofree char *path = dkms_layout_own (places, "work", NULL);

  return create ? dkms_root_open_dir (places->root, path, TRUE, error)
                : dkms_root_openat (places->root, path, O_RDONLY | O_DIRECTORY, 0);
}

char *
dkms_work_beside (const DkmsWork *self, const char *dir)
{
  return g_strdup_printf ("%s/.dkms-%s", dir, self->id);
}

/* Deletes files that belong to a scratch directory but are in other directories, because they are renamed there, or the
 * administrator configured it. */
static gboolean
drop_beside (const DkmsPlaces *places, const char *id)
{
  const char *const dirs[] = { places->source_tree, places->tmp_location };
  g_autofree char *name = g_strconcat (".dkms-", id, NULL);
  gboolean gone = TRUE;

  for (gsize i = 0; i < G_N_ELEMENTS (dirs); i++)
    {
      g_auto (DkmsFd) fd = dirs[i] != NULL ? dkms_root_openat (places->root, dirs[i], O_RDONLY | O_DIRECTORY, 0) : -1;
      gone &= fd < 0 ? dirs[i] == NULL || dkms_is_absent (errno) : dkms_remove_tree_at (fd, name, NULL);
    }
  return gone;
}

/* Whether the directory @fd still has the name @id. Returns: FALSE with errno */
static gboolean
is_named (int all, const char *id, int fd)
{
  struct stat by_name, by_fd;

  if (fstat (fd, &by_fd) < 0 || fstatat (all, id, &by_name, AT_SYMLINK_NOFOLLOW) < 0)
    return FALSE;
  errno = ENOENT;
  return by_name.st_dev == by_fd.st_dev && by_name.st_ino == by_fd.st_ino;
}

DkmsWork *
dkms_work_new (const DkmsPlaces *places, GError **error)
{
  g_auto (DkmsFd) all = open_all (places, TRUE, error);
  g_autoptr (DkmsWork) self = g_new0 (DkmsWork, 1);

  self->places = places;
  self->fd = -1;
  if (all < 0)
    return NULL;
  for (int tries = 0;; tries++)
    {
      g_free (self->id);
      g_free (self->path);
      self->id = g_strdup_printf ("%08x", g_random_int ());
      self->path = dkms_layout_own (places, "work", self->id);
      g_autofree char *shown = dkms_root_host_path (places->root, places->dkms_tree);

      if (mkdirat (all, self->id, 0700) < 0)
        {
          if (errno == EEXIST)
            continue;
          return DKMS_FAIL (error, TREE_NOT_WRITABLE, .path = shown, .number = errno), NULL;
        }
      self->fd = openat (all, self->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
      if (self->fd >= 0 && flock (self->fd, LOCK_EX | LOCK_NB) == 0 && is_named (all, self->id, self->fd))
        return g_steal_pointer (&self);
      /* Another run may have taken it for a directory of a killed run, and delete it. */
      if (self->fd >= 0 && (tries == TRIES || (errno != ENOENT && errno != EWOULDBLOCK)))
        return dkms_fail_lock (places->root, places->dkms_tree, error), NULL;
      if (self->fd < 0 && (tries == TRIES || errno != ENOENT))
        return DKMS_FAIL (error, TREE_NOT_WRITABLE, .path = shown, .number = errno), NULL;
      if (self->fd >= 0)
        (void)close (dkms_fd_steal (&self->fd));
    }
}

void
dkms_work_free (DkmsWork *self)
{
  guint mark = dkms_unread_mark ();

  if (self == NULL)
    return;
  if (self->fd >= 0)
    {
      g_autofree char *all_path = self->path != NULL ? g_path_get_dirname (self->path) : NULL;
      g_auto (DkmsFd) all = dkms_root_openat (self->places->root, all_path, O_RDONLY | O_DIRECTORY, 0);
      /* The directory is deleted last: while it exists, runs search for the other files. */
      if (drop_beside (self->places, self->id) && all >= 0)
        dkms_discard_tree_at (all, self->id);
      (void)flock (self->fd, LOCK_UN);
      (void)close (self->fd);
      dkms_unread_drop (mark); /* remaining files are deleted by the next run */
    }
  g_free (self->id);
  g_free (self->path);
  g_free (self);
}

/* Whether no run holds the scratch directory @id. @how: a shared lock does not conflict with other processes that only
 * check. @fd: (out): the directory, locked until it is closed; -1: not a directory */
static gboolean
is_free (int all, const char *id, int how, int *fd)
{
  *fd = openat (all, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (*fd < 0)
    dkms_unread_note (all, id, errno);
  return *fd >= 0 ? flock (*fd, how | LOCK_NB) == 0
                  : dkms_is_absent (errno); /* a directory that cannot be opened may be in use */
}

gboolean
dkms_work_alive (const DkmsPlaces *places, const char *id)
{
  g_auto (DkmsFd) all = open_all (places, FALSE, NULL);
  g_auto (DkmsFd) fd = -1;

  return all >= 0 && dkms_is_dir_at (all, id) && !is_free (all, id, LOCK_SH, &fd);
}

void
dkms_work_sweep (const DkmsPlaces *places, DkmsListener *events)
{
  guint mark = dkms_unread_mark ();
  g_autoptr (GError) unread = NULL;
  g_auto (DkmsFd) all = open_all (places, FALSE, NULL);
  g_autoptr (GPtrArray) names = all >= 0 ? dkms_list_dir_at (all, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *path = dkms_layout_own (places, "work", names->pdata[i]);
      g_autofree char *host = dkms_root_host_path (places->root, path);
      g_auto (DkmsFd) fd = -1; /* locked until it is deleted, so that the run that created it notices */

      if (!is_free (all, names->pdata[i], LOCK_EX, &fd))
        continue;
      if (fd >= 0 && !dkms_attempts_sweep (places, fd, &error))
        {
          DKMS_EMIT (events, LEFT_OVER_STAYS, .error = error, .path = host);
          continue;
        }
      if (drop_beside (places, names->pdata[i]) && !dkms_remove_tree_at (all, names->pdata[i], &error))
        DKMS_EMIT (events, LEFT_OVER_STAYS, .error = error, .path = host);
    }
  if (!dkms_unread_since (mark, FALSE, &unread))
    DKMS_EMIT (events, LEFT_OVERS_UNREAD, .error = unread);
}
