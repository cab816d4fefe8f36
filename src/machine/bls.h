/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Boot entries in files: The Boot Loader Specification, "Type #1", and the settings of systemd-boot (loader.conf(5)).
 */
#pragma once

#include "machine/boot-entry.h"

typedef struct {
  DkmsBootEntry *entry; /* its id is the file name with ".conf", without the boot counter */
  char *version;        /* (nullable) */
  char *sort_key;       /* (nullable) */
  char *machine_id;     /* (nullable) */
  gboolean bad;         /* the boot counter says that it never booted */
} DkmsBlsEntry;

/**
 * dkms_bls_parse:
 * @name: the name of the file
 * @text: its content
 * @variables: (nullable) (element-type utf8 utf8): values for $NAME in options, which GRUB expands
 *
 * Returns: (transfer full)
 */
DkmsBlsEntry *dkms_bls_parse (const char *name, const char *text, GHashTable *variables);
void dkms_bls_entry_free (DkmsBlsEntry *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsBlsEntry, dkms_bls_entry_free)

/** Sorts @entries (element-type DkmsBlsEntry) as systemd-boot shows them. */
void dkms_bls_sort (GPtrArray *entries);
/** The same as GRUB's blscfg shows them. */
void dkms_bls_sort_for_grub (GPtrArray *entries);
/** Returns: (transfer none) (nullable): the first of @entries whose id matches the glob @pattern; case is ignored */
const DkmsBlsEntry *dkms_bls_find (const GPtrArray *entries, const char *pattern);
/** Returns: (transfer full) (nullable): the value of "default" in loader.conf */
char *dkms_bls_default (const char *loader_conf);
