/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What things are named by: a module, one of its versions, and a kernel with its architecture that the version is built
 * for. People see it as "foo/1.0, 6.1.0-56-amd64, x86_64". */
#pragma once

#include <glib.h>

/* A name, made of strings that belong to somebody else: those of a state, a step or a request, say. It is passed and
 * kept by value as long as these live; dkms_id_copy() makes one that owns its strings. Parts may be NULL: kernel
 * and arch where the thing is for no kernel, version where it is a whole module, and module where it is a kernel. */
typedef struct {
  const char *module;  /* (nullable) */
  const char *version; /* (nullable) */
  const char *kernel;  /* (nullable) */
  const char *arch;    /* (nullable) */
} DkmsId;

/** Returns: (transfer full): @self with strings of its own */
DkmsId *dkms_id_copy (const DkmsId *self);
/** Frees what dkms_id_copy() made; NULL is fine. */
void dkms_id_free (DkmsId *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsId, dkms_id_free)

/** Frees the strings of @self, which owns them. */
void dkms_id_clear (DkmsId *self);

/** For a GHashTable with DkmsId as keys. */
guint dkms_id_hash (gconstpointer self);
/** Returns: whether all parts are equal, or NULL in both */
gboolean dkms_id_equal (gconstpointer a, gconstpointer b);

/** Returns: whether each part of @filter is NULL, which lets anything pass, or equal to that of @self */
gboolean dkms_id_passes (const DkmsId *self, const DkmsId *filter);

/** Returns: (transfer full): "m", "m/v", "m/v, k, a", or "k" without a module */
char *dkms_id_format (const DkmsId *self);
