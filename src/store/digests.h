/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digests of files and directory trees, remembered as git's index does: while the stat signature of what was read is
 * the same, so is the digest. The memory is the file .dkms/digests of the tree, a line "VALUE tab SIGNATURE tab KEY"
 * for each, where the key names what was read. It may be deleted at any time; a user who cannot write it computes more,
 * and gets the same answers. */
#pragma once

#include "conf/places.h"

typedef struct DkmsDigests DkmsDigests;

/**
 * dkms_digests_new:
 * @places: borrowed
 * @now: seconds since 1970. What changed less than two seconds before may change again with the same signature, and is
 * not remembered
 *
 * Returns: (transfer full): it reads the memory when it is asked first
 */
DkmsDigests *dkms_digests_new (const DkmsPlaces *places, gint64 now);
void dkms_digests_free (DkmsDigests *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsDigests, dkms_digests_free)

/**
 * dkms_digests_value:
 * Remembers a value that follows from one file, such as its digest.
 *
 * @key: what the value is of: a kind and a path, without line end
 * @fd: the open file, or -1: it is not there
 * @compute: makes the value of the file; never called while the stat signature is the same
 *
 * Returns: (transfer full) (nullable): the value; "-" if @fd is -1; NULL if @compute cannot tell
 */
char *dkms_digests_value (DkmsDigests *self, const char *key, int fd, char *(*compute) (int fd, gpointer data),
                          gpointer data);
/** Returns: (transfer full) (nullable): the SHA-256 of the file @fd in hexadecimal, as dkms_digests_value() */
char *dkms_digests_file (DkmsDigests *self, const char *path, int fd);

/**
 * dkms_digests_tree:
 * @path: of the directory, as key
 * @fd: the directory, or -1: it is not there
 * @without: (nullable): the name of an entry of @fd that does not count
 *
 * The digest covers relative paths, kinds, execute bits, contents and texts of links, in byte order; no times and no
 * owners. Of directories only empty ones count. What version control keeps (.git, .svn, .hg, .bzr, CVS) and names that
 * end in ~ do not count.
 *
 * Returns: (transfer full) (nullable): the digest; "-" if @fd is -1; NULL if something cannot be read, or is a device
 */
char *dkms_digests_tree (DkmsDigests *self, const char *path, int fd, const char *without);

/** Writes the memory if it has learned something. That it cannot is no error. */
void dkms_digests_save (DkmsDigests *self);
