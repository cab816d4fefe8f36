/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a run works: the root, and the directories in it. */
#pragma once

#include "base/root.h"

/* Where modules are registered if nothing else is named. */
#define DKMS_DEFAULT_TREE "/var/lib/dkms"

/* All paths are inside the root, absolute, and canonical where they exist. */
typedef struct {
  DkmsRoot *root;
  char *dkms_tree;
  char *source_tree;
  char *install_tree;
  char *tmp_location;
} DkmsPlaces;

/** Replaces @field of @self by an absolute, canonical path inside the root (of @path, taken from the caller's
 * directory). */
void dkms_places_set (DkmsPlaces *self, char **field, const char *path);
/** Frees what @self holds, the root included. */
void dkms_places_clear (DkmsPlaces *self);
