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

/* A file that is to be made, and must not exist. */
typedef struct {
  int dir; /* directory of @name */
  const char *name;
  mode_t mode;    /* is set exactly */
  gboolean flush; /* it is on disk on return */
} DkmsNewFile;

/** Copies the regular file @from (links followed) to the new file @to. Data is shared where the file system can. */
gboolean dkms_copy_file_at (int from_dir, const char *from, const DkmsNewFile *to,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_copy_file_at(), flushed; the copy has the mode and the times of @from. */
gboolean dkms_copy_alike_at (int from_dir, const char *from, int to_dir, const char *to,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_copy_tree_at:
 * Copies what is in the directory @from (a link to one is followed) into @to, which is created if
 * absent. Modes, times, symbolic links and, for root, owners are preserved; files in the way are
 * replaced, surplus ones stay. Devices and sockets are refused. Whoever may write to @from and puts a link in the place
 * of a file or directory meanwhile makes the copy fail: nothing below @from is followed, and modes and owners are those
 * of what was read. Links in the copy are not followed, but replaced.
 */
gboolean dkms_copy_tree_at (int from_dir, const char *from, int to_dir, const char *to,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_copy_tree_at(); with @owner (nullable) all of the copy belongs to him, and he may read and write it. */
gboolean dkms_copy_tree_as_at (int from_dir, const char *from, int to_dir, const char *to, const DkmsOwner *owner,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
