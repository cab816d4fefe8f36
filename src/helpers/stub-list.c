/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the modules of a kernel. */
#define _GNU_SOURCE
#include "helpers/stub-list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { DEEPEST = 32, MOST_FILES = 1 << 20 };
static const int64_t coarse_ns = 2500000000,
                     fine_ns = 50000000; /* resolutions of the clocks of file systems, and a reserve */

static const char no_memory[] = "there is not enough memory";

void
stub_key_set (StubKey *key, const struct stat *st)
{
  memset (key, 0, sizeof *key);
  key->size = (uint64_t)st->st_size;
  key->inode = st->st_ino;
  key->mtime = st->st_mtim.tv_sec;
  key->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
  key->ctime = st->st_ctim.tv_sec;
  key->ctime_ns = (uint32_t)st->st_ctim.tv_nsec;
}

bool
stub_key_equal (const StubKey *a, const StubKey *b)
{
  return memcmp (a, b, sizeof *a) == 0;
}

static bool
is_recent (const StubKey *key)
{
  struct timespec now;
  int64_t window = key->ctime_ns == 0 ? coarse_ns : fine_ns;

  if (clock_gettime (CLOCK_REALTIME, &now) < 0 || key->ctime > now.tv_sec)
    return true;
  return now.tv_sec - key->ctime < 10
         && (now.tv_sec - key->ctime) * INT64_C (1000000000) + now.tv_nsec - key->ctime_ns < window;
}

static bool
ends_with (const char *name, const char *suffix)
{
  size_t n = strlen (name), m = strlen (suffix);

  return n >= m && strcmp (name + n - m, suffix) == 0;
}

static bool
is_compressed (const char *name)
{
  return ends_with (name, ".ko.gz") || ends_with (name, ".ko.xz") || ends_with (name, ".ko.zst");
}

static const char *
add (StubList *self, const char *path, const struct stat *st)
{
  if (self->count == MOST_FILES)
    return "the kernel has too many modules";
  if (self->count == self->room)
    {
      size_t room = self->room > 0 ? 2 * self->room : 1024;
      StubFile *files = realloc (self->files, room * sizeof *files);

      if (files == NULL)
        return no_memory;
      self->files = files;
      self->room = room;
    }
  StubFile *file = &self->files[self->count];
  *file = (StubFile){ .path = strdup (path), .compressed = is_compressed (path) };
  if (file->path == NULL)
    return no_memory;
  self->count++;
  stub_key_set (&file->key, st);
  file->recent = is_recent (&file->key);
  return NULL;
}

static const char *read_dir (StubList *self, int fd, const char *prefix, unsigned depth);

static const char *
read_below (StubList *self, int parent, const char *name, const char *path, unsigned depth)
{
  int fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return "a directory cannot be read";
  return depth < DEEPEST ? read_dir (self, fd, path, depth + 1)
                         : ((void)close (fd), "directories are nested too deeply");
}

static const char *
read_entry (StubList *self, int fd, const struct dirent *entry, const char *prefix, unsigned depth)
{
  const char *name = entry->d_name;
  unsigned char type = entry->d_type;
  bool module = ends_with (name, ".ko") || is_compressed (name);
  char path[4096];
  struct stat st;

  if (strcmp (name, ".") == 0 || strcmp (name, "..") == 0)
    return NULL;
  if (strcmp (name, "build") == 0 || strcmp (name, "source") == 0)
    return depth == 0 || type == DT_REG ? NULL : "there are kernel headers between the modules";
  if (!module && type == DT_REG)
    return strstr (name, ".ko.") == NULL ? NULL : "a module has an unknown compression";
  if (snprintf (path, sizeof path, "%s%s%s", prefix, *prefix != '\0' ? "/" : "", name) >= (int)sizeof path)
    return "a path is too long";
  if (type != DT_DIR && fstatat (fd, name, &st, 0) < 0)
    return "a file cannot be read";
  if (type == DT_DIR || S_ISDIR (st.st_mode))
    return read_below (self, fd, name, path, depth);
  if (module && !S_ISREG (st.st_mode))
    return "a module is not a regular file";
  return module ? add (self, path, &st) : NULL;
}

/* Closes @fd. */
static const char *
read_dir (StubList *self, int fd, const char *prefix, unsigned depth)
{
  DIR *dir = fdopendir (fd);
  const struct dirent *entry;
  const char *why = NULL;

  if (dir == NULL)
    return (void)close (fd), no_memory;
  errno = 0;
  while (why == NULL && (entry = readdir (dir)) != NULL)
    {
      why = read_entry (self, fd, entry, prefix, depth);
      errno = 0;
    }
  if (why == NULL && errno != 0)
    why = "a directory cannot be read";
  (void)closedir (dir);
  return why;
}

const char *
stub_list_read (StubList *self, int dir_fd)
{
  int fd = openat (dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  return fd >= 0 ? read_dir (self, fd, "", 0) : "the directory cannot be read";
}

bool
stub_list_own (StubList *self, const void *block, size_t size)
{
  StubBlock *more = realloc (self->blocks, (self->block_count + 1) * sizeof *more);

  if (more == NULL)
    return false;
  self->blocks = more;
  self->blocks[self->block_count++] = (StubBlock){ block, size };
  return true;
}

void
stub_list_clear (StubList *self)
{
  for (size_t i = 0; i < self->count; i++)
    free (self->files[i].path);
  free (self->files);
  for (size_t i = 0; i < self->block_count; i++)
    (void)munmap ((void *)(size_t)self->blocks[i].bytes, self->blocks[i].size);
  free (self->blocks);
  *self = (StubList){ 0 };
}

/* ---- twins ---- */

static const char *
base_name (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash != NULL ? slash + 1 : path;
}

/* depmod does not distinguish "-" and "_". A name ends at the first dot. */
static int
next_letter (const char *at)
{
  return *at == '-' ? '_' : *at == '.' ? '\0' : (unsigned char)*at;
}

static int
compare_modules (const char *path, const char *other)
{
  const char *a = base_name (path), *b = base_name (other);

  while (next_letter (a) == next_letter (b) && next_letter (a) != '\0')
    {
      a++;
      b++;
    }
  return next_letter (a) - next_letter (b);
}

bool
stub_same_module (const char *path, const char *other)
{
  return compare_modules (path, other) == 0;
}

typedef struct {
  const char *path;
  size_t index;
} Name;

static int
compare_names (const void *a, const void *b)
{
  return compare_modules (((const Name *)a)->path, ((const Name *)b)->path);
}

static int
compare_numbers (const void *a, const void *b)
{
  size_t x = *(const size_t *)a, y = *(const size_t *)b;

  return (x > y) - (x < y);
}

size_t *
stub_list_twins (const StubList *list, size_t *count)
{
  Name *names = calloc (list->count + 1, sizeof *names);
  size_t *twins = calloc (list->count + 1, sizeof *twins);

  *count = 0;
  if (names == NULL || twins == NULL)
    return free (names), free (twins), NULL;
  for (size_t i = 0; i < list->count; i++)
    names[i] = (Name){ list->files[i].path, i };
  qsort (names, list->count, sizeof *names, compare_names);
  for (size_t i = 0; i < list->count; i++)
    if ((i > 0 && compare_names (&names[i - 1], &names[i]) == 0)
        || (i + 1 < list->count && compare_names (&names[i], &names[i + 1]) == 0))
      twins[(*count)++] = names[i].index;
  qsort (twins, *count, sizeof *twins, compare_numbers);
  free (names);
  return twins;
}
