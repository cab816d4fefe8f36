/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes the file with the stubs of a kernel. */
#define _GNU_SOURCE
#include "helpers/stub-store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

static const char magic[16] = "dkms stubs 1\n";
enum { BUFFER = 1 << 18 };

typedef struct {
  char magic[16];
  uint32_t checksum; /* of the rest of the header and the index */
  uint32_t count, refused, unused;
  uint64_t index_at, index_size;
  char identity[STUB_IDENTITY];
} Header;

/* An entry of the index, followed by the path, without NUL, and zeros up to a multiple of 8. */
typedef struct {
  StubKey key;
  uint64_t at;
  uint32_t size; /* 0: depmod reads a copy of the module */
  uint32_t checksum, length, unused;
} Entry;

static size_t
padded (size_t n)
{
  return (n + 7) & ~(size_t)7;
}

static uint32_t
sum (uint32_t begin, const void *bytes, size_t n)
{
  return (uint32_t)crc32_z (begin, bytes, n);
}

static uint32_t
sum_header (const Header *header, const void *index, size_t size)
{
  const size_t begin = offsetof (Header, count);

  return sum (sum (0, (const unsigned char *)header + begin, sizeof *header - begin), index, size);
}

/* ---- reading ---- */

static bool
is_ours (const struct stat *st)
{
  return S_ISREG (st->st_mode) && st->st_uid == geteuid () && (st->st_mode & 077) == 0 && st->st_nlink == 1;
}

/* Returns: whether header and index are complete */
static bool
check (StubStore *self)
{
  Header header;

  if (self->size < sizeof header)
    return false;
  memcpy (&header, self->bytes, sizeof header);
  if (memcmp (header.magic, magic, sizeof magic) != 0 || header.index_at % 8 != 0 || header.index_at > self->size
      || header.index_size != self->size - header.index_at
      || header.checksum != sum_header (&header, self->bytes + header.index_at, header.index_size)
      || memchr (header.identity, '\0', sizeof header.identity) == NULL)
    return false;
  memcpy (self->identity, header.identity, sizeof self->identity);
  self->refused = header.refused != 0;
  self->count = header.count;
  return true;
}

void
stub_store_open (StubStore *self, int dir_fd, const char *name)
{
  int fd = openat (dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  struct stat st;
  void *bytes = MAP_FAILED;

  *self = (StubStore){ 0 };
  if (fd < 0)
    return;
  if (fstat (fd, &st) == 0 && is_ours (&st) && st.st_size > 0)
    bytes = mmap (NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  (void)close (fd);
  if (bytes == MAP_FAILED)
    return;
  self->bytes = bytes;
  self->size = (size_t)st.st_size;
  if (!check (self))
    stub_store_close (self);
}

void
stub_store_close (StubStore *self)
{
  if (self->bytes != NULL)
    (void)munmap ((void *)(size_t)self->bytes, self->size);
  *self = (StubStore){ 0 };
}

static uint64_t
hash (const char *text, size_t n)
{
  uint64_t value = UINT64_C (14695981039346656037);

  for (size_t i = 0; i < n; i++)
    value = (value ^ (unsigned char)text[i]) * UINT64_C (1099511628211);
  return value ^ value >> 29;
}

/* A table of the files of a list by their paths: numbers of files plus 1, 0: free. */
typedef struct {
  const StubList *list;
  uint32_t *slots;
  size_t mask;
} Table;

static bool
make_table (Table *table, const StubList *list)
{
  size_t size = 1024;

  while (size < 2 * list->count)
    size *= 2;
  *table = (Table){ list, calloc (size, sizeof *table->slots), size - 1 };
  for (size_t i = 0; table->slots != NULL && i < list->count; i++)
    {
      size_t at = hash (list->files[i].path, strlen (list->files[i].path)) & table->mask;
      while (table->slots[at] != 0)
        at = (at + 1) & table->mask;
      table->slots[at] = (uint32_t)i + 1;
    }
  return table->slots != NULL;
}

static StubFile *
look_up (const Table *table, const char *path, size_t n)
{
  for (size_t at = hash (path, n) & table->mask; table->slots[at] != 0; at = (at + 1) & table->mask)
    {
      StubFile *file = &table->list->files[table->slots[at] - 1];
      if (strncmp (file->path, path, n) == 0 && file->path[n] == '\0')
        return file;
    }
  return NULL;
}

/* Returns: whether the file has its stub now */
static bool
take (const StubStore *self, const Table *table, const Entry *entry, const char *path)
{
  StubFile *file = look_up (table, path, entry->length);

  if (file == NULL || file->known || file->recent || !stub_key_equal (&file->key, &entry->key) || entry->at > self->size
      || entry->size > self->size - entry->at || sum (0, self->bytes + entry->at, entry->size) != entry->checksum)
    return false;
  file->known = true;
  file->stub = entry->size > 0 ? self->bytes + entry->at : NULL;
  file->stub_size = entry->size;
  return true;
}

size_t
stub_store_find (const StubStore *self, StubList *list)
{
  Table table = { 0 };
  Header header;
  size_t found = 0;

  if (self->bytes == NULL || !make_table (&table, list))
    return 0;
  memcpy (&header, self->bytes, sizeof header);
  size_t at = header.index_at, end = self->size;
  for (size_t i = 0; i < self->count && end - at >= sizeof (Entry); i++)
    {
      Entry entry;

      memcpy (&entry, self->bytes + at, sizeof entry);
      at += sizeof entry;
      if (padded (entry.length) > end - at)
        break;
      found += take (self, &table, &entry, (const char *)self->bytes + at);
      at += padded (entry.length);
    }
  free (table.slots);
  return found;
}

/* ---- writing ---- */

typedef struct {
  FILE *out;
  char *index;
  size_t size, room;
  uint64_t at;
} Writer;

static bool
put (Writer *self, const void *bytes, size_t n)
{
  static const char zeros[8] = { 0 };
  size_t rest = padded (n) - n;

  self->at += n + rest;
  return fwrite (bytes, 1, n, self->out) == n && fwrite (zeros, 1, rest, self->out) == rest;
}

static bool
add_to_index (Writer *self, const Entry *entry, const char *path)
{
  size_t n = sizeof *entry + padded (entry->length);

  if (self->index == NULL || n > self->room - self->size)
    {
      size_t room = 2 * self->room + n + 65536;
      char *index = realloc (self->index, room);

      if (index == NULL)
        return false;
      self->index = index;
      self->room = room;
    }
  memset (self->index + self->size, 0, n);
  memcpy (self->index + self->size, entry, sizeof *entry);
  memcpy (self->index + self->size + sizeof *entry, path, entry->length);
  self->size += n;
  return true;
}

static bool
put_all (Writer *self, const StubList *list, const char *identity, bool refused)
{
  Header header = { .refused = refused };
  bool good;

  memcpy (header.magic, magic, sizeof magic);
  (void)snprintf (header.identity, sizeof header.identity, "%s", identity);
  good = put (self, &header, sizeof header);
  for (size_t i = 0; good && i < list->count; i++)
    {
      const StubFile *file = &list->files[i];
      Entry entry = { .key = file->key, .at = self->at, .length = (uint32_t)strlen (file->path) };

      if (!file->known || file->recent || file->stub_size > UINT32_MAX)
        continue;
      if (file->stub != NULL)
        {
          entry.size = (uint32_t)file->stub_size;
          entry.checksum = sum (0, file->stub, file->stub_size);
          good = put (self, file->stub, file->stub_size);
        }
      good = good && add_to_index (self, &entry, file->path);
      header.count++;
    }
  header.index_at = self->at;
  header.index_size = self->size;
  header.checksum = sum_header (&header, self->index, self->size);
  return good && fwrite (self->index, 1, self->size, self->out) == self->size && fseek (self->out, 0, SEEK_SET) == 0
         && fwrite (&header, 1, sizeof header, self->out) == sizeof header;
}

bool
stub_store_write (int dir_fd, const char *name, const StubList *list, const char *identity, bool refused)
{
  char temp[NAME_MAX + 1];
  Writer writer = { 0 };
  int fd;

  if (snprintf (temp, sizeof temp, "%s.new", name) >= (int)sizeof temp)
    return errno = ENAMETOOLONG, false;
  (void)unlinkat (dir_fd, temp, 0); /* of a killed run */
  fd = openat (dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  writer.out = fd >= 0 ? fdopen (fd, "w") : NULL;
  if (writer.out == NULL)
    return fd >= 0 ? (void)close (fd), (void)unlinkat (dir_fd, temp, 0), false : false;
  (void)setvbuf (writer.out, NULL, _IOFBF, BUFFER);
  bool good = put_all (&writer, list, identity, refused);
  good &= fclose (writer.out) == 0;
  free (writer.index);
  if (good && renameat (dir_fd, temp, dir_fd, name) == 0)
    return true;
  int saved = errno;
  (void)unlinkat (dir_fd, temp, 0);
  errno = saved;
  return false;
}
