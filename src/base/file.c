/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens files beneath a directory, and reads, deletes and compares files. */
#define _GNU_SOURCE
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
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
  /* The kernel may fail with EAGAIN while files are renamed or file systems mounted, because it cannot verify "..". */
  for (int tries = 0; tries < MAX_TRIES; tries++)
    {
      int fd = (int)syscall (SYS_openat2, dir_fd, path, &how, sizeof how);
      if (fd >= 0 || errno != EAGAIN)
        return fd;
    }
  return -1;
}

int
dkms_open_own_at (int dir_fd, const char *name, mode_t mode, const char *shown, GError **error)
{
  int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  g_auto (DkmsFd) fd = openat (dir_fd, name, flags, mode);
  gboolean other = fd < 0 && (errno == ELOOP || errno == EISDIR || errno == ENXIO);
  struct stat st;

  if ((fd < 0 && !other) || (fd >= 0 && fstat (fd, &st) < 0))
    return dkms_fail_errno (error, "open", shown), -1;
  if (other || !S_ISREG (st.st_mode))
    return DKMS_FAIL (error, FILE_IN_THE_WAY, .path = shown), -1;
  return dkms_fd_steal (&fd);
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

/* Returns: a descriptor, or -1 with errno */
static int
open_to_read (int dir_fd, const char *name)
{
  return openat (dir_fd, name, DKMS_READ_FLAGS | (dir_fd != AT_FDCWD ? O_NOFOLLOW : 0));
}

char *
dkms_read_at (int dir_fd, const char *name, gsize limit, gsize *size, GError **error)
{
  g_auto (DkmsFd) fd = open_to_read (dir_fd, name);

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
    return DKMS_FAIL (error, NOT_A_FILE, .text = "read", .path = name), NULL;
  if ((gsize)st.st_size > limit)
    return DKMS_FAIL (error, FILE_TOO_LARGE, .path = name, .number = (gint64)limit), NULL;

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
remove_entry (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  if (entry->event == DKMS_WALK_ENTER)
    /* Directories without permissions for their owner must be deletable, too. */
    return (entry->st->st_mode & 0700) == 0700 || fchmod (entry->dir_fd, 0700) == 0 || errno == EPERM || errno == EROFS
           || dkms_fail_errno (error, "open the directory", entry->path);
  if (entry->event == DKMS_WALK_MOUNT)
    return DKMS_FAIL (error, MOUNT_POINT, .path = entry->path);
  if (unlinkat (entry->dir_fd, entry->name, entry->event == DKMS_WALK_LEAVE ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
    return TRUE;
  return dkms_fail_errno (error, entry->event == DKMS_WALK_LEAVE ? "delete the directory" : "delete", entry->path);
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

/* The caller excludes other processes from the tree, so a file that is not a link now stays one. */
static gboolean
restrict_entry (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  if (entry->event == DKMS_WALK_LEAVE || S_ISLNK (entry->st->st_mode) || (entry->st->st_mode & 06022) == 0)
    return TRUE;
  return fchmodat (entry->dir_fd, entry->name, entry->st->st_mode & 01755, 0) == 0
         || dkms_fail_errno (error, "change the mode of", entry->path);
}

gboolean
dkms_restrict_tree_at (int dir_fd, const char *name, GError **error)
{
  return dkms_walk_at (dir_fd, name, restrict_entry, NULL, error);
}

gboolean
dkms_path_climbs (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);

  return g_strv_contains ((const char *const *)parts, "..") || g_strv_contains ((const char *const *)parts, ".");
}

gboolean
dkms_path_is_in (const char *path, const char *dir)
{
  gsize n = strlen (dir);

  return strncmp (path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0' || strcmp (dir, "/") == 0);
}

int
dkms_compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* Adds the result of @make for each entry. Returns: FALSE with errno */
static gboolean
read_entries (int fd, gpointer (*make) (const struct dirent64 *entry), GPtrArray *entries)
{
  char buffer[8192] __attribute__ ((aligned (__alignof__(struct dirent64))));
  ssize_t have;

  /* A stream would cost two more system calls per directory, and status reads thousands. */
  while ((have = getdents64 (fd, buffer, sizeof buffer)) > 0)
    for (ssize_t at = 0; at < have; at += ((const struct dirent64 *)(const void *)(buffer + at))->d_reclen)
      {
        const struct dirent64 *entry = (const void *)(buffer + at);
        if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
          g_ptr_array_add (entries, make (entry));
      }
  return have == 0;
}

static gpointer
make_name (const struct dirent64 *entry)
{
  return g_strdup (entry->d_name);
}

static gpointer
make_entry (const struct dirent64 *entry)
{
  gsize size = strlen (entry->d_name) + 1;
  DkmsEntry *made = g_malloc (sizeof *made + size);

  made->type = entry->d_type;
  memcpy (made->name, entry->d_name, size);
  return made;
}

GPtrArray *
dkms_list_dir_at (int dir_fd, const char *name, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_auto (DkmsFd) fd = openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0 && dkms_is_absent (errno))
    return g_steal_pointer (&names);
  if (fd < 0 || !read_entries (fd, make_name, names))
    return dkms_fail_read (error, "list the directory", fd >= 0 ? fd : dir_fd, fd >= 0 ? "." : name), NULL;
  g_ptr_array_sort (names, dkms_compare_names);
  return g_steal_pointer (&names);
}

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const DkmsEntry *const *)a)->name, (*(const DkmsEntry *const *)b)->name);
}

GPtrArray *
dkms_list_entries (int dir_fd, GError **error)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func (g_free);

  if (!read_entries (dir_fd, make_entry, entries) && !dkms_is_absent (errno)) /* absent: it was deleted meanwhile */
    return dkms_fail_read (error, "list the directory", dir_fd, "."), NULL;
  g_ptr_array_sort (entries, compare_entries);
  return g_steal_pointer (&entries);
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

/* Opens a file to compare it. A failure is noted. Returns: -1 if the file is absent or cannot be read */
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
  if (errno != EISDIR) /* open_to_compare() compares regular files only */
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

/* The size for five numbers of 64 bits and two of nine digits, with signs and separators. */
typedef char Signature[160];

/* Writes @number with at least @digits digits, and then @separator. Returns: the end */
static char *
put_number (char *at, guint64 number, guint base, guint digits, char separator)
{
  char reversed[24];
  guint count = 0;

  for (; number > 0 || count < digits; number /= base)
    reversed[count++] = "0123456789abcdef"[number % base];
  while (count > 0)
    *at++ = reversed[--count];
  *at++ = separator;
  return at;
}

static char *
put_time (char *at, const struct timespec *time, char separator)
{
  gint64 seconds = time->tv_sec;

  if (seconds < 0)
    *at++ = '-';
  at = put_number (at, seconds < 0 ? 0 - (guint64)seconds : (guint64)seconds, 10, 1, '.');
  return put_number (at, (guint64)time->tv_nsec, 10, 9, separator);
}

/* status creates two signatures for each build; with printf(), this would take a tenth of its time. */
static void
write_signature (const struct stat *st, Signature signature)
{
  char *at = put_number (signature, st->st_dev, 16, 1, ':');

  at = put_number (at, st->st_ino, 16, 1, ':');
  at = put_number (at, (guint64)st->st_size, 10, 1, ':');
  at = put_time (at, &st->st_mtim, ':');
  put_time (at, &st->st_ctim, '\0');
}

char *
dkms_stat_signature (const struct stat *st)
{
  Signature signature;

  write_signature (st, signature);
  return g_strdup (signature);
}

gboolean
dkms_stat_has_signature (const struct stat *st, const char *signature)
{
  Signature own;

  write_signature (st, own);
  return g_strcmp0 (own, signature) == 0;
}

gboolean
dkms_stat_is_newer (const struct stat *a, const struct stat *b)
{
  return a->st_mtim.tv_sec > b->st_mtim.tv_sec
         || (a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec > b->st_mtim.tv_nsec);
}

char *
dkms_sha256_fd (int fd, const char *name, GError **error)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  char buffer[65536];
  gsize have;

  do
    {
      if (!read_full (fd, buffer, sizeof buffer, &have))
        return dkms_fail_read (error, "read", fd, name), NULL;
      g_checksum_update (sum, (const guchar *)buffer, (gssize)have);
    }
  while (have > 0);
  return g_strdup (g_checksum_get_string (sum));
}

char *
dkms_sha256_at (int dir_fd, const char *name, GError **error)
{
  g_auto (DkmsFd) fd = open_to_read (dir_fd, name);

  return fd >= 0 ? dkms_sha256_fd (fd, "", error) : (dkms_fail_read (error, "read", dir_fd, name), NULL);
}
