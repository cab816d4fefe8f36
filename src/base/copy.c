/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies files and directories; shares data (reflinks) on file systems that support it. */
#define _GNU_SOURCE
#include "base/copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

/* Shares the data if the file system supports that, and otherwise copies it in the kernel. */
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
        break; /* not supported between these file systems, or by this kernel */
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

/* Copies the content of the regular file @in to @to. @from is for messages only. */
static gboolean
copy_opened (int in, const char *from, const DkmsNewFile *to, GError **error)
{
  g_auto (DkmsFd) out = openat (to->dir, to->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (out < 0)
    return dkms_fail_errno (error, "create", to->name);
  if (!copy_data (in, out, from, error))
    goto undo;
  if (fchmod (out, to->mode) < 0 || (to->flush && fsync (out) < 0))
    {
      dkms_fail_errno (error, "flush", to->name);
      goto undo;
    }
  if (close (dkms_fd_steal (&out)) < 0)
    {
      dkms_fail_errno (error, "close", to->name);
      goto undo;
    }
  return TRUE;

undo:
  (void)unlinkat (to->dir, to->name, 0);
  return FALSE;
}

static gboolean
copy_file (int from_dir, const char *from, int flags, const DkmsNewFile *to, GError **error)
{
  g_auto (DkmsFd) in = openat (from_dir, from, DKMS_READ_FLAGS | flags);
  struct stat st;

  if (in < 0 || fstat (in, &st) < 0)
    return dkms_fail_errno (error, "read", from);
  if (!S_ISREG (st.st_mode))
    return DKMS_FAIL (error, NOT_A_FILE, .text = "copy", .path = from);
  return copy_opened (in, from, to, error);
}

gboolean
dkms_copy_file_at (int from_dir, const char *from, const DkmsNewFile *to, GError **error)
{
  return copy_file (from_dir, from, 0, to, error);
}

gboolean
dkms_copy_plain_at (int from_dir, const char *from, const DkmsNewFile *to, GError **error)
{
  return copy_file (from_dir, from, O_NOFOLLOW, to, error);
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
  return dkms_copy_file_at (from_dir, from, &(DkmsNewFile){ to_dir, to, st.st_mode & 07777, TRUE }, error)
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

static gboolean copy_dir (int in, const char *from, int to_dir, const char *to, const DkmsOwner *owner, GError **error);

static gboolean
fail_replaced (const char *name, GError **error)
{
  return DKMS_FAIL (error, FILE_REPLACED, .path = name);
}

/* Opens the entry @name and sets @st to the status of the opened file. Its owner may have replaced it since the lstat()
 * that set @st. */
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
  /* If the copy has another owner, that owner may always write to it. */
  mode_t mode = (st->st_mode & 07777) | (owner != NULL ? 0600 : 0);
  return copy_opened (in, name, &(DkmsNewFile){ to_dir, name, mode, FALSE }, error);
}

static gboolean
copy_entry (int from_dir, int to_dir, const char *name, const DkmsOwner *owner, GError **error)
{
  struct stat st;

  if (fstatat (from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return dkms_fail_errno (error, "look at", name);
  if (S_ISDIR (st.st_mode))
    {
      g_auto (DkmsFd) in = openat (from_dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
      if (in < 0 && errno == ENOTDIR)
        return fail_replaced (name, error);
      return copy_dir (in, name, to_dir, name, owner, error);
    }
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
    return DKMS_FAIL (error, SPECIAL_FILE, .path = name);

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
  g_auto (DkmsFd) in = openat (from_dir, from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  return copy_dir (in, from, to_dir, to, owner, error);
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

/* @in: the directory @from; -1 with errno if it could not be opened */
static gboolean
copy_dir (int in, const char *from, int to_dir, const char *to, const DkmsOwner *owner, GError **error)
{
  g_auto (DkmsFd) out = -1;
  g_autoptr (GPtrArray) names = NULL;
  struct stat st;

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
  /* The copying process must be able to work in the copy, whatever mode the original has. */
  if (fchmod (out, (st.st_mode & 07777) | 0700) < 0 || futimens (out, times) < 0)
    return dkms_fail_errno (error, "set the mode of", to);
  return TRUE;
}

gboolean
dkms_copy_failed (GError **error, const char *from, const char *to)
{
  g_autoptr (GError) cause = error != NULL ? g_steal_pointer (error) : NULL;
  const DkmsErrorInfo *info = dkms_error_info (cause);
  gboolean inside = info->path != NULL && *info->path != '/' && *info->path != '.';

  if (cause == NULL)
    return FALSE;
  if (info->kind == DKMS_ERROR_IO && info->number != 0)
    return DKMS_FAIL (error, NOT_COPIED, .name = inside ? info->path : NULL, .path = from, .place = to,
                      .number = info->number);
  g_propagate_prefixed_error (error, g_steal_pointer (&cause), "%s: ", from);
  return FALSE;
}
