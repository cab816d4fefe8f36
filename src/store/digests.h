/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digests of files and directory trees, remembered like in git's index: a digest is valid while the stat signature of
 * its files is unchanged. They are stored in the file .dkms/digests of the tree, one line "VALUE tab SIGNATURE tab KEY"
 * for each; the key identifies the files. The file may be deleted at any time. A user who cannot write it computes more
 * digests, with the same results. */
#pragma once

#include "conf/places.h"

typedef struct DkmsDigests DkmsDigests;

/**
 * dkms_digests_new:
 * @places: borrowed
 * @now: seconds since 1970. A file that changed less than two seconds before could change again with the same
 * signature; its digest is not remembered
 *
 * Returns: (transfer full): the digests, which are read at the first query
 */
DkmsDigests *dkms_digests_new (const DkmsPlaces *places, gint64 now);
void dkms_digests_free (DkmsDigests *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsDigests, dkms_digests_free)

/**
 * dkms_digests_value:
 * Returns a value that depends on one file, such as its digest, and remembers it.
 *
 * @key: a kind of value and a path, without line end
 * @fd: the open file; -1: it does not exist
 * @compute: computes the value; not called while the stat signature is unchanged
 *
 * Returns: (transfer full) (nullable): the value; "-" if @fd is -1; NULL if @compute fails
 */
char *dkms_digests_value (DkmsDigests *self, const char *key, int fd, char *(*compute) (int fd, gpointer data),
                          gpointer data);
/** Returns: (transfer full) (nullable): the SHA-256 of the file @fd in hexadecimal, as dkms_digests_value() */
char *dkms_digests_file (DkmsDigests *self, const char *path, int fd);

/**
 * dkms_digests_tree:
 * @path: of the directory, as key
 * @fd: the directory; -1: it does not exist
 * @without: (nullable): the name of an entry of @fd that is ignored
 *
 * The digest covers relative paths, types, execute bits, contents and targets of links, in byte order, but not times
 * and owners. Of directories, only empty ones are included. Files of version control (.git, .svn, .hg, .bzr, CVS) and
 * names that end in ~ are ignored.
 *
 * Returns: (transfer full) (nullable): the digest; "-" if @fd is -1; NULL if something cannot be read, or is a device
 */
char *dkms_digests_tree (DkmsDigests *self, const char *path, int fd, const char *without);

/**
 * dkms_digests_tree_links:
 * @path: of the directory, without links in it
 * @links: (element-type utf8): gets where the symbolic links in the tree lead, if that is outside of it; without
 * duplicates, in byte order
 *
 * As dkms_digests_tree().
 */
char *dkms_digests_tree_links (DkmsDigests *self, const char *path, int fd, GPtrArray *links);

/** Stores new digests in the file. Failures are ignored. */
void dkms_digests_save (DkmsDigests *self);
