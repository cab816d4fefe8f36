/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks on modules and builds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/loan.h"
#include "store/tree.h"

enum { COMMIT_PATIENCE_MS = 2000, NESTED_PATIENCE_S = 30, MOST_ANCESTORS = 256 };

/* A run about many modules holds many at once: each keeps one descriptor. */
struct DkmsLock {
  int fd;               /* -1: there is nothing to lock yet */
  const DkmsRoot *root; /* outlives the lock */
  char *path;           /* of the lock file, inside the root */
  gboolean goes;        /* the file is deleted in the end */
  int loan;             /* -1: not borrowed (store/loan.h); then fd is -1, too */
  DkmsLock *turn;       /* (nullable): among those who borrow it exclusively */
};

/* ---- who holds a lock ---- */

static char *
read_proc (pid_t pid, const char *name, gsize *size)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/%s", (int)pid, name);
  g_auto (DkmsFd) fd = open (path, O_RDONLY | O_CLOEXEC);
  char text[512];
  ssize_t n = fd >= 0 ? read (fd, text, sizeof text - 1) : -1;

  if (n <= 0)
    return NULL;
  text[n] = '\0';
  *size = (gsize)n;
  return g_memdup2 (text, (gsize)n + 1);
}

/* "pid: command line", blanks between its words. */
static char *
describe (pid_t pid)
{
  gsize size;
  g_autofree char *command = read_proc (pid, "cmdline", &size);

  for (gsize i = 0; command != NULL && i + 1 < size; i++)
    if (command[i] == '\0')
      command[i] = ' ';
  return command != NULL ? g_strdup_printf ("%d: %s", (int)pid, command) : g_strdup_printf ("%d", (int)pid);
}

static pid_t
parent_of (pid_t pid)
{
  gsize size;
  g_autofree char *stat = read_proc (pid, "stat", &size);
  const char *after = stat != NULL ? strrchr (stat, ')') : NULL; /* behind the name, which may be anything */
  int parent = 0;

  return after != NULL && sscanf (after, ") %*c %d", &parent) == 1 ? (pid_t)parent : 0;
}

static gboolean
is_ancestor (pid_t pid)
{
  int count = 0;

  for (pid_t at = getppid (); at > 1 && count < MOST_ANCESTORS; at = parent_of (at), count++)
    if (at == pid)
      return TRUE;
  return FALSE;
}

/* Whether a dkms waits for us: then we must not wait for others without end, who may wait for that one. */
static gboolean
is_nested (void)
{
  static int known = -1;
  g_autofree char *self = NULL;

  if (known >= 0)
    return known;
  known = g_getenv ("DKMS_LOAN") != NULL;
  self = dkms_read_link_at (AT_FDCWD, "/proc/self/exe");
  for (pid_t at = getppid (); !known && at > 1; at = parent_of (at))
    {
      g_autofree char *path = g_strdup_printf ("/proc/%d/exe", (int)at);
      g_autofree char *program = dkms_read_link_at (AT_FDCWD, path);
      known = self != NULL && g_strcmp0 (program, self) == 0;
    }
  return known;
}

/* Who holds a lock on @fd, as the kernel lists it (proc_locks(5)): one that waits for us if there is one. 0: unknown */
static pid_t
holder_of (int fd, gboolean *waits_for_us)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_auto (DkmsFd) list = open ("/proc/locks", O_RDONLY | O_CLOEXEC);
  char chunk[4096];
  struct stat st;
  ssize_t n;
  pid_t holder = 0;

  *waits_for_us = FALSE;
  if (list < 0 || fstat (fd, &st) < 0)
    return 0;
  while ((n = read (list, chunk, sizeof chunk)) > 0)
    g_string_append_len (text, chunk, n);
  g_auto (GStrv) lines = g_strsplit (text->str, "\n", -1);
  /* The device may be another one than stat(2) tells (btrfs, overlays). */
  g_autofree char *inode = g_strdup_printf (":%" G_GUINT64_FORMAT, (guint64)st.st_ino);
  for (char **line = lines; *line != NULL && !*waits_for_us; line++)
    {
      char kind[16], where[64];
      int pid;
      if (strstr (*line, "->") != NULL || sscanf (*line, "%*s %15s %*s %*s %d %63s", kind, &pid, where) != 3
          || strcmp (kind, "FLOCK") != 0 || !g_str_has_suffix (where, inode))
        continue;
      *waits_for_us = is_ancestor (pid);
      if (holder == 0 || *waits_for_us)
        holder = pid;
    }
  return holder;
}

static const char *
subject_of (const char *name)
{
  const char *slash = strrchr (name, '/');

  return slash != NULL ? slash + 1 : "the tree";
}

static void
say_whom (int fd, DkmsUi *ui, const char *name)
{
  gboolean waits_for_us;
  pid_t pid = holder_of (fd, &waits_for_us);
  g_autofree char *holder = pid > 0 ? describe (pid) : g_strdup ("unknown");

  dkms_ui_note (ui, "Waiting for another run that works on %s (process %s)", subject_of (name), holder);
}

/* ---- locks ---- */

static void
lock_free (DkmsLock *self)
{
  if (self->fd >= 0)
    (void)close (self->fd);
  if (self->loan >= 0)
    (void)close (self->loan);
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

/* Fails if the lock will never be ours, or not for too long, because a dkms waits for us. */
static gboolean
check_circle (const DkmsLock *self, const char *name, gint64 since, GError **error)
{
  static const char advice[] = "A script or build of a package must not change what dkms is working on. Take the call "
                               "out of it, or make it when dkms has ended.";
  gboolean waits_for_us;
  pid_t pid = holder_of (self->fd, &waits_for_us);
  g_autofree char *holder = pid > 0 ? describe (pid) : g_strdup ("unknown");

  if (waits_for_us)
    return dkms_fail (error, DKMS_ERROR_IO, self->path, advice,
                      "%s is in use by the dkms that waits for this command (process %s)", subject_of (name), holder);
  if (!is_nested () || g_get_monotonic_time () - since < (gint64)NESTED_PATIENCE_S * G_USEC_PER_SEC)
    return TRUE;
  return dkms_fail (error, DKMS_ERROR_IO, self->path, advice,
                    "%s is in use by another dkms (process %s), for which a command that a script calls does not wait "
                    "longer than %d s",
                    subject_of (name), holder, NESTED_PATIENCE_S);
}

/* Returns: 1 taken, -1 with an error */
static int
wait_for (const DkmsLock *self, const char *name, int how, GError **error)
{
  gint64 since = g_get_monotonic_time ();

  while (flock (self->fd, is_nested () ? how | LOCK_NB : how) < 0)
    {
      if (errno == EWOULDBLOCK && strchr (name, '/') != NULL && !check_circle (self, name, since, error))
        return -1;
      if (errno == EWOULDBLOCK)
        g_usleep (20000);
      else if (errno != EINTR)
        return dkms_fail_lock (self->root, self->path, error), -1;
    }
  return 1;
}

/* Takes the lock. Returns: 1 taken or borrowed, 0 busy, -1 with an error */
static int
take (DkmsLock *self, const DkmsSettings *settings, DkmsUi *ui, const char *name, int how, gboolean wait,
      GError **error)
{
  static gint64 busy_since; /* for those who try again and again; 0: they had what they wanted last */
  gboolean of_module = strchr (name, '/') != NULL;

  if (flock (self->fd, how | LOCK_NB) == 0)
    return busy_since = 0, 1;
  if (how == LOCK_SH && !of_module && has_no_locks (errno))
    return 1; /* where nobody can lock, nobody changes what we read */
  if (errno != EWOULDBLOCK)
    return dkms_fail_lock (self->root, self->path, error), -1;
  if (of_module && (self->loan = dkms_loan_borrow (settings, name)) >= 0)
    return 1;
  if (busy_since == 0)
    busy_since = g_get_monotonic_time ();
  if (of_module && !check_circle (self, name, wait ? g_get_monotonic_time () : busy_since, error))
    return -1;
  /* Commits are short: only one that is not is worth a word. */
  for (int tries = 0; wait && !of_module && tries < COMMIT_PATIENCE_MS / 5; tries++)
    {
      g_usleep (5000);
      if (flock (self->fd, how | LOCK_NB) == 0)
        return 1;
    }
  if (ui != NULL)
    say_whom (self->fd, ui, name);
  return wait ? wait_for (self, name, how, error) : 0;
}

static DkmsLock *lock_take (const DkmsSettings *settings, DkmsUi *ui, const char *name, gboolean exclusive,
                            gboolean wait, GError **error);

/* The lock was borrowed. Returns: FALSE when it is another borrower's turn, or with an error */
static gboolean
take_turn (DkmsLock *self, const DkmsSettings *settings, DkmsUi *ui, const char *name, gboolean exclusive,
           gboolean wait, GError **error)
{
  (void)close (dkms_fd_steal (&self->fd));
  if (!exclusive || !g_str_has_prefix (name, "locks/module/"))
    return TRUE;
  g_autofree char *turn = g_strconcat ("locks/loan/", subject_of (name), NULL);
  self->turn = lock_take (settings, ui, turn, TRUE, wait, error);
  return self->turn != NULL;
}

static DkmsLock *
lock_take (const DkmsSettings *settings, DkmsUi *ui, const char *name, gboolean exclusive, gboolean wait,
           GError **error)
{
  gboolean of_module = strchr (name, '/') != NULL, create = exclusive || of_module;
  DkmsLock *self = g_new0 (DkmsLock, 1);
  int taken;
  struct stat st;

  self->fd = self->loan = -1;
  self->root = settings->root;
  self->path = dkms_tree_path (settings, ".dkms", name, NULL);
  self->goes = exclusive && of_module;
  for (;;)
    {
      if (!open_lock (settings, self->path, create, &self->fd, error))
        break;
      if (self->fd < 0)
        return self; /* a reader of a tree that nobody has written yet */
      taken = take (self, settings, ui, name, exclusive ? LOCK_EX : LOCK_SH, wait, error);
      if (taken <= 0)
        break;
      if (self->loan >= 0)
        {
          if (take_turn (self, settings, ui, name, exclusive, wait, error))
            return self;
          break;
        }
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
  dkms_lock_release (self->turn);
  if (self->loan >= 0)
    (void)flock (self->loan, LOCK_UN);
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
