/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A private directory in which depmod finds stubs instead of modules, under the same names and in the same order. It is
 * in memory where the system allows that. */
#pragma once

#include <sys/types.h>

#include "helpers/stub-list.h"

typedef struct {
  const char *release; /* of the kernel */
  int source;          /* directory of the kernel */
  int scratch;         /* a directory for view0 to view7, for systems on which no file system can be mounted */
  int base;            /* the directory that depmod gets as base directory */
  int modules;         /* the one of the kernel below it */
} StubView;

/* A file that depmod has written. */
typedef struct {
  char name[64];
  off_t size;
} StubIndex;

enum { STUB_MOST_INDEXES = 64 };

/** Creates the directories, and copies the files that depmod reads besides modules, such as modules.order. @release,
 * @source, @scratch: see StubView. Returns: (transfer none) (nullable): why it failed. In any case, call
 * stub_view_close() */
const char *stub_view_open (StubView *self, const char *release, int source, int scratch);
/** Closes the directory, which is deleted, or left in scratch. */
void stub_view_close (StubView *self);
/** Adds the files of @list. If a name occurs twice, the order is checked. */
const char *stub_view_fill (StubView *self, const StubList *list);
/** Runs depmod with @map (nullable), a file with the symbols of the kernel. @quiet: whether its output is discarded;
 * otherwise it is printed, with the name @shown instead of that of the private directory. */
const char *stub_view_depmod (StubView *self, const char *map, const char *shown, bool quiet);
/** Finds the files that depmod has written. @count: (out) */
const char *stub_view_indexes (const StubView *self, StubIndex indexes[STUB_MOST_INDEXES], unsigned *count);
/** Copies a file from one directory to a new file of another. Returns: false with errno */
bool stub_copy (int from, const char *name, int to, const char *target);
