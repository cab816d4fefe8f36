/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The identifier of a module, of a version, or of a build: module, version, kernel and arch. People see it as
 * "foo/1.0, 6.1.0-56-amd64, x86_64". */
#pragma once

#include <glib.h>

/* An identifier whose strings belong to another value, for example a state, a step or a request. Pass and keep it by
 * value while that value lives; dkms_id_copy() returns one that owns its strings. Any part may be NULL: kernel and arch
 * for a version, version for a whole module, and module for a kernel. */
typedef struct {
  const char *module;  /* (nullable) */
  const char *version; /* (nullable) */
  const char *kernel;  /* (nullable) */
  const char *arch;    /* (nullable) */
} DkmsId;

/** Returns: (transfer full): a copy of @self that owns its strings */
DkmsId *dkms_id_copy (const DkmsId *self);
/** Frees a value of dkms_id_copy(). @self: (nullable) */
void dkms_id_free (DkmsId *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsId, dkms_id_free)

/** Frees the strings of @self, which owns them. */
void dkms_id_clear (DkmsId *self);

/** For a GHashTable with DkmsId as keys. */
guint dkms_id_hash (gconstpointer self);
/** Returns: whether all parts are equal, or NULL in both */
gboolean dkms_id_equal (gconstpointer a, gconstpointer b);

/** Returns: whether each part of @filter is NULL or equal to the part of @self */
gboolean dkms_id_passes (const DkmsId *self, const DkmsId *filter);

/** Returns: the columns that "m/v" takes on a terminal; without a version, those of "m/" */
glong dkms_id_columns (const DkmsId *self);

/* What follows NAME.ko in the names of module files; ended by NULL. A directory may have files with several of them. */
extern const char *const dkms_module_suffixes[];
/** Returns: (nullable): the part of @file behind ".ko": "", ".gz", ".xz" or ".zst"; NULL if that is not the name of a
 * module file */
const char *dkms_module_suffix (const char *file);

/** Returns: (transfer full): "m", "m/v", "m/v, k, a", or "k" without a module */
char *dkms_id_format (const DkmsId *self);
