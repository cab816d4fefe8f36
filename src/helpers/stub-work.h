/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes stubs in worker processes, which drop their rights before they read a module. */
#pragma once

#include "helpers/stub-list.h"

typedef struct {
  int dir_fd;    /* directory of the kernel */
  unsigned jobs; /* the most workers at the same time */
  int tokens;    /* pipe of a job server: each worker except the first takes a token from it; -1: none */
} StubWork;

/** Makes the stubs of all files of @list that are not known. Files that cannot be reduced, or that crash a worker, get
 * no stub. Stubs are valid as long as @list. Returns: (transfer none) (nullable): why it failed */
const char *stub_work (const StubWork *self, StubList *list);
