/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that get their name when they are complete: they are written under a temporary name, flushed and renamed. Every
 * function leaves nothing behind when it fails. */
#pragma once

#include <glib.h>
#include <sys/types.h>

/**
 * dkms_publish_at:
 * Writes @data to a temporary file, flushes it and renames it to @name: readers see the old content or
 * the new. The directory is flushed too.
 */
gboolean dkms_publish_at (int dir_fd, const char *name, const void *data, gsize size, mode_t mode,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_publish_at(), for a text. The temporary file is in @via_dir, a directory of the same file system, so a crash
 * leaves it there. */
gboolean dkms_publish_via_at (int via_dir, int dir_fd, const char *name, const char *text, mode_t mode,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_publish_via_at(), without flushing, for a text that can be created again. After a power cut the file may be
 * empty. */
gboolean dkms_replace_via_at (int via_dir, int dir_fd, const char *name, const char *text, mode_t mode,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_replace_via_at(), for bytes. */
gboolean dkms_replace_bytes_at (int via_dir, int dir_fd, const char *name, GBytes *bytes, mode_t mode,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Creates the file @name, which must not exist, with the content @data, and flushes it. The directory is not flushed.
 */
gboolean dkms_write_new_at (int dir_fd, const char *name, const void *data, gsize size, mode_t mode,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Flushes the directory @name, and every file and directory below it. */
gboolean dkms_flush_tree_at (int dir_fd, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
