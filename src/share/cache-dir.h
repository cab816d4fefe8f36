/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local directory of the build cache, cache_dir in framework.conf:
 *
 *   ac/<slot>       an entry: an ActionResult with the manifest of a build (helpers/entry-manifest.h)
 *   cas/<sha256>    a blob of an entry, named by the digest of its bytes
 *
 * These are the paths and bytes of the HTTP protocol of Bazel's caches, so a web server can offer the directory. Files
 * are written beside and renamed. They are not flushed, because their digests are compared at each use. All of them can
 * be deleted at any time. Modification times are those of the last use. */
#pragma once

#include "conf/settings.h"

typedef struct DkmsCacheDir DkmsCacheDir;

/**
 * dkms_cache_dir_open:
 * @create: whether it is created if it does not exist
 *
 * Builds in it are loaded into the kernel, so it must belong to root or the caller, and nobody else may be able to
 * write it or a directory above it.
 *
 * Returns: (transfer full) (nullable): NULL without an error if cache_dir is not set, or does not exist
 */
DkmsCacheDir *dkms_cache_dir_open (const DkmsSettings *settings, gboolean create,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_cache_dir_close (DkmsCacheDir *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsCacheDir, dkms_cache_dir_close)

/* In place of the id of a signer: the address of the claim, which says that a machine makes this build. */
#define DKMS_CACHE_CLAIM "636c61696d000000"

/** Returns: (transfer full): the address of the entry for the inputs with the identity @key. @signer: 16 hexadecimal
 * digits, the id of the key that signed it; NULL: an entry of this machine, which is not signed */
char *dkms_cache_slot (const char *key, const char *signer);

/** Opens the entry @slot. Returns: a descriptor, or -1 with errno */
int dkms_cache_dir_open_entry (const DkmsCacheDir *self, const char *slot);
/** Returns: (transfer none): the directory of the blobs */
int dkms_cache_dir_blobs (const DkmsCacheDir *self);

/** Copies the files @blobs (element-type utf8) and then the file "entry" of the directory @from to the cache; the entry
 * gets the address @slot. */
gboolean dkms_cache_dir_add (const DkmsCacheDir *self, int from, const GPtrArray *blobs, const char *slot,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Notes that the entry @slot was used, and @blobs (element-type utf8), so that they are deleted later. */
void dkms_cache_dir_touch (const DkmsCacheDir *self, const char *slot, const GPtrArray *blobs);
/** Deletes the entry @slot, if it exists, and @blob (nullable), which is damaged. Other blobs are deleted when they are
 * old. */
void dkms_cache_dir_drop (const DkmsCacheDir *self, const char *slot, const char *blob);

typedef struct {
  guint entries, blobs;
  goffset bytes;
} DkmsCacheSize;

/** Counts its files. */
gboolean dkms_cache_dir_measure (const DkmsCacheDir *self, DkmsCacheSize *size,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_cache_dir_prune:
 * @most: bytes
 *
 * If its files have more than @most bytes, deletes those that were not used for the longest time until four fifths of
 * @most are left. Does nothing while another process does this.
 *
 * @deleted: (out) (optional): the number of deleted files
 */
gboolean dkms_cache_dir_prune (const DkmsCacheDir *self, goffset most, guint *deleted,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
