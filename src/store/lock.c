/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/tree.h"

enum { COMMIT_PATIENCE_MS = 2000 };

/* A run about many modules holds many at once: each keeps one descriptor. */
struct DkmsLock {
  int fd;               /* -1: there is nothing to lock yet */
  const DkmsRoot *root; /* outlives the lock */
  char *path;           /* of the lock file, inside the root */
  gboolean goes;        /* the file is deleted in the end */
};

/* The command line of process @pid, blanks between its words. */
static char *
command_of (const char *pid)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "cmdline", NULL);
  g_auto (DkmsFd) fd = open (path, O_RDONLY | O_CLOEXEC);
  char text[256];
  ssize_t n = fd >= 0 ? read (fd, text, sizeof text - 1) : -1;

  if (n <= 0)
    return NULL;
  text[n] = '\0';
  for (ssize_t i = 0; i + 1 < n; i++)
    if (text[i] == '\0')
      text[i] = ' ';
  return g_strdup (text);
}

/* Who holds a lock on @fd, as the kernel lists it (proc_locks(5)): "pid command". */
static char *
holder_of (int fd)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_auto (DkmsFd) list = open ("/proc/locks", O_RDONLY | O_CLOEXEC);
  char chunk[4096];
  struct stat st;
  ssize_t n;

  if (list < 0 || fstat (fd, &st) < 0)
    return NULL;
  while ((n = read (list, chunk, sizeof chunk)) > 0)
    g_string_append_len (text, chunk, n);
  g_auto (GStrv) lines = g_strsplit (text->str, "\n", -1);
  g_autofree char *inode = g_strdup_printf (":%" G_GUINT64_FORMAT, (guint64)st.st_ino);
  for (char **line = lines; *line != NULL; line++)
    {
      char kind[16], pid[16], where[64];
      if (strstr (*line, "->") == NULL && sscanf (*line, "%*s %15s %*s %*s %15s %63s", kind, pid, where) == 3
          && strcmp (kind, "FLOCK") == 0 && g_str_has_suffix (where, inode))
        {
          g_autofree char *command = command_of (pid);
          return command != NULL ? g_strdup_printf ("%s: %s", pid, command) : g_strdup (pid);
        }
    }
  return NULL;
}

static void
say_whom (int fd, DkmsUi *ui, const char *name)
{
  g_autofree char *holder = holder_of (fd);
  const char *slash = strrchr (name, '/');

  dkms_ui_note (ui, "Waiting for another run that works on %s (process %s)", slash != NULL ? slash + 1 : "the tree",
                holder != NULL ? holder : "unknown");
}

static void
lock_free (DkmsLock *self)
{
  if (self->fd >= 0)
    (void)close (self->fd);
  g_free (self->path);
  g_free (self);
}

/* Opens the lock file @path. Returns: FALSE with an error; *fd is -1 when a reader finds none */
static gboolean
open_lock (const DkmsSettings *settings, const char *path, gboolean create, int *fd, GError **error)
{
  g_autofree char *shown = dkms_root_host_path (settings->root, path);
  g_autofree char *dir = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  g_auto (DkmsFd) dir_fd = create ? dkms_root_open_dir (settings->root, dir, TRUE, error) : -1;

  if (create && dir_fd < 0)
    return FALSE;
  *fd = create ? openat (dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644)
               : dkms_root_openat (settings->root, path, O_RDONLY, 0);
  return *fd >= 0 || !create || dkms_fail_errno (error, "open the lock", shown);
}

static gboolean
has_no_locks (int code)
{
  return code == ENOLCK || code == EOPNOTSUPP || code == ENOSYS;
}

gboolean
dkms_fail_lock (const DkmsRoot *root, const char *path, GError **error)
{
  int code = errno;
  g_autofree char *shown = dkms_root_host_path (root, path);

  if (!has_no_locks (code))
    return dkms_fail_errno (error, "lock", shown);
  return dkms_fail (error, DKMS_ERROR_IO, shown,
                    "Mount it with locks (NFS: start the lock services rpc.statd and lockd, or use the mount option "
                    "local_lock=flock if no other machine uses it), or keep the tree on a local file system "
                    "(dkms_tree in /etc/dkms/framework.conf, or --dkmstree).",
                    "Cannot lock %s: the file system there supports no locks (%s)", shown, g_strerror (code));
}

/* Takes the lock. Returns: 1 taken, 0 busy, -1 with an error */
static int
take (const DkmsLock *self, DkmsUi *ui, const char *name, int how, gboolean wait, GError **error)
{
  if (flock (self->fd, how | LOCK_NB) == 0)
    return 1;
  if (how == LOCK_SH && strchr (name, '/') == NULL && has_no_locks (errno))
    return 1; /* where nobody can lock, nobody changes what we read */
  if (errno != EWOULDBLOCK)
    return dkms_fail_lock (self->root, self->path, error), -1;
  /* Commits are short: only one that is not is worth a word. */
  for (int tries = 0; wait && strchr (name, '/') == NULL && tries < COMMIT_PATIENCE_MS / 5; tries++)
    {
      g_usleep (5000);
      if (flock (self->fd, how | LOCK_NB) == 0)
        return 1;
    }
  if (ui != NULL)
    say_whom (self->fd, ui, name);
  if (!wait)
    return 0;
  while (flock (self->fd, how) < 0)
    if (errno != EINTR)
      return dkms_fail_lock (self->root, self->path, error), -1;
  return 1;
}

static DkmsLock *
lock_take (const DkmsSettings *settings, DkmsUi *ui, const char *name, gboolean exclusive, gboolean wait,
           GError **error)
{
  gboolean of_module = strchr (name, '/') != NULL, create = exclusive || of_module;
  DkmsLock *self = g_new0 (DkmsLock, 1);
  int taken;
  struct stat st;

  self->fd = -1;
  self->root = settings->root;
  self->path = dkms_tree_path (settings, ".dkms", name, NULL);
  self->goes = exclusive && of_module;
  for (;;)
    {
      if (!open_lock (settings, self->path, create, &self->fd, error))
        break;
      if (self->fd < 0)
        return self; /* a reader of a tree that nobody has written yet */
      taken = take (self, ui, name, exclusive ? LOCK_EX : LOCK_SH, wait, error);
      if (taken <= 0)
        break;
      if (fstat (self->fd, &st) == 0 && st.st_nlink > 0)
        return self;
      /* Its holder deleted the file while we waited: what we hold is nobody's lock any more. */
      (void)close (dkms_fd_steal (&self->fd));
    }
  lock_free (self);
  return NULL;
}

DkmsLock *
dkms_lock_take (const DkmsSettings *settings, DkmsUi *ui, const char *name, gboolean exclusive, GError **error)
{
  return lock_take (settings, ui, name, exclusive, TRUE, error);
}

DkmsLock *
dkms_lock_try (const DkmsSettings *settings, DkmsUi *ui, const char *name, gboolean exclusive, GError **error)
{
  return lock_take (settings, ui, name, exclusive, FALSE, error);
}

static void
delete_lock (const DkmsLock *self)
{
  g_autofree char *dir = g_path_get_dirname (self->path);
  g_autofree char *name = g_path_get_basename (self->path);
  g_auto (DkmsFd) dir_fd = dkms_root_openat (self->root, dir, O_RDONLY | O_DIRECTORY, 0);

  if (dir_fd >= 0)
    (void)unlinkat (dir_fd, name, 0);
}

void
dkms_lock_release (DkmsLock *self)
{
  if (self == NULL)
    return;
  if (self->fd >= 0)
    {
      /* Locks of modules come and go with them; who waits for this one sees that it is gone and makes a new one. */
      if (self->goes)
        delete_lock (self);
      (void)flock (self->fd, LOCK_UN); /* closing is not enough: forked workers share the lock */
    }
  lock_free (self);
}

char *
dkms_lock_name (const char *module, const char *kernel, const char *arch)
{
  return kernel != NULL ? g_strdup_printf ("locks/build/%s/%s/%s", kernel, arch, module)
                        : g_strconcat ("locks/module/", module, NULL);
}
