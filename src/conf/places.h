/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root of a run, and the directories in it. */
#pragma once

#include "base/root.h"

/* The default of dkms_tree. */
#define DKMS_DEFAULT_TREE "/var/lib/dkms"

/* All paths are inside the root and absolute. Paths of existing files are canonical. */
typedef struct {
  DkmsRoot *root;
  char *dkms_tree;
  char *source_tree;
  char *install_tree;
  char *tmp_location;
} DkmsPlaces;

/** Replaces @field of @self by the absolute, canonical path of @path inside the root. A relative @path starts at the
 * caller's directory. */
void dkms_places_set (DkmsPlaces *self, char **field, const char *path);
/** Frees the content of @self, including the root. */
void dkms_places_clear (DkmsPlaces *self);
