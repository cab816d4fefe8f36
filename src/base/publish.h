/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that get their name when they are whole: written beside it, flushed, renamed. Every function leaves nothing
 * behind when it fails. */
#pragma once

#include <glib.h>
#include <sys/types.h>

/**
 * dkms_publish_at:
 * Writes @data beside @name, flushes it and renames it over @name: readers see the old content or
 * the new. The directory is flushed too.
 */
gboolean dkms_publish_at (int dir_fd, const char *name, const void *data, gsize size, mode_t mode,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_publish_at(), for a text, but what a crash leaves lies in @via_dir, a directory of the same file system. */
gboolean dkms_publish_via_at (int via_dir, int dir_fd, const char *name, const char *text, mode_t mode,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_publish_via_at(), for a text that can be made again: nothing is flushed, so after a power cut the file may
 * be empty. */
gboolean dkms_replace_via_at (int via_dir, int dir_fd, const char *name, const char *text, mode_t mode,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Creates the file @name, which must not exist, with @data in it, and flushes it; its directory is not flushed. */
gboolean dkms_write_new_at (int dir_fd, const char *name, const void *data, gsize size, mode_t mode,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Flushes every file and directory below the directory @name, itself included. */
gboolean dkms_flush_tree_at (int dir_fd, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
