/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of files and directories, below directory descriptors. Every function leaves nothing behind when it fails, and
 * follows no symbolic link in the last component unless it says so. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
  uid_t uid;
  gid_t gid;
} DkmsOwner;

/* A file to create, which must not exist. */
typedef struct {
  int dir; /* directory of @name */
  const char *name;
  mode_t mode;    /* set exactly, independent of the umask */
  gboolean flush; /* whether the file is on disk on return */
} DkmsNewFile;

/** Copies the regular file @from (links followed) to the new file @to. Data is shared if the file system supports that.
 */
gboolean dkms_copy_file_at (int from_dir, const char *from, const DkmsNewFile *to,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_copy_file_at(), but a link is an error: for files in a directory that another party could write. */
gboolean dkms_copy_plain_at (int from_dir, const char *from, const DkmsNewFile *to,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_copy_file_at(), flushed; the copy has the mode and the times of @from. */
gboolean dkms_copy_alike_at (int from_dir, const char *from, int to_dir, const char *to,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_copy_tree_at:
 * Copies the content of the directory @from (a link to one is followed) into @to, which is created if
 * absent. Modes, times, symbolic links and, for root, owners are preserved; existing files are replaced, other files
 * are kept. Devices and sockets are refused. The copy fails if somebody replaces a file or directory in @from by a link
 * at the same time: links below @from are not followed, and modes and owners are those of the opened files. Links in
 * the copy are not followed, but replaced.
 */
gboolean dkms_copy_tree_at (int from_dir, const char *from, int to_dir, const char *to,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_copy_tree_at(); if @owner is not NULL, all files of the copy belong to that user, who may read and write
 * them. */
gboolean dkms_copy_tree_as_at (int from_dir, const char *from, int to_dir, const char *to, const DkmsOwner *owner,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_copy_failed:
 * @error: (inout): the error of one of the functions above, which names files relative to their directories
 * @from, @to: what was copied, and where to, as the user knows them
 *
 * Replaces @error by one that names both. Returns: FALSE
 */
gboolean dkms_copy_failed (GError **error, const char *from, const char *to);
