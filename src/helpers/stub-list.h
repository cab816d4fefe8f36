/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modules below the directory of a kernel, in the order in which depmod finds them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* The state of a file. A file with the same state has the same content. */
typedef struct {
  uint64_t size, inode;
  int64_t mtime, ctime;
  uint32_t mtime_ns, ctime_ns;
} StubKey;

typedef struct {
  char *path; /* relative to the directory of the kernel; owned */
  StubKey key;
  bool compressed;  /* by its name */
  bool recent;      /* changed just now: a further change may leave the key as it is */
  bool known;       /* @stub is valid */
  const void *stub; /* (nullable): not owned; NULL: depmod reads a copy of the file itself */
  size_t stub_size;
} StubFile;

/* A mapping that contains stubs. */
typedef struct {
  const void *bytes;
  size_t size;
} StubBlock;

typedef struct {
  StubFile *files;
  size_t count, room;
  StubBlock *blocks;
  size_t block_count;
} StubList;

/** Reads the directory of a kernel, @dir_fd, as depmod does: subdirectories and links are followed, and build and
 * source are skipped. The order is that of the file system. Returns: (transfer none) (nullable): why depmod could find
 * other modules; NULL after success */
const char *stub_list_read (StubList *self, int dir_fd);
/** Lets @self own the mapping of @size bytes at @block. Returns: false without memory; then the caller keeps it */
bool stub_list_own (StubList *self, const void *block, size_t size);
/** Frees the content of @self. */
void stub_list_clear (StubList *self);

/** Fills in @key. */
void stub_key_set (StubKey *key, const struct stat *st);
bool stub_key_equal (const StubKey *a, const StubKey *b);

/** Returns: whether the files are modules of the same name, of which depmod uses one */
bool stub_same_module (const char *path, const char *other);
/** Returns: (transfer full): the numbers of the files whose name occurs more than once, in the order of the list; free
 * with free(); NULL without memory. @count: (out) */
size_t *stub_list_twins (const StubList *list, size_t *count);
