/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: an archive for `dkms ldtarball` or `dkms add`, compressed or not. The checksums of headers are corrected, so
 * that changed headers are not refused early. Findings: a crash; a change outside of the target directory; a device,
 * FIFO, socket or set-id file in it; more bytes than the limit. */
#define _GNU_SOURCE
#define main dkms_archive_main
#include "../../src/helpers/dkms-archive.c"
#undef main

#include <sys/mman.h>

#include "fuzz.h"

enum { LIMIT = 1 << 20, BLOCK = 512, SUM_AT = 148, SUM_SIZE = 8, SIZE_AT = 124, SIZE_SIZE = 12, MAGIC_AT = 257 };

/* The checksum of a header, in which the field of the checksum counts as blanks. */
static void
mend_header (uint8_t *header)
{
  unsigned sum = 0;

  memset (header + SUM_AT, ' ', SUM_SIZE);
  for (size_t i = 0; i < BLOCK; i++)
    sum += header[i];
  (void)snprintf ((char *)header + SUM_AT, SUM_SIZE, "%06o", sum);
}

static void
mend (uint8_t *bytes, size_t size)
{
  for (size_t at = 0; at + BLOCK <= size;)
    {
      g_autofree char *digits = g_strndup ((char *)bytes + at + SIZE_AT, SIZE_SIZE);
      guint64 content = g_ascii_strtoull (digits, NULL, 8);

      if (memcmp (bytes + at + MAGIC_AT, "ustar", 5) == 0)
        mend_header (bytes + at);
      else
        content = 0;
      at += BLOCK;
      if (content <= size - at)
        at += (content + BLOCK - 1) / BLOCK * BLOCK;
    }
}

/* Checks the entry @name and everything below it, and deletes it. One pass instead of two, because the file system
 * costs more time than the parser. Returns: FALSE if something cannot be read or deleted */
static gboolean
take_away (int dir_fd, const char *name, long long *total)
{
  struct stat st;
  const struct dirent *entry;
  gboolean good = TRUE;

  if (fstatat (dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return FALSE;
  if (!S_ISREG (st.st_mode) && !S_ISDIR (st.st_mode) && !S_ISLNK (st.st_mode))
    g_error ("%s is of mode %o", name, st.st_mode);
  if (S_ISREG (st.st_mode) && (st.st_mode & (S_ISUID | S_ISGID)) != 0)
    g_error ("%s is of mode %o", name, st.st_mode);
  if (S_ISREG (st.st_mode) && st.st_nlink == 1) /* other links to the file are deleted already */
    *total += st.st_size;
  if (!S_ISDIR (st.st_mode))
    return unlinkat (dir_fd, name, 0) == 0;
  int fd = openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  if (dir == NULL)
    return FALSE;
  while ((entry = readdir (dir)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      good = take_away (fd, entry->d_name, total) && good;
  (void)closedir (dir);
  return unlinkat (dir_fd, name, AT_REMOVEDIR) == 0 && good;
}

/* Checks the unpacked files, and deletes them. */
static void
check_result (const char *dir, int ok)
{
  long long total = 0;

  if (rmdir (dir) == 0)
    return;
  g_assert (errno == ENOTEMPTY);
  if (!take_away (AT_FDCWD, dir, &total))
    fuzz_delete ("dir");
  else if (ok)
    g_assert (total <= LIMIT);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static char *dir, archive[32];
  static int cwd = -1, file = -1;
  g_autofree uint8_t *bytes = NULL;
  int ok;

  fuzz_begin ();
  if (dir == NULL)
    {
      dir = g_build_filename (fuzz_place (), "dir", NULL);
      cwd = open (".", O_PATH | O_DIRECTORY | O_CLOEXEC);
      file = memfd_create ("archive", MFD_CLOEXEC);
      g_assert (cwd >= 0 && file >= 0);
      g_snprintf (archive, sizeof archive, "/proc/self/fd/%d", file);
    }
  fuzz_canary_make ("dir");
  bytes = g_memdup2 (data, size);
  mend (bytes, size);
  g_assert (ftruncate (file, 0) == 0 && pwrite (file, bytes, size, 0) == (ssize_t)size);
  g_assert (mkdir (dir, 0755) == 0);
  ok = extract (archive, dir, LIMIT, 0);
  g_assert (fchdir (cwd) == 0);
  fuzz_canary_check ();
  check_result (dir, ok);
  return 0;
}
