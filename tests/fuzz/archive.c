/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: an archive for `dkms ldtarball` or `dkms add`, compressed or not. The checksums of headers are corrected, so
 * that changed headers are not refused early. Findings: a crash; a change outside of the target directory; a device,
 * FIFO, socket or set-id file in it; more bytes than the limit. */
#define _GNU_SOURCE
#define main dkms_archive_main
#include "../../src/helpers/dkms-archive.c"
#undef main

#include <sys/mman.h>

#include "base/file.h"
#include "base/walk.h"
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

static gboolean
look_at (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  long long *total = data;

  if (entry->st == NULL)
    return TRUE;
  if (!S_ISREG (entry->st->st_mode) && !S_ISDIR (entry->st->st_mode) && !S_ISLNK (entry->st->st_mode))
    g_error ("%s is of mode %o", entry->path, entry->st->st_mode);
  if (S_ISREG (entry->st->st_mode) && (entry->st->st_mode & (S_ISUID | S_ISGID)) != 0)
    g_error ("%s is of mode %o", entry->path, entry->st->st_mode);
  if (S_ISREG (entry->st->st_mode))
    *total += entry->st->st_size / (long long)entry->st->st_nlink;
  return TRUE;
}

/* Checks the unpacked files, and deletes them. */
static void
check_result (const char *dir, int ok)
{
  long long total = 0;

  if (rmdir (dir) == 0)
    return;
  g_assert (errno == ENOTEMPTY);
  if (dkms_walk_at (AT_FDCWD, dir, look_at, &total, NULL) && ok)
    g_assert (total <= LIMIT);
  fuzz_delete ("dir");
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
