/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms-archive create ARCHIVE TEMP [MEMBER SOURCE]...   pack each SOURCE under the name MEMBER
 * dkms-archive extract ARCHIVE DIR LIMIT                unpack a tar archive into the empty DIR, LIMIT bytes at most
 * dkms-archive package PACKAGE DIR LIMIT                unpack the files of a package (deb, RPM, pacman, apk) into DIR
 *
 * A SOURCE is the absolute path of a file, or of a directory with its content; "+", an empty directory; or "=TEXT", a
 * file with that text. The name of ARCHIVE selects the compression. The archive gets this name when it is complete and
 * flushed. Until then it has no name or, if it replaces a file or the file system does not support unnamed files, the
 * name TEMP, on the same file system.
 *
 * An archive is refused completely if a member has an absolute path or contains "..", is a link that leads out, a
 * device or a FIFO, has set-id bits, or is more than 64 directories deep, or if the unpacked files are larger than
 * LIMIT bytes, including holes. Owners are not restored. In a package, links may lead to any path, because its files
 * belong into a system; they are not followed. Members with information about the package are omitted. Exit status 0,
 * or 1 with one line on stderr; the caller deletes the unpacked files. */
#define _GNU_SOURCE
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_MEMBERS = 1000000, MAX_DEPTH = 64 };

static int
refuse (const char *archive, const char *member, const char *why)
{
  fprintf (stderr, "%s%s%s: %s\n", archive, member != NULL ? ": " : "", member != NULL ? member : "", why);
  return 0;
}

static int
has_suffix (const char *text, const char *suffix)
{
  size_t n = strlen (text), m = strlen (suffix);

  return n >= m && strcmp (text + n - m, suffix) == 0;
}

/* ---- extract ---- */

/* Follows @path from a directory @depth levels deep. Returns: whether it stays inside */
static int
stays_inside (const char *path, int depth)
{
  const char *at = path;

  if (*path == '/')
    return 0;
  while (*at != '\0')
    {
      size_t n = strcspn (at, "/");

      if (n == 2 && at[0] == '.' && at[1] == '.')
        depth--;
      else if (n > 0 && !(n == 1 && *at == '.'))
        depth++;
      if (depth < 0)
        return 0;
      at += n;
      at += strspn (at, "/");
    }
  return 1;
}

static int
has_dotdot (const char *path)
{
  return strcmp (path, "..") == 0 || strncmp (path, "../", 3) == 0 || strstr (path, "/../") != NULL
         || has_suffix (path, "/..");
}

/* Returns the number of directories above the last component. */
static int
depth_of (const char *path)
{
  int depth = -1;
  const char *at = path;

  while (*at != '\0')
    {
      size_t n = strcspn (at, "/");
      depth += n > 0 && !(n == 1 && *at == '.');
      at += n;
      at += strspn (at, "/");
    }
  return depth > 0 ? depth : 0;
}

/* Returns: why the member must not be unpacked, or NULL if it may */
static const char *
objection (struct archive_entry *entry, int package)
{
  const char *path = archive_entry_pathname (entry), *link = archive_entry_hardlink (entry);
  mode_t type = archive_entry_filetype (entry), mode = archive_entry_mode (entry);

  if (path == NULL || *path == '\0')
    return "a member without a name";
  if (*path == '/')
    return "an absolute path";
  if (has_dotdot (path))
    return "a path that leads out of the archive";
  if (depth_of (path) > MAX_DEPTH)
    return "directories nested more than 64 deep";
  if (link != NULL)
    return *link == '/' || has_dotdot (link) ? "a hard link that leads out of the archive" : NULL;
  if (type == AE_IFLNK)
    {
      const char *target = archive_entry_symlink (entry);
      if (package && target != NULL)
        return NULL;
      return target == NULL || !stays_inside (target, depth_of (path)) ? "a symbolic link that leads out of the archive"
                                                                       : NULL;
    }
  if (type != AE_IFREG && type != AE_IFDIR)
    return "neither file, directory nor link";
  if (type == AE_IFREG && (mode & (S_ISUID | S_ISGID)) != 0)
    return "a file with set-user-id or set-group-id";
  return NULL;
}

static int
copy_data (struct archive *in, struct archive *out, long long *left)
{
  const void *block;
  size_t size;
  la_int64_t offset, end = 0;
  int status;

  while ((status = archive_read_data_block (in, &block, &size, &offset)) == ARCHIVE_OK)
    {
      /* The end of the block counts: a hole before it takes space as soon as the file is copied. */
      if (offset > *left || (long long)size > *left - offset)
        return *left = -1, ARCHIVE_FATAL;
      end = offset + (la_int64_t)size > end ? offset + (la_int64_t)size : end;
      if (archive_write_data_block (out, block, size, offset) < 0)
        return ARCHIVE_WARN;
    }
  *left -= end;
  return status;
}

static const char too_large[] = "it unpacks to more than the limit (tarball_limit_mib in framework.conf)";

/* Paths of RPM packages are "./usr" or "/usr". */
static void
make_relative (struct archive_entry *entry)
{
  const char *path = archive_entry_pathname (entry), *link = archive_entry_hardlink (entry);
  char *copy;

  if (path != NULL && *path == '/' && (copy = strdup (path + strspn (path, "/"))) != NULL)
    {
      archive_entry_copy_pathname (entry, copy);
      free (copy);
    }
  if (link != NULL && *link == '/' && (copy = strdup (link + strspn (link, "/"))) != NULL)
    {
      archive_entry_copy_hardlink (entry, copy);
      free (copy);
    }
}

/* Whether a member of a package is not one of its files: .PKGINFO of pacman and apk, and the like, or the directory
 * itself. */
static int
is_about_package (const char *path)
{
  while (strncmp (path, "./", 2) == 0)
    path += 2;
  return *path == '.' || *path == '\0';
}

static int
extract_members (const char *name, struct archive *in, struct archive *out, long long left, int package)
{
  struct archive_entry *entry;
  int status, members = 0;

  while ((status = archive_read_next_header (in, &entry)) == ARCHIVE_OK || status == ARCHIVE_WARN)
    {
      if (package)
        make_relative (entry);
      const char *path = archive_entry_pathname (entry);
      const char *why = objection (entry, package);

      if (why == NULL && package && is_about_package (path))
        {
          members++;
          continue;
        }
      if (why != NULL)
        return refuse (name, path, why);
      if (++members > MAX_MEMBERS)
        return refuse (name, NULL, "too many members");
      /* A file may end in a hole, after the last block. */
      if (archive_entry_filetype (entry) == AE_IFREG && archive_entry_hardlink (entry) == NULL
          && archive_entry_size (entry) > left)
        return refuse (name, NULL, too_large);
      archive_entry_set_perm (entry, archive_entry_perm (entry) & 0777);
      if (archive_write_header (out, entry) < ARCHIVE_WARN)
        return refuse (name, path, archive_error_string (out));
      status = copy_data (in, out, &left);
      if (left < 0)
        return refuse (name, NULL, too_large);
      if (status == ARCHIVE_WARN)
        return refuse (name, path, archive_error_string (out));
      if (status != ARCHIVE_EOF)
        return refuse (name, path, archive_error_string (in));
      if (archive_write_finish_entry (out) < ARCHIVE_WARN)
        return refuse (name, path, archive_error_string (out));
    }
  if (status != ARCHIVE_EOF)
    return refuse (name, NULL, archive_error_string (in));
  return members > 0 || refuse (name, NULL, "it is empty");
}

static void
support_filters (struct archive *in)
{
  archive_read_support_filter_gzip (in);
  archive_read_support_filter_bzip2 (in);
  archive_read_support_filter_xz (in);
  archive_read_support_filter_lzma (in);
  archive_read_support_filter_zstd (in);
  archive_read_support_filter_compress (in);
}

static la_ssize_t
read_member (struct archive *in, void *data, const void **block)
{
  static char buffer[65536];
  la_ssize_t n = archive_read_data (data, buffer, sizeof buffer);

  *block = buffer;
  if (n < 0)
    archive_set_error (in, EIO, "%s", archive_error_string (data));
  return n;
}

/* Finds data.tar of a deb, which is an archive in an archive. @name: of the package */
static int
find_data (const char *name, struct archive *deb)
{
  struct archive_entry *entry;
  int status;

  while ((status = archive_read_next_header (deb, &entry)) == ARCHIVE_OK)
    if (archive_entry_pathname (entry) != NULL && strncmp (archive_entry_pathname (entry), "data.tar", 8) == 0)
      return 1;
  return refuse (name, NULL, status == ARCHIVE_EOF ? "it contains no data.tar" : archive_error_string (deb));
}

/* Opens the tarball @fd. */
static int
open_tarball (const char *name, int fd, struct archive *in)
{
  support_filters (in);
  archive_read_support_format_tar (in);
  return archive_read_open_fd (in, fd, 65536) == ARCHIVE_OK || refuse (name, NULL, archive_error_string (in));
}

/* Opens the archive with the files of the package @fd. @deb: is used if it is a deb */
static int
open_package (const char *name, int fd, struct archive *in, struct archive *deb)
{
  char magic[8] = "";

  if (pread (fd, magic, sizeof magic, 0) < 0)
    return refuse (name, NULL, strerror (errno));
  support_filters (in);
  if (memcmp (magic, "!<arch>\n", sizeof magic) == 0)
    {
      archive_read_support_format_ar (deb);
      archive_read_support_format_tar (in);
      return (archive_read_open_fd (deb, fd, 65536) == ARCHIVE_OK || refuse (name, NULL, archive_error_string (deb)))
             && find_data (name, deb)
             && (archive_read_open (in, deb, NULL, read_member, NULL) == ARCHIVE_OK
                 || refuse (name, NULL, archive_error_string (in)));
    }
  archive_read_support_filter_rpm (in);
  archive_read_support_format_cpio (in);
  archive_read_support_format_tar (in);
  return archive_read_open_fd (in, fd, 65536) == ARCHIVE_OK || refuse (name, NULL, archive_error_string (in));
}

/* Unpacks a tarball or, with @package, the files of a package. */
static int
extract (const char *name, const char *dir, long long limit, int package)
{
  struct archive *in = archive_read_new (), *deb = archive_read_new (), *out = archive_write_disk_new ();
  const int flags = ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_SECURE_NODOTDOT
                    | ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;
  int fd = open (name, O_RDONLY | O_CLOEXEC), ok = 0;

  if (in == NULL || deb == NULL || out == NULL)
    refuse (name, NULL, "out of memory");
  else if (fd < 0)
    refuse (name, NULL, strerror (errno));
  else if (chdir (dir) < 0)
    refuse (dir, NULL, strerror (errno));
  else
    {
      archive_write_disk_set_options (out, flags);
      ok = (package ? open_package (name, fd, in, deb) : open_tarball (name, fd, in))
           && extract_members (name, in, out, limit, package);
      if (archive_write_close (out) < ARCHIVE_WARN && ok)
        ok = refuse (name, NULL, archive_error_string (out));
    }
  archive_read_free (in);
  archive_read_free (deb);
  archive_write_free (out);
  if (fd >= 0)
    (void)close (fd);
  return ok;
}

/* ---- create ---- */

static void
choose_filter (struct archive *out, const char *name)
{
  if (has_suffix (name, ".gz") || has_suffix (name, ".tgz") || has_suffix (name, ".taz"))
    archive_write_add_filter_gzip (out);
  else if (has_suffix (name, ".xz") || has_suffix (name, ".txz"))
    archive_write_add_filter_xz (out);
  else if (has_suffix (name, ".zst") || has_suffix (name, ".tzst"))
    archive_write_add_filter_zstd (out);
  else if (has_suffix (name, ".bz2") || has_suffix (name, ".tbz2") || has_suffix (name, ".tbz")
           || has_suffix (name, ".tz2"))
    archive_write_add_filter_bzip2 (out);
  else if (has_suffix (name, ".lzma") || has_suffix (name, ".tlz"))
    archive_write_add_filter_lzma (out);
}

static int
write_content (struct archive *out, const char *path)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  char buffer[65536];
  ssize_t n = -1;

  if (fd < 0)
    return refuse (path, NULL, strerror (errno));
  while ((n = read (fd, buffer, sizeof buffer)) > 0)
    if (archive_write_data (out, buffer, (size_t)n) < 0)
      {
        (void)close (fd);
        return refuse (path, NULL, archive_error_string (out));
      }
  (void)close (fd);
  return n == 0 || refuse (path, NULL, strerror (errno));
}

static int
add_header (struct archive *out, struct archive_entry *entry, const char *member)
{
  archive_entry_copy_pathname (entry, member);
  archive_entry_set_uid (entry, 0);
  archive_entry_set_gid (entry, 0);
  archive_entry_set_uname (entry, "root");
  archive_entry_set_gname (entry, "root");
  archive_entry_unset_atime (entry);
  archive_entry_unset_ctime (entry);
  archive_entry_unset_birthtime (entry);
  return archive_write_header (out, entry) >= ARCHIVE_WARN || refuse (member, NULL, archive_error_string (out));
}

/* In byte order of names and without owners, so that equal trees result in equal archives. */
static int
add_tree (struct archive *out, struct archive *disk, const char *member, const char *path)
{
  struct archive_entry *entry = archive_entry_new ();
  struct dirent **names = NULL;
  int count = 0;

  archive_entry_copy_sourcepath (entry, path);
  int ok = archive_read_disk_entry_from_file (disk, entry, -1, NULL) >= ARCHIVE_WARN
           || refuse (path, NULL, archive_error_string (disk));
  mode_t type = archive_entry_filetype (entry);
  if (ok && type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK)
    ok = refuse (path, NULL, "a device, a socket or a FIFO cannot be packed; remove it");
  ok = ok && add_header (out, entry, member);
  if (ok && type == AE_IFREG)
    ok = write_content (out, path);
  if (ok && type == AE_IFDIR)
    {
      count = scandir (path, &names, NULL, alphasort);
      ok = count >= 0 || refuse (path, NULL, strerror (errno));
    }
  archive_entry_free (entry);
  for (int i = 0; i < count; i++)
    {
      const char *name = names[i]->d_name;
      char *below = NULL, *member_below = NULL;

      if (ok && strcmp (name, ".") != 0 && strcmp (name, "..") != 0)
        ok = asprintf (&below, "%s/%s", path, name) >= 0 && asprintf (&member_below, "%s/%s", member, name) >= 0
             && add_tree (out, disk, member_below, below);
      free (member_below);
      free (below);
      free (names[i]);
    }
  free (names);
  return ok;
}

/* Adds a member that is not on a disk: a directory, or a file with @text. */
static int
add_made (struct archive *out, const char *member, const char *text)
{
  struct archive_entry *entry = archive_entry_new ();
  size_t size = text != NULL ? strlen (text) : 0;

  archive_entry_set_filetype (entry, text != NULL ? AE_IFREG : AE_IFDIR);
  archive_entry_set_perm (entry, text != NULL ? 0644 : 0755);
  archive_entry_set_size (entry, (la_int64_t)size);
  archive_entry_set_mtime (entry, time (NULL), 0);
  int ok = add_header (out, entry, member);
  if (ok && size > 0 && archive_write_data (out, text, size) < 0)
    ok = refuse (member, NULL, archive_error_string (out));
  archive_entry_free (entry);
  return ok;
}

static int
add_all (struct archive *out, struct archive *disk, char **pairs)
{
  int ok = 1;

  for (; ok && pairs[0] != NULL; pairs += 2)
    {
      const char *member = pairs[0], *source = pairs[1];
      if (*source == '/')
        ok = add_tree (out, disk, member, source);
      else
        ok = add_made (out, member, *source == '=' ? source + 1 : NULL);
    }
  return ok;
}

/* Opens an unnamed file in @dir or, if the file system does not support these, a file with the name @temp. */
static int
open_nameless (const char *dir, const char *temp, int *named)
{
  int fd = open (dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);

  *named = fd < 0;
  return fd >= 0 ? fd : open (temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
}

/* Gives the complete file its name, and flushes the directory. */
static int
publish (int fd, int named, const char *dir, const char *temp, const char *name)
{
  char self[32];
  int ok, dir_fd;

  snprintf (self, sizeof self, "/proc/self/fd/%d", fd);
  if (!named && linkat (AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0)
    ok = 1;
  else /* a link cannot replace an existing file */
    ok = (named || linkat (AT_FDCWD, self, AT_FDCWD, temp, AT_SYMLINK_FOLLOW) == 0) && rename (temp, name) == 0;
  dir_fd = ok ? open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  ok = dir_fd >= 0 && fsync (dir_fd) == 0;
  if (!ok)
    refuse (name, NULL, strerror (errno));
  if (dir_fd >= 0)
    (void)close (dir_fd);
  return ok;
}

static int
create (const char *name, const char *temp, char **pairs)
{
  struct archive *out = archive_write_new ();
  struct archive *disk = archive_read_disk_new ();
  char *copy = strdup (name);
  const char *dir = copy != NULL ? dirname (copy) : NULL;
  int fd = -1, ok = 0, named = 0;

  setenv ("LC_ALL", "C", 1);
  if (out == NULL || disk == NULL || dir == NULL)
    refuse (name, NULL, "out of memory");
  else if ((fd = open_nameless (dir, temp, &named)) < 0)
    refuse (temp, NULL, strerror (errno));
  else
    {
      archive_read_disk_set_symlink_physical (disk);
      archive_write_set_format_gnutar (out);
      choose_filter (out, name);
      ok = archive_write_open_fd (out, fd) == ARCHIVE_OK || refuse (name, NULL, archive_error_string (out));
      ok = ok && add_all (out, disk, pairs);
      if (archive_write_close (out) < ARCHIVE_WARN && ok)
        ok = refuse (name, NULL, archive_error_string (out));
      ok = ok && (fsync (fd) == 0 || refuse (name, NULL, strerror (errno)));
      ok = ok && publish (fd, named, dir, temp, name);
      if (close (fd) < 0 && ok)
        ok = refuse (name, NULL, strerror (errno));
      if (!ok)
        (void)unlink (temp);
    }
  archive_write_free (out);
  archive_read_free (disk);
  free (copy);
  return ok;
}

int
main (int argc, char **argv)
{
  umask (022);
  if (argc >= 4 && argc % 2 == 0 && strcmp (argv[1], "create") == 0)
    return create (argv[2], argv[3], argv + 4) ? 0 : 1;
  if (argc == 5 && strcmp (argv[1], "extract") == 0)
    return extract (argv[2], argv[3], atoll (argv[4]), 0) ? 0 : 1;
  if (argc == 5 && strcmp (argv[1], "package") == 0)
    return extract (argv[2], argv[3], atoll (argv[4]), 1) ? 0 : 1;
  fprintf (stderr, "Usage: dkms-archive create ARCHIVE TEMP [MEMBER SOURCE]... | extract ARCHIVE DIR LIMIT | "
                   "package PACKAGE DIR LIMIT\n");
  return 1;
}
