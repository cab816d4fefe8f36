/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and directories below a directory descriptor. Every function leaves nothing behind when it
 * fails, names the file in its error, and follows no symbolic link in the last component unless
 * it says so. Reading functions without an error argument note failures (base/unread.h). */
#pragma once

#include <fcntl.h>
#include <glib.h>
#include <sys/stat.h>
#include <sys/types.h>

/** Writes all of @size bytes of @data to @fd; @name is for the error only. */
gboolean dkms_write_all (int fd, const void *data, gsize size, const char *name,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_openat2:
 * As openat(), but limits where links in the path can lead (openat2(2)).
 *
 * @flags: of open(2); O_CLOEXEC is added
 * @mode: that of a file to be created, otherwise not used
 * @resolve: RESOLVE_BENEATH (a path that leads out of @dir_fd is EXDEV) or RESOLVE_IN_ROOT (it is resolved as if
 * @dir_fd were "/")
 *
 * Returns: a descriptor, or -1 with errno
 */
int dkms_openat2 (int dir_fd, const char *path, int flags, mode_t mode, guint64 resolve);

/* For opening a file that should be regular: a FIFO does not block, and a terminal does not become the controlling one.
 */
#define DKMS_READ_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/**
 * dkms_open_own_at:
 * @mode: of the file, if it is created
 * @shown: its path, for the error
 *
 * Opens a file that only dkms uses, such as a lock, for reading and writing. Fails if it is not a regular file. Does
 * not wait for a FIFO.
 *
 * Returns: a descriptor, or -1 with an error
 */
int dkms_open_own_at (int dir_fd, const char *name, mode_t mode, const char *shown, GError **error);

/**
 * dkms_read_at:
 * @limit: the most bytes to accept
 * @size: (out) (optional): bytes read, the added terminating NUL not counted
 *
 * Reads a whole regular file. Symbolic links are followed only with AT_FDCWD: the author of a directory could lead
 * dkms to a file of the machine.
 *
 * Returns: (transfer full) (nullable): the content, NUL-terminated; NULL with an error of the kind DKMS_ERROR_IO, whose
 * number is the errno
 */
char *dkms_read_at (int dir_fd, const char *name, gsize limit, gsize *size, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_read_at(), for a descriptor that open() returned with DKMS_READ_FLAGS, or -1. The caller keeps the
 * descriptor. */
char *dkms_read_fd (int fd, const char *name, gsize limit, gsize *size, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Creates @path and its parents (mode 0755 less umask) below @dir_fd. Existing directories are not an error. */
gboolean dkms_mkdirs_at (int dir_fd, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Deletes @name and, if it is a directory, its content, on this file system only. Succeeds if @name is absent. */
gboolean dkms_remove_tree_at (int dir_fd, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_remove_tree_at(), after a failure: errors are ignored, because the first error is the one to report. */
void dkms_discard_tree_at (int dir_fd, const char *name);

/** Removes set-user-id, set-group-id and the write permission of group and others from the directory @name and
 * everything below it, on this file system. After a failure some files may be unchanged. */
gboolean dkms_restrict_tree_at (int dir_fd, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_list_dir_at:
 * Returns: (transfer full) (nullable): names of the entries of @name (not "." and ".."), sorted by
 *   byte order; an empty array when the directory is absent; NULL with an error otherwise
 */
GPtrArray *dkms_list_dir_at (int dir_fd, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* An entry of a directory. */
typedef struct {
  guint8 type; /* DT_DIR and so on, of readdir(3); DT_UNKNOWN if the file system does not return it */
  char name[];
} DkmsEntry;

/**
 * dkms_list_entries:
 * @dir_fd: a directory that open() returned; it can be listed only once, because its position changes
 *
 * As dkms_list_dir_at() for that directory, with types, and with two system calls less.
 *
 * Returns: (transfer full) (element-type DkmsEntry) (nullable)
 */
GPtrArray *dkms_list_entries (int dir_fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: whether a part of @path is "." or ".." */
gboolean dkms_path_climbs (const char *path);

/** Returns: whether @path is the directory @dir, or below it. Both are absolute, and have no slash at the end */
gboolean dkms_path_is_in (const char *path, const char *dir);

/** For g_ptr_array_sort() of strings: byte order. */
int dkms_compare_names (gconstpointer a, gconstpointer b);

/* If a file cannot be read, the following functions answer "no", and note the failure (base/unread.h). */

/** Returns: whether @name is a directory; symbolic links are followed */
gboolean dkms_is_dir_at (int dir_fd, const char *name);
/** Returns: whether @name is a regular file; symbolic links are followed */
gboolean dkms_is_file_at (int dir_fd, const char *name);
/** Returns: whether @name is a symbolic link */
gboolean dkms_is_link_at (int dir_fd, const char *name);

/** Returns: (transfer full) (nullable): the text of the symbolic link, NULL if @name is not a symbolic link */
char *dkms_read_link_at (int dir_fd, const char *name);

/** Compares the contents of two files, links followed. Returns: TRUE if both can be read and are equal */
gboolean dkms_files_equal_at (int dir_a, const char *a, int dir_b, const char *b);

/**
 * dkms_trees_equal_at:
 * Returns: TRUE if both directories hold the same names, of the same types, with the same contents and link texts
 */
gboolean dkms_trees_equal_at (int dir_a, const char *a, int dir_b, const char *b);

/**
 * dkms_stat_signature:
 * A short text that changes whenever the file is written or replaced: device, inode, size,
 * modification and change time, like the stat data in git's index.
 *
 * Returns: (transfer full)
 */
char *dkms_stat_signature (const struct stat *st);
/** Returns: whether @signature (nullable) is that of @st */
gboolean dkms_stat_has_signature (const struct stat *st, const char *signature);
/** Returns: whether the file @a was modified after the file @b */
gboolean dkms_stat_is_newer (const struct stat *a, const struct stat *b);

/** Returns: (transfer full) (nullable): SHA-256 of the data from the position of @fd to its end, in hexadecimal; NULL
 * with an error.
 * @name: for the error: the name of the file below @fd, or "" for @fd itself */
char *dkms_sha256_fd (int fd, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: (transfer full) (nullable): SHA-256 of the file in hexadecimal; NULL with an error. Links as in
 * dkms_read_at() */
char *dkms_sha256_at (int dir_fd, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
