/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stubs of one kernel in one file. The file can be created again at any time. Therefore it is not flushed; every
 * part has a checksum instead. A file that is damaged, of another format or not written by this user is ignored.
 *
 * Format, in the byte order of the machine: a header, the stubs, each at a multiple of 8, and an index with one entry
 * for each module. Both structures are private to stub-store.c. */
#pragma once

#include <stdbool.h>

#include "helpers/stub-list.h"

enum { STUB_IDENTITY = 160 }; /* bytes for the identity of a depmod, with its NUL */

typedef struct {
  const unsigned char *bytes; /* (nullable): the mapped file */
  size_t size;
  char identity[STUB_IDENTITY]; /* of the depmod that the stubs were tried with; "" without a file */
  bool refused;                 /* this depmod does not write the same indexes from stubs */
  size_t count;                 /* modules in the index */
} StubStore;

/** Opens the file @name in @dir_fd. If it cannot be used, @self is an empty store. */
void stub_store_open (StubStore *self, int dir_fd, const char *name);
/** Frees the content of @self; stubs that stub_store_find() returned become invalid. */
void stub_store_close (StubStore *self);
/** Gives each file of @list with an unchanged key its stub, which stays in @self. Returns: the number of such files */
size_t stub_store_find (const StubStore *self, StubList *list);
/** Replaces the file @name by one with the known stubs of @list, except those of recently changed files. Returns: false
 * with errno. Then the old file is unchanged */
bool stub_store_write (int dir_fd, const char *name, const StubList *list, const char *identity, bool refused);
