/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Maps and decompresses files. */
#define _GNU_SOURCE
#include "helpers/memory-file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/write-all.h"

const unsigned char *
memory_file_map (int fd, size_t *size)
{
  struct stat st;
  void *bytes = MAP_FAILED;

  if (fd >= 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_size > 0 && st.st_size <= MEMORY_FILE_MOST)
    bytes = mmap (NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  *size = bytes != MAP_FAILED ? (size_t)st.st_size : 0;
  return bytes != MAP_FAILED ? bytes : NULL;
}

typedef struct {
  int fd;
  size_t size;
} Target;

static bool
append (void *user, const void *bytes, size_t size)
{
  Target *target = user;

  target->size += size;
  return target->size <= MEMORY_FILE_MOST && write_all (target->fd, bytes, size);
}

int
memory_file_unpack (UnpackFunc unpack, const void *bytes, size_t size, size_t *rest)
{
  Target target = { memfd_create ("unpacked", MFD_CLOEXEC), 0 };

  if (target.fd >= 0 && unpack (bytes, size, append, &target, rest))
    return target.fd;
  if (target.fd >= 0)
    (void)close (target.fd);
  return -1;
}
