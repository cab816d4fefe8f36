/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scratch directories, and sweeping those that nobody uses any more. */
#define _GNU_SOURCE
#include "store/work.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "store/tree.h"

/* The directory of all scratch directories, locked: shared while one is made, exclusive while they are swept. */
static int
open_all (const DkmsSettings *settings, gboolean create, int how, GError **error)
{
  g_autofree char *path = dkms_tree_path (settings, ".dkms", "work", NULL);
  g_auto (DkmsFd) fd = -1;

  if (create)
    fd = dkms_root_open_dir (settings->root, path, TRUE, error);
  else
    fd = dkms_root_openat (settings->root, path, O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0)
    return -1;
  while (flock (fd, how) < 0)
    if (errno != EINTR)
      return dkms_fail_lock (settings->root, path, error), -1;
  return dkms_fd_steal (&fd);
}

char *
dkms_work_beside (const DkmsWork *self, const char *dir)
{
  return g_strdup_printf ("%s/.dkms-%s", dir, self->id);
}

/* What belongs to a scratch directory and lies elsewhere, because it is renamed there or the admin wants it there. */
static gboolean
drop_beside (const DkmsSettings *settings, const char *id)
{
  const char *const places[] = { settings->source_tree, settings->tmp_location };
  g_autofree char *name = g_strconcat (".dkms-", id, NULL);
  gboolean gone = TRUE;

  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_auto (DkmsFd) fd
          = places[i] != NULL ? dkms_root_openat (settings->root, places[i], O_RDONLY | O_DIRECTORY, 0) : -1;
      gone &= fd < 0 ? places[i] == NULL || dkms_is_absent (errno) : dkms_remove_tree_at (fd, name, NULL);
    }
  return gone;
}

DkmsWork *
dkms_work_new (const DkmsSettings *settings, GError **error)
{
  g_auto (DkmsFd) all = open_all (settings, TRUE, LOCK_SH, error);
  g_autoptr (DkmsWork) self = g_new0 (DkmsWork, 1);

  self->settings = settings;
  self->fd = -1;
  if (all < 0)
    return NULL;
  int made;
  do
    {
      g_free (self->id);
      self->id = g_strdup_printf ("%08x", g_random_int ());
      made = mkdirat (all, self->id, 0700);
    }
  while (made < 0 && errno == EEXIST);
  if (made == 0)
    self->fd = openat (all, self->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  int code = errno;
  self->path = dkms_tree_path (settings, ".dkms", "work", self->id, NULL);
  g_autofree char *shown = dkms_root_host_path (settings->root, self->path);
  errno = code;
  if (self->fd < 0)
    return dkms_fail_errno (error, "create the scratch directory", shown), NULL;
  if (flock (self->fd, LOCK_EX | LOCK_NB) < 0)
    return dkms_fail_lock (settings->root, self->path, error), NULL;
  return g_steal_pointer (&self);
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
      g_auto (DkmsFd) all = dkms_root_openat (self->settings->root, all_path, O_RDONLY | O_DIRECTORY, 0);
      /* The directory goes last: as long as it is there, somebody will look for the rest. */
      if (drop_beside (self->settings, self->id) && all >= 0)
        dkms_discard_tree_at (all, self->id);
      (void)flock (self->fd, LOCK_UN);
      (void)close (self->fd);
      dkms_unread_drop (mark); /* what is left is swept by the next run */
    }
  g_free (self->id);
  g_free (self->path);
  g_free (self);
}

static gboolean
is_free (int all, const char *id)
{
  g_auto (DkmsFd) fd = openat (all, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

  if (fd < 0)
    dkms_unread_note (all, id, errno);
  return fd >= 0 ? flock (fd, LOCK_EX | LOCK_NB) == 0 : dkms_is_absent (errno);
}

gboolean
dkms_work_alive (const DkmsSettings *settings, const char *id)
{
  g_auto (DkmsFd) all = open_all (settings, FALSE, LOCK_SH, NULL);

  return all >= 0 && dkms_is_dir_at (all, id) && !is_free (all, id);
}

void
dkms_work_sweep (const DkmsSettings *settings, DkmsUi *ui)
{
  guint mark = dkms_unread_mark ();
  g_autoptr (GError) unread = NULL;
  g_auto (DkmsFd) all = open_all (settings, FALSE, LOCK_EX, NULL);
  g_autoptr (GPtrArray) names = all >= 0 ? dkms_list_dir_at (all, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *path = dkms_tree_path (settings, ".dkms", "work", names->pdata[i], NULL);
      g_autofree char *host = dkms_root_host_path (settings->root, path);

      if (is_free (all, names->pdata[i]) && drop_beside (settings, names->pdata[i])
          && !dkms_remove_tree_at (all, names->pdata[i], &error))
        dkms_ui_warn (ui, "%s. An earlier run left %s; delete it by hand.", error->message, host);
    }
  if (!dkms_unread_since (mark, FALSE, &unread))
    dkms_ui_warn (ui, "%s. Files that earlier runs may have left stay until the next command.", unread->message);
}
