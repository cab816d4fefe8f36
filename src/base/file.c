/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: opened beneath a directory, read, published by rename, copied, removed, flushed. */
#define _GNU_SOURCE
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/unread.h"
#include "base/walk.h"

enum { MAX_TRIES = 1000 };

int
dkms_openat2 (int dir_fd, const char *path, int flags, mode_t mode, guint64 resolve)
{
  struct open_how how = { .flags = (guint64)(flags | O_CLOEXEC), .resolve = resolve };

  if ((flags & O_CREAT) != 0)
    how.mode = mode;
  /* While anything on the machine is renamed or mounted, the kernel may be unable to tell that ".." stays inside. */
  for (int tries = 0; tries < MAX_TRIES; tries++)
    {
      int fd = (int)syscall (SYS_openat2, dir_fd, path, &how, sizeof how);
      if (fd >= 0 || errno != EAGAIN)
        return fd;
    }
  return -1;
}

gboolean
dkms_write_all (int fd, const void *data, gsize size, const char *name, GError **error)
{
  const char *at = data;

  while (size > 0)
    {
      ssize_t n = write (fd, at, size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return dkms_fail_errno (error, "write", name);
      at += n;
      size -= (gsize)n;
    }
  return TRUE;
}

char *
dkms_read_at (int dir_fd, const char *name, gsize limit, gsize *size, GError **error)
{
  g_auto (DkmsFd) fd = openat (dir_fd, name, DKMS_READ_FLAGS);

  return fd >= 0 ? dkms_read_fd (fd, name, limit, size, error) : (dkms_fail_read (error, "read", dir_fd, name), NULL);
}

char *
dkms_read_fd (int fd, const char *name, gsize limit, gsize *size, GError **error)
{
  g_autofree char *data = NULL;
  struct stat st;
  gsize have = 0;

  if (fd < 0 || fstat (fd, &st) < 0)
    return dkms_fail_read (error, "read", fd, fd >= 0 ? "" : name), NULL;
  if (!S_ISREG (st.st_mode))
    return dkms_fail (error, DKMS_ERROR_IO, name, NULL, "Cannot read %s: it is not a regular file", name), NULL;
  if ((gsize)st.st_size > limit)
    return dkms_fail (error, DKMS_ERROR_IO, name, NULL, "Cannot read %s: it is larger than %" G_GSIZE_FORMAT " bytes",
                      name, limit),
           NULL;

  data = g_malloc ((gsize)st.st_size + 1);
  while (have < (gsize)st.st_size)
    {
      ssize_t n = read (fd, data + have, (gsize)st.st_size - have);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return dkms_fail_read (error, "read", fd, ""), NULL;
      if (n == 0)
        break;
      have += (gsize)n;
    }
  data[have] = '\0';
  if (size != NULL)
    *size = have;
  return g_steal_pointer (&data);
}

/* A name beside @name that nobody has yet, so that a rename() stays on one file system. */
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

gboolean
dkms_write_new_at (int dir_fd, const char *name, const void *data, gsize size, mode_t mode, GError **error)
{
  g_auto (DkmsFd) fd = openat (dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

  if (fd < 0)
    return dkms_fail_errno (error, "create", name);
  if (!dkms_write_all (fd, data, size, name, error))
    goto undo;
  if (fchmod (fd, mode) < 0 || fsync (fd) < 0)
    {
      dkms_fail_errno (error, "flush", name);
      goto undo;
    }
  if (close (dkms_fd_steal (&fd)) < 0)
    {
      dkms_fail_errno (error, "close", name);
      goto undo;
    }
  return TRUE;

undo:
  (void)unlinkat (dir_fd, name, 0);
  return FALSE;
}

/* Gives @beside of @from_dir the name @name in @dir_fd, for good. */
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

  return dkms_write_new_at (dir_fd, beside, data, size, mode, error)
         && put_in_place (dir_fd, beside, dir_fd, name, error);
}

gboolean
dkms_publish_via_at (int via_dir, int dir_fd, const char *name, const void *data, gsize size, mode_t mode,
                     GError **error)
{
  g_autofree char *base = g_path_get_basename (name);
  g_autofree char *beside = name_beside (base);

  return dkms_write_new_at (via_dir, beside, data, size, mode, error)
         && put_in_place (via_dir, beside, dir_fd, name, error);
}

static gboolean
flush_entry (DkmsWalkEvent event, int dir_fd, const char *name, const struct stat *st, const char *path, gpointer data,
             GError **error)
{
  g_auto (DkmsFd) fd = -1;

  if (event == DKMS_WALK_LEAVE || (event == DKMS_WALK_FILE && !S_ISREG (st->st_mode)))
    return TRUE; /* a link is flushed with its directory */
  fd = openat (dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  return (fd >= 0 && fsync (fd) == 0) || dkms_fail_errno (error, "flush", path);
}

gboolean
dkms_flush_tree_at (int dir_fd, const char *name, GError **error)
{
  return dkms_walk_at (dir_fd, name, flush_entry, NULL, error);
}

gboolean
dkms_mkdirs_at (int dir_fd, const char *path, GError **error)
{
  g_autofree char *walk = g_strdup (path);

  for (char *p = walk + 1; *walk != '\0'; p++)
    {
      char keep = *p;

      if (keep != '/' && keep != '\0')
        continue;
      *p = '\0';
      if (mkdirat (dir_fd, walk, 0755) < 0 && errno != EEXIST)
        return dkms_fail_errno (error, "create the directory", path);
      *p = keep;
      if (keep == '\0')
        break;
    }
  if (!dkms_is_dir_at (dir_fd, *path != '\0' ? path : "."))
    {
      errno = ENOTDIR;
      return dkms_fail_errno (error, "create the directory", path);
    }
  return TRUE;
}

static gboolean
remove_entry (DkmsWalkEvent event, int dir_fd, const char *name, const struct stat *st, const char *path, gpointer data,
              GError **error)
{
  if (event == DKMS_WALK_ENTER)
    /* One that its owner closed to himself does not stop us. */
    return (st->st_mode & 0700) == 0700 || fchmod (dir_fd, 0700) == 0 || errno == EPERM || errno == EROFS
           || dkms_fail_errno (error, "open the directory", path);
  if (event == DKMS_WALK_MOUNT)
    return dkms_fail (error, DKMS_ERROR_IO, path, "Unmount it first.",
                      "Cannot delete %s: a file system is mounted there", path);
  if (unlinkat (dir_fd, name, event == DKMS_WALK_LEAVE ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
    return TRUE;
  return dkms_fail_errno (error, event == DKMS_WALK_LEAVE ? "delete the directory" : "delete", path);
}

gboolean
dkms_remove_tree_at (int dir_fd, const char *name, GError **error)
{
  if (unlinkat (dir_fd, name, 0) == 0 || errno == ENOENT)
    return TRUE;
  if (errno != EISDIR && errno != EPERM)
    return dkms_fail_errno (error, "delete", name);
  return dkms_walk_at (dir_fd, name, remove_entry, NULL, error);
}

void
dkms_discard_tree_at (int dir_fd, const char *name)
{
  g_autoptr (GError) error = NULL;

  if (!dkms_remove_tree_at (dir_fd, name, &error))
    g_debug ("left behind: %s", error->message);
}

/* Shares the data where the file system can, copies in the kernel otherwise. */
static gboolean
copy_data (int from, int to, const char *name, GError **error)
{
  char buffer[65536];

  if (ioctl (to, FICLONE, from) == 0)
    return TRUE;
  for (;;)
    {
      ssize_t n = copy_file_range (from, NULL, to, NULL, 1 << 30, 0);

      if (n == 0)
        return TRUE;
      if (n < 0 && (errno == ENOSPC || errno == EIO || errno == EDQUOT))
        return dkms_fail_errno (error, "copy", name);
      if (n < 0)
        break; /* not between these file systems, or not on this kernel */
    }
  for (;;)
    {
      ssize_t n = read (from, buffer, sizeof buffer);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return dkms_fail_errno (error, "read", name);
      if (n == 0)
        return TRUE;
      if (!dkms_write_all (to, buffer, (gsize)n, name, error))
        return FALSE;
    }
}

/* Copies what the regular file @in holds to the new file @to of @to_dir; @from is for messages only. */
static gboolean
copy_opened (int in, const char *from, int to_dir, const char *to, mode_t mode, gboolean flush, GError **error)
{
  g_auto (DkmsFd) out = openat (to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (out < 0)
    return dkms_fail_errno (error, "create", to);
  if (!copy_data (in, out, from, error))
    goto undo;
  if (fchmod (out, mode) < 0 || (flush && fsync (out) < 0))
    {
      dkms_fail_errno (error, "flush", to);
      goto undo;
    }
  if (close (dkms_fd_steal (&out)) < 0)
    {
      dkms_fail_errno (error, "close", to);
      goto undo;
    }
  return TRUE;

undo:
  (void)unlinkat (to_dir, to, 0);
  return FALSE;
}

gboolean
dkms_copy_file_at (int from_dir, const char *from, int to_dir, const char *to, mode_t mode, gboolean flush,
                   GError **error)
{
  g_auto (DkmsFd) in = openat (from_dir, from, DKMS_READ_FLAGS);
  struct stat st;

  if (in < 0 || fstat (in, &st) < 0)
    return dkms_fail_errno (error, "read", from);
  if (!S_ISREG (st.st_mode))
    return dkms_fail (error, DKMS_ERROR_IO, from, NULL, "Cannot copy %s: it is not a regular file", from);
  return copy_opened (in, from, to_dir, to, mode, flush, error);
}

static gboolean
set_times_at (int dir_fd, const char *name, const struct stat *st, GError **error)
{
  struct timespec times[2] = { st->st_atim, st->st_mtim };

  return utimensat (dir_fd, name, times, AT_SYMLINK_NOFOLLOW) == 0 || dkms_fail_errno (error, "set the time of", name);
}

gboolean
dkms_copy_alike_at (int from_dir, const char *from, int to_dir, const char *to, GError **error)
{
  struct stat st;

  if (fstatat (from_dir, from, &st, 0) < 0)
    return dkms_fail_errno (error, "read", from);
  return dkms_copy_file_at (from_dir, from, to_dir, to, st.st_mode & 07777, TRUE, error)
         && set_times_at (to_dir, to, &st, error);
}

static gboolean
copy_link (int from_dir, int to_dir, const char *name, GError **error)
{
  g_autofree char *text = dkms_read_link_at (from_dir, name);

  if (text == NULL)
    return dkms_fail_errno (error, "read the link", name);
  if (unlinkat (to_dir, name, 0) < 0 && errno != ENOENT)
    return dkms_fail_errno (error, "replace", name);
  if (symlinkat (text, to_dir, name) < 0)
    return dkms_fail_errno (error, "create the link", name);
  return TRUE;
}

static gboolean copy_dir (int from_dir, const char *from, int flags, int to_dir, const char *to, const DkmsOwner *owner,
                          GError **error);

static gboolean
fail_replaced (const char *name, GError **error)
{
  return dkms_fail (error, DKMS_ERROR_IO, name, "Run the command again when nobody changes the directory.",
                    "Cannot copy %s: it was replaced while it was copied", name);
}

/* Opens the entry @name, of which lstat() said @st, and reads @st again from what is open: the owner of the directory
 * may have put a link or another file in its place meanwhile. */
static int
open_entry (int dir_fd, const char *name, struct stat *st, GError **error)
{
  g_auto (DkmsFd) fd = openat (dir_fd, name, DKMS_READ_FLAGS | O_NOFOLLOW);

  if (fd < 0 || fstat (fd, st) < 0)
    {
      if (errno != ELOOP)
        return dkms_fail_errno (error, "read", name), -1;
      st->st_mode = S_IFLNK;
    }
  if (!S_ISREG (st->st_mode))
    return fail_replaced (name, error), -1;
  return dkms_fd_steal (&fd);
}

static gboolean
copy_regular (int from_dir, int to_dir, const char *name, struct stat *st, const DkmsOwner *owner, GError **error)
{
  g_auto (DkmsFd) in = open_entry (from_dir, name, st, error);

  if (in < 0)
    return FALSE;
  if (unlinkat (to_dir, name, 0) < 0 && errno != ENOENT)
    return dkms_fail_errno (error, "replace", name);
  /* Its new owner need not be somebody who may write to it all the same. */
  mode_t mode = (st->st_mode & 07777) | (owner != NULL ? 0600 : 0);
  return copy_opened (in, name, to_dir, name, mode, FALSE, error);
}

static gboolean
copy_entry (int from_dir, int to_dir, const char *name, const DkmsOwner *owner, GError **error)
{
  struct stat st;

  if (fstatat (from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return dkms_fail_errno (error, "look at", name);
  if (S_ISDIR (st.st_mode))
    return copy_dir (from_dir, name, O_NOFOLLOW, to_dir, name, owner, error);
  if (S_ISLNK (st.st_mode))
    {
      if (!copy_link (from_dir, to_dir, name, error))
        return FALSE;
    }
  else if (S_ISREG (st.st_mode))
    {
      if (!copy_regular (from_dir, to_dir, name, &st, owner, error))
        return FALSE;
    }
  else
    return dkms_fail (error, DKMS_ERROR_IO, name, "Remove it from the source tree.",
                      "Cannot copy %s: it is a device, a socket or a FIFO", name);

  DkmsOwner wanted = owner != NULL ? *owner : (DkmsOwner){ st.st_uid, st.st_gid };
  if (geteuid () == 0 && fchownat (to_dir, name, wanted.uid, wanted.gid, AT_SYMLINK_NOFOLLOW) < 0)
    return dkms_fail_errno (error, "set the owner of", name);
  return set_times_at (to_dir, name, &st, error);
}

gboolean
dkms_copy_tree_at (int from_dir, const char *from, int to_dir, const char *to, GError **error)
{
  return dkms_copy_tree_as_at (from_dir, from, to_dir, to, NULL, error);
}

gboolean
dkms_copy_tree_as_at (int from_dir, const char *from, int to_dir, const char *to, const DkmsOwner *owner,
                      GError **error)
{
  return copy_dir (from_dir, from, 0, to_dir, to, owner, error);
}

/* The directory @name, created if absent. A link in its place, which an earlier copy may have left there, is replaced.
 */
static int
make_copy_dir (int dir_fd, const char *name, GError **error)
{
  int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, fd;

  if (mkdirat (dir_fd, name, 0755) < 0 && errno != EEXIST)
    return dkms_fail_errno (error, "create the directory", name), -1;
  fd = openat (dir_fd, name, flags);
  if (fd < 0 && errno == ENOTDIR && dkms_is_link_at (dir_fd, name))
    {
      if (unlinkat (dir_fd, name, 0) < 0 || mkdirat (dir_fd, name, 0755) < 0)
        return dkms_fail_errno (error, "replace", name), -1;
      fd = openat (dir_fd, name, flags);
    }
  if (fd < 0)
    dkms_fail_errno (error, "open the directory", name);
  return fd;
}

/* @flags: O_NOFOLLOW where @from must not be a link */
static gboolean
copy_dir (int from_dir, const char *from, int flags, int to_dir, const char *to, const DkmsOwner *owner, GError **error)
{
  g_auto (DkmsFd) in = openat (from_dir, from, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
  g_auto (DkmsFd) out = -1;
  g_autoptr (GPtrArray) names = NULL;
  struct stat st;

  if (in < 0 && flags != 0 && errno == ENOTDIR)
    return fail_replaced (from, error);
  if (in < 0 || fstat (in, &st) < 0)
    return dkms_fail_errno (error, "read the directory", from);
  out = make_copy_dir (to_dir, to, error);
  if (out < 0)
    return FALSE;
  names = dkms_list_dir_at (in, ".", error);
  if (names == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    if (!copy_entry (in, out, names->pdata[i], owner, error))
      {
        if (strcmp (from, ".") != 0)
          g_prefix_error (error, "%s: ", from);
        return FALSE;
      }

  struct timespec times[2] = { st.st_atim, st.st_mtim };
  DkmsOwner wanted = owner != NULL ? *owner : (DkmsOwner){ st.st_uid, st.st_gid };
  if (geteuid () == 0 && fchown (out, wanted.uid, wanted.gid) < 0)
    return dkms_fail_errno (error, "set the owner of", to);
  /* Whoever copies must be able to work in the copy, whatever the original says. */
  if (fchmod (out, (st.st_mode & 07777) | 0700) < 0 || futimens (out, times) < 0)
    return dkms_fail_errno (error, "set the mode of", to);
  return TRUE;
}

/* Nobody else works in the tree, so what is no link now will be none in a moment. */
static gboolean
restrict_entry (DkmsWalkEvent event, int dir_fd, const char *name, const struct stat *st, const char *path,
                gpointer data, GError **error)
{
  if (event == DKMS_WALK_LEAVE || S_ISLNK (st->st_mode) || (st->st_mode & 06022) == 0)
    return TRUE;
  return fchmodat (dir_fd, name, st->st_mode & 01755, 0) == 0 || dkms_fail_errno (error, "change the mode of", path);
}

gboolean
dkms_restrict_tree_at (int dir_fd, const char *name, GError **error)
{
  return dkms_walk_at (dir_fd, name, restrict_entry, NULL, error);
}

int
dkms_compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
dkms_list_dir_at (int dir_fd, const char *name, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_auto (DkmsFd) fd = openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  char buffer[8192] __attribute__ ((aligned (__alignof__(struct dirent64))));
  ssize_t have = -1;

  if (fd < 0 && dkms_is_absent (errno))
    return g_steal_pointer (&names);
  /* A stream would cost two more system calls per directory, and status reads hundreds. */
  while (fd >= 0 && (have = getdents64 (fd, buffer, sizeof buffer)) > 0)
    for (ssize_t at = 0; at < have; at += ((const struct dirent64 *)(const void *)(buffer + at))->d_reclen)
      {
        const char *entry = ((const struct dirent64 *)(const void *)(buffer + at))->d_name;
        if (strcmp (entry, ".") != 0 && strcmp (entry, "..") != 0)
          g_ptr_array_add (names, g_strdup (entry));
      }
  if (fd < 0 || have < 0)
    return dkms_fail_read (error, "list the directory", fd >= 0 ? fd : dir_fd, fd >= 0 ? "." : name), NULL;
  g_ptr_array_sort (names, dkms_compare_names);
  return g_steal_pointer (&names);
}

static mode_t
type_of (int dir_fd, const char *name, int flags)
{
  struct stat st;

  if (fstatat (dir_fd, name, &st, flags) == 0)
    return st.st_mode & S_IFMT;
  dkms_unread_note (dir_fd, name, errno);
  return 0;
}

gboolean
dkms_is_dir_at (int dir_fd, const char *name)
{
  return type_of (dir_fd, name, 0) == S_IFDIR;
}

gboolean
dkms_is_file_at (int dir_fd, const char *name)
{
  return type_of (dir_fd, name, 0) == S_IFREG;
}

gboolean
dkms_is_link_at (int dir_fd, const char *name)
{
  return type_of (dir_fd, name, AT_SYMLINK_NOFOLLOW) == S_IFLNK;
}

char *
dkms_read_link_at (int dir_fd, const char *name)
{
  char text[PATH_MAX];
  ssize_t n = readlinkat (dir_fd, name, text, sizeof text);

  if (n < 0 && errno != EINVAL)
    dkms_unread_note (dir_fd, name, errno);
  return n >= 0 && (gsize)n < sizeof text ? g_strndup (text, (gsize)n) : NULL;
}

/* Returns: FALSE with errno */
static gboolean
read_full (int fd, char *buffer, gsize size, gsize *have)
{
  *have = 0;
  while (*have < size)
    {
      ssize_t n = read (fd, buffer + *have, size - *have);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return FALSE;
      if (n == 0)
        break;
      *have += (gsize)n;
    }
  return TRUE;
}

/* Opens a file that is to be compared; one that cannot be read is noted. Returns: -1: it cannot be read, or is absent
 */
static int
open_to_compare (int dir_fd, const char *name, int flags, struct stat *st)
{
  g_auto (DkmsFd) fd = openat (dir_fd, name, flags | O_RDONLY | O_CLOEXEC);

  if (fd >= 0 && fstat (fd, st) == 0)
    return dkms_fd_steal (&fd);
  dkms_unread_note (dir_fd, name, errno);
  return -1;
}

static gboolean
read_to_compare (int fd, char *buffer, gsize size, gsize *have)
{
  if (read_full (fd, buffer, size, have))
    return TRUE;
  if (errno != EISDIR) /* which are not compared as files */
    dkms_unread_note (fd, "", errno);
  return FALSE;
}

gboolean
dkms_files_equal_at (int dir_a, const char *a, int dir_b, const char *b)
{
  struct stat st_a, st_b;
  g_auto (DkmsFd) fd_a = open_to_compare (dir_a, a, O_NONBLOCK, &st_a);
  g_auto (DkmsFd) fd_b = open_to_compare (dir_b, b, O_NONBLOCK, &st_b);
  char buffer_a[32768], buffer_b[32768];
  gsize have_a, have_b;

  if (fd_a < 0 || fd_b < 0)
    return FALSE;
  if (st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino)
    return TRUE;
  if (st_a.st_size != st_b.st_size)
    return FALSE;
  do
    if (!read_to_compare (fd_a, buffer_a, sizeof buffer_a, &have_a)
        || !read_to_compare (fd_b, buffer_b, sizeof buffer_b, &have_b) || have_a != have_b
        || memcmp (buffer_a, buffer_b, have_a) != 0)
      return FALSE;
  while (have_a > 0);
  return TRUE;
}

static gboolean
entries_equal (int dir_a, int dir_b, const char *name)
{
  mode_t type = type_of (dir_a, name, AT_SYMLINK_NOFOLLOW);

  if (type != type_of (dir_b, name, AT_SYMLINK_NOFOLLOW))
    return FALSE;
  if (type == S_IFDIR)
    return dkms_trees_equal_at (dir_a, name, dir_b, name);
  if (type == S_IFLNK)
    {
      g_autofree char *x = dkms_read_link_at (dir_a, name);
      g_autofree char *y = dkms_read_link_at (dir_b, name);
      return x != NULL && g_strcmp0 (x, y) == 0;
    }
  return dkms_files_equal_at (dir_a, name, dir_b, name);
}

gboolean
dkms_trees_equal_at (int dir_a, const char *a, int dir_b, const char *b)
{
  struct stat st_a, st_b;
  g_auto (DkmsFd) fd_a = open_to_compare (dir_a, a, O_DIRECTORY, &st_a);
  g_auto (DkmsFd) fd_b = open_to_compare (dir_b, b, O_DIRECTORY, &st_b);
  g_autoptr (GPtrArray) names_a = fd_a >= 0 ? dkms_list_dir_at (fd_a, ".", NULL) : NULL;
  g_autoptr (GPtrArray) names_b = fd_b >= 0 ? dkms_list_dir_at (fd_b, ".", NULL) : NULL;

  if (names_a == NULL || names_b == NULL || names_a->len != names_b->len)
    return FALSE;
  for (guint i = 0; i < names_a->len; i++)
    if (strcmp (names_a->pdata[i], names_b->pdata[i]) != 0 || !entries_equal (fd_a, fd_b, names_a->pdata[i]))
      return FALSE;
  return TRUE;
}

char *
dkms_stat_signature (const struct stat *st)
{
  return g_strdup_printf ("%lx:%lx:%lld:%lld.%09ld:%lld.%09ld", (gulong)st->st_dev, (gulong)st->st_ino,
                          (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
                          (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

char *
dkms_sha256_at (int dir_fd, const char *name, GError **error)
{
  g_auto (DkmsFd) fd = openat (dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  char buffer[65536];
  gsize have;

  if (fd < 0)
    return dkms_fail_read (error, "read", dir_fd, name), NULL;
  do
    {
      if (!read_full (fd, buffer, sizeof buffer, &have))
        return dkms_fail_read (error, "read", fd, ""), NULL;
      g_checksum_update (sum, (const guchar *)buffer, (gssize)have);
    }
  while (have > 0);
  return g_strdup (g_checksum_get_string (sum));
}
