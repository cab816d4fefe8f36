/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/tree.h"

struct DkmsLock {
  int fd;
};

/* "pid command" for those who wait; losing it harms nobody. */
static void
leave_name (int fd)
{
  g_autofree char *text
      = g_strdup_printf ("%d %s\n", (int)getpid (), g_get_prgname () != NULL ? g_get_prgname () : "dkms");

  if (ftruncate (fd, 0) < 0 || pwrite (fd, text, strlen (text), 0) < 0)
    return;
}

static void
say_whom (int fd, DkmsUi *ui, const char *what)
{
  char holder[256] = "";
  ssize_t n = pread (fd, holder, sizeof holder - 1, 0);

  holder[n > 0 ? n : 0] = '\0';
  g_strchomp (holder);
  dkms_ui_note (ui, "Waiting for another run that works on %s (process %s)", what,
                *holder != '\0' ? holder : "unknown");
}

DkmsLock *
dkms_lock_take (const DkmsSettings *settings, DkmsUi *ui, const char *name, gboolean exclusive, GError **error)
{
  g_autofree char *path = dkms_tree_path (settings, ".dkms", name, NULL);
  g_autofree char *shown = dkms_root_host_path (settings->root, path);
  g_autofree char *dir = g_path_get_dirname (path);
  g_auto (DkmsFd) dir_fd = -1;
  g_auto (DkmsFd) fd = -1;
  DkmsLock *self;
  int how = exclusive ? LOCK_EX : LOCK_SH;

  if (exclusive)
    {
      dir_fd = dkms_root_open_dir (settings->root, dir, TRUE, error);
      if (dir_fd < 0)
        return NULL;
    }
  fd = dkms_root_openat (settings->root, path, exclusive ? O_RDWR | O_CREAT : O_RDONLY, 0644);
  if (fd < 0 && exclusive)
    return dkms_fail_errno (error, "open the lock", shown), NULL;
  if (fd >= 0 && flock (fd, how | LOCK_NB) < 0)
    {
      if (errno == EWOULDBLOCK)
        say_whom (fd, ui, strcmp (name, "lock") == 0 ? "the tree" : strchr (name, '/') + 1);
      while (flock (fd, how) < 0)
        if (errno != EINTR)
          return dkms_fail_errno (error, "lock", shown), NULL;
    }
  if (exclusive)
    leave_name (fd);
  self = g_new0 (DkmsLock, 1);
  self->fd = dkms_fd_steal (&fd);
  return self;
}

void
dkms_lock_release (DkmsLock *self)
{
  if (self == NULL)
    return;
  if (self->fd >= 0)
    (void)close (self->fd);
  g_free (self);
}
