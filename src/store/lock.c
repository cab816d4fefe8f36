/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks on modules and builds. */
#define _GNU_SOURCE
#include "store/lock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/language.h"
#include "base/process.h"
#include "base/unread.h"
#include "store/layout.h"
#include "store/loan.h"

enum { COMMIT_PATIENCE_S = 2, NESTED_PATIENCE_S = 30, MOST_ANCESTORS = 256 };
/* For a lock whose holder is invisible behind the wall of --root, and may be the run that waits for this one. */
enum { BLIND_PATIENCE_S = 2 };
/* The interval at which a held lock is tried again. Commits are short. */
enum { COMMIT_RETRY_MS = 5, RETRY_MS = 20 };

/* A run for many modules holds many locks, each with one descriptor. */
struct DkmsLock {
  int fd;               /* -1: borrowed */
  const DkmsRoot *root; /* must outlive the lock */
  char *path;           /* of the lock file, inside the root */
  gboolean goes;        /* delete the file at the end */
  gboolean was_public;  /* other users could open the file before */
  int loan;             /* -1: not borrowed (store/loan.h); otherwise fd is -1 */
  DkmsLock *turn;       /* (nullable): the turn among exclusive borrowers */
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

/* Returns: (transfer full): "pid: command line", with blanks between its words. */
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
  const char *after
      = stat != NULL ? strrchr (stat, ')') : NULL; /* after the name of the process, which may contain any character */
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

/* Whether a dkms waits for this process. Then this process must not wait without limit for others, which may wait for
 * that dkms. */
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

/* Returns: a process that holds a lock on the file @st according to the kernel (proc_locks(5)), preferably one that
 * waits for this process; 0: unknown, or none */
static pid_t
find_holder (const struct stat *st, gboolean *waits_for_us)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_auto (DkmsFd) list = open ("/proc/locks", O_RDONLY | O_CLOEXEC);
  char chunk[4096];
  ssize_t n;
  pid_t holder = 0;

  *waits_for_us = FALSE;
  if (list < 0)
    return 0;
  while ((n = read (list, chunk, sizeof chunk)) > 0)
    g_string_append_len (text, chunk, n);
  g_auto (GStrv) lines = g_strsplit (text->str, "\n", -1);
  /* The kernel may list another device than stat(2) returns (btrfs, overlays). */
  g_autofree char *inode = g_strdup_printf (":%" G_GUINT64_FORMAT, (guint64)st->st_ino);
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

static pid_t
holder_of (int fd, gboolean *waits_for_us)
{
  struct stat st;

  *waits_for_us = FALSE;
  return fstat (fd, &st) == 0 ? find_holder (&st, waits_for_us) : 0;
}

static const char *
subject_of (const char *name)
{
  const char *slash = strrchr (name, '/');

  return slash != NULL ? slash + 1 : N_ ("the tree");
}

static void
say_whom (pid_t pid, DkmsListener *events, const char *name)
{
  g_autofree char *holder = pid > 0 ? describe (pid) : g_strdup ("unknown");
  const char *slash = strrchr (name, '/'); /* the lock of the whole tree has no slash in its name */

  DKMS_EMIT (events, WAITING, .id = { .module = slash != NULL ? slash + 1 : NULL }, .text = holder);
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

/* Removes the permissions of other users from a file or directory. Returns: whether it had any. A file of another user
 * is unchanged: the owner of the tree can change it in any case. */
static gboolean
make_private (int fd)
{
  struct stat st;

  return fstat (fd, &st) == 0 && (st.st_mode & 077) != 0 && fchmod (fd, st.st_mode & 0700) == 0;
}

/* Opens the lock file of @self, and creates it if it is absent. */
static gboolean
open_lock (DkmsLock *self, gboolean of_module, GError **error)
{
  g_autofree char *shown = dkms_root_host_path (self->root, self->path);
  g_autofree char *dir = g_path_get_dirname (self->path);
  g_autofree char *name = g_path_get_basename (self->path);
  g_auto (DkmsFd) dir_fd = dkms_root_open_dir (self->root, dir, TRUE, error);

  if (dir_fd < 0)
    return FALSE;
  if (of_module)
    (void)make_private (dir_fd);
  self->fd = dkms_open_own_at (dir_fd, name, 0600, shown, error);
  if (self->fd < 0)
    return FALSE;
  self->was_public = make_private (self->fd);
  return TRUE;
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

  errno = code;
  if (!has_no_locks (code))
    return dkms_fail_errno (error, "lock", shown);
  return DKMS_FAIL (error, NO_LOCKS, .path = shown, .number = code);
}

/* Fails if waiting for the lock would cause a deadlock, or has taken too long, because a dkms waits for this process.
 */
static gboolean
check_circle (const DkmsLock *self, const char *name, gint64 since, GError **error)
{
  gboolean waits_for_us;
  pid_t pid = holder_of (self->fd, &waits_for_us);
  g_autofree char *holder = pid > 0 ? describe (pid) : g_strdup ("unknown");
  int patience = pid == 0 && g_getenv (DKMS_WALL_VARIABLE) != NULL ? BLIND_PATIENCE_S : NESTED_PATIENCE_S;

  if (waits_for_us)
    return DKMS_FAIL (error, LOCK_WAITS_FOR_US, .path = self->path, .name = subject_of (name), .text = holder);
  if (!is_nested () || g_get_monotonic_time () - since < (gint64)patience * G_USEC_PER_SEC)
    return TRUE;
  return DKMS_FAIL (error, LOCK_BUSY, .path = self->path, .name = subject_of (name), .text = holder,
                    .number = patience);
}

static gboolean
fail_interrupted (const DkmsLock *self, int number, GError **error)
{
  g_autofree char *shown = dkms_root_host_path (self->root, self->path);

  return DKMS_FAIL (error, INTERRUPTED, .path = shown, .status = 128 + number);
}

/* Polls the lock, because a blocked signal does not interrupt flock(2). Returns: 1: acquired; -1 with an error */
static int
wait_for (const DkmsLock *self, DkmsListener *events, const char *name, int how, GError **error)
{
  gboolean of_module = strchr (name, '/') != NULL, reported = events == NULL, waits_for_us;
  gint64 since = g_get_monotonic_time ();

  for (;;)
    {
      gint64 now = g_get_monotonic_time ();
      int number = dkms_process_interrupted_by ();

      if (number != 0)
        return fail_interrupted (self, number, error), -1;
      /* Commits are short, so only a long wait for one is reported. */
      if (!reported && (of_module || now - since > (gint64)COMMIT_PATIENCE_S * G_USEC_PER_SEC))
        {
          say_whom (holder_of (self->fd, &waits_for_us), events, name);
          reported = TRUE;
        }
      g_usleep ((of_module || reported ? RETRY_MS : COMMIT_RETRY_MS) * 1000);
      if (flock (self->fd, how | LOCK_NB) == 0)
        return 1;
      if (errno != EWOULDBLOCK && errno != EINTR)
        return dkms_fail_lock (self->root, self->path, error), -1;
      if (of_module && is_nested () && !check_circle (self, name, since, error))
        return -1;
    }
}

/* The arguments of dkms_lock_take(). */
typedef struct {
  const DkmsPlaces *places;
  DkmsListener *events;
  const char *name;
  gboolean exclusive, wait;
} Wanted;

/* Acquires the lock. Returns: 1: acquired or borrowed; 0: busy; -1 with an error */
static int
take (DkmsLock *self, const Wanted *wanted, GError **error)
{
  const char *name = wanted->name;
  int how = wanted->exclusive ? LOCK_EX : LOCK_SH;
  static gint64 busy_since; /* for callers that try repeatedly; 0: the last attempt succeeded */
  gboolean of_module = strchr (name, '/') != NULL, waits_for_us;

  if (flock (self->fd, how | LOCK_NB) == 0)
    return busy_since = 0, 1;
  if (errno != EWOULDBLOCK)
    return dkms_fail_lock (self->root, self->path, error), -1;
  if (of_module && (self->loan = dkms_loan_borrow (wanted->places, name)) >= 0)
    return 1;
  if (busy_since == 0)
    busy_since = g_get_monotonic_time ();
  if (of_module && !check_circle (self, name, wanted->wait ? g_get_monotonic_time () : busy_since, error))
    return -1;
  if (wanted->wait)
    return wait_for (self, wanted->events, name, how, error);
  if (wanted->events != NULL)
    say_whom (holder_of (self->fd, &waits_for_us), wanted->events, name);
  return 0;
}

/* Call this only with the lock held exclusively. Returns: whether the file was deleted */
static gboolean
delete_lock (const DkmsLock *self)
{
  g_autofree char *dir = g_path_get_dirname (self->path);
  g_autofree char *name = g_path_get_basename (self->path);
  g_auto (DkmsFd) dir_fd = dkms_root_openat (self->root, dir, O_RDONLY | O_DIRECTORY, 0);

  return dir_fd >= 0 && unlinkat (dir_fd, name, 0) == 0;
}

static DkmsLock *lock_take (const Wanted *wanted, GError **error);

/* Waits for its turn after the lock was borrowed. Returns: FALSE if it is another borrower's turn, or with an error */
static gboolean
take_turn (DkmsLock *self, const Wanted *wanted, GError **error)
{
  (void)close (dkms_fd_steal (&self->fd));
  if (!wanted->exclusive || !g_str_has_prefix (wanted->name, "locks/module/"))
    return TRUE;
  g_autofree char *turn = g_strconcat ("locks/loan/", subject_of (wanted->name), NULL);
  const Wanted of_turn = { wanted->places, wanted->events, turn, TRUE, wanted->wait };
  self->turn = lock_take (&of_turn, error);
  return self->turn != NULL;
}

static DkmsLock *
lock_take (const Wanted *wanted, GError **error)
{
  const DkmsPlaces *places = wanted->places;
  const char *name = wanted->name;
  gboolean exclusive = wanted->exclusive;
  gboolean of_module = strchr (name, '/') != NULL;
  DkmsLock *self = g_new0 (DkmsLock, 1);
  int taken;
  struct stat st;

  self->fd = self->loan = -1;
  self->root = places->root;
  self->path = dkms_layout_own (places, name, NULL);
  self->goes = exclusive && of_module;
  for (;;)
    {
      if (!open_lock (self, of_module, error))
        break;
      taken = take (self, wanted, error);
      if (taken <= 0)
        break;
      if (self->loan >= 0)
        {
          if (take_turn (self, wanted, error))
            return self;
          break;
        }
      if (fstat (self->fd, &st) < 0)
        {
          int code = errno;
          g_autofree char *shown = dkms_root_host_path (self->root, self->path);
          errno = code;
          dkms_fail_errno (error, "look at the lock", shown);
          break;
        }
      if (st.st_nlink > 0 && !(exclusive && self->was_public && delete_lock (self)))
        return self;
      /* This process or the last holder deleted the file, so the acquired lock is not valid. */
      (void)close (dkms_fd_steal (&self->fd));
    }
  lock_free (self);
  return NULL;
}

DkmsLock *
dkms_lock_take (const DkmsPlaces *places, DkmsListener *events, const char *name, gboolean exclusive, GError **error)
{
  return lock_take (&(Wanted){ places, events, name, exclusive, TRUE }, error);
}

DkmsLock *
dkms_lock_try (const DkmsPlaces *places, DkmsListener *events, const char *name, gboolean exclusive, GError **error)
{
  return lock_take (&(Wanted){ places, events, name, exclusive, FALSE }, error);
}

gboolean
dkms_lock_prepare (const DkmsPlaces *places, GError **error)
{
  g_autofree char *path = dkms_layout_own (places, "locks", NULL);
  g_auto (DkmsFd) dir = dkms_root_open_dir (places->root, path, TRUE, error);
  g_autoptr (GError) local = NULL;

  if (dir < 0)
    return FALSE;
  /* A file of an earlier version is replaced here, so that no run replaces it while it is hidden. */
  dkms_lock_release (dkms_lock_try (places, NULL, "lock", TRUE, &local));
  if (local != NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  return local == NULL;
}

/* For callers that cannot open the lock. */
static pid_t
find_holder_by_name (const DkmsPlaces *places, const char *name)
{
  g_autofree char *path = dkms_layout_own (places, name, NULL);
  gboolean waits_for_us;
  struct stat st;

  return dkms_root_stat (places->root, path, &st) == 0 ? find_holder (&st, &waits_for_us) : 0;
}

gboolean
dkms_lock_is_held (const DkmsPlaces *places, const char *name)
{
  g_autofree char *path = dkms_layout_own (places, name, NULL);
  guint mark = dkms_unread_mark ();
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, path, DKMS_READ_FLAGS | O_NOFOLLOW, 0);

  if (fd >= 0)
    return flock (fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
  if (errno != EACCES)
    return FALSE;
  dkms_unread_drop (mark); /* the content of the directory does not matter */
  return find_holder_by_name (places, name) > 0;
}

void
dkms_lock_report_holder (const DkmsPlaces *places, DkmsListener *events, const char *name)
{
  say_whom (find_holder_by_name (places, name), events, name);
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
      /* Lock files of modules are created and deleted with their modules. A process that waits for this lock notices
       * the deletion, and creates a new file. */
      if (self->goes)
        (void)delete_lock (self);
      (void)flock (self->fd, LOCK_UN); /* closing is not sufficient, because forked workers share the lock */
    }
  lock_free (self);
}

char *
dkms_lock_name_module (const DkmsId *id)
{
  return g_strconcat ("locks/module/", id->module, NULL);
}

char *
dkms_lock_name_build (const DkmsId *id)
{
  return g_strdup_printf ("locks/build/%s/%s/%s", id->kernel, id->arch, id->module);
}
