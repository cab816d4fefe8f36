/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory that is used as "/". All paths of the program are absolute paths inside it. Symbolic links are resolved
 * inside it, too (openat2, RESOLVE_IN_ROOT), so neither `--root` nor a link in a tree can cause a write outside. */
#pragma once

#include <glib.h>
#include <sys/stat.h>
#include <sys/types.h>

typedef struct DkmsRoot DkmsRoot;

/**
 * DkmsWallFunc:
 * @of_machine: whether the command is a program of the machine that works on @root, and not code of @root
 *
 * Returns: (transfer full) (element-type utf8): words to put before a command, so that it cannot change anything
 * outside of @root
 */
typedef GPtrArray *(*DkmsWallFunc) (const DkmsRoot *root, gboolean of_machine);

struct DkmsRoot {
  int fd;                  /* O_PATH on the directory */
  char *host_path;         /* "" for the machine's own root, else absolute without trailing slash */
  gboolean has_shell;      /* the root contains bash: recipes and builds run chrooted in it */
  DkmsWallFunc wall;       /* (nullable): returns the wall for programs that base/process.c starts for this root; set by
                              dkms_sandbox_close_root() */
  gconstpointer wall_data; /* argument of @wall */
};

/**
 * dkms_root_open:
 * @path: (nullable): the directory; NULL or "/" is the root of the machine
 *
 * Returns: (transfer full) (nullable): free with dkms_root_free()
 */
DkmsRoot *dkms_root_open (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_root_free (DkmsRoot *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsRoot, dkms_root_free)

/** Opens the directory again, in the mount namespace that the process is in now. */
gboolean dkms_root_reopen (DkmsRoot *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: whether this is the root of the machine */
gboolean dkms_root_is_host (const DkmsRoot *self);

/* Each of the following functions notes a failed read (base/unread.h), in addition to what it returns. */

/** As open(2) inside the root. Returns: a descriptor that the caller owns, or -1 with errno set */
int dkms_root_openat (const DkmsRoot *self, const char *path, int flags, mode_t mode) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_root_open_dir:
 * @create: create it and its parents when absent
 *
 * Returns: a descriptor that the caller owns, or -1 with @error set
 */
int dkms_root_open_dir (const DkmsRoot *self, const char *path, gboolean create,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_root_open_parent:
 * @create: create it and its parents when absent
 * @name: (out) (transfer full): the last part of @path, also when it fails
 *
 * Opens the directory that contains @path.
 *
 * Returns: a descriptor that the caller owns, or -1 with @error set
 */
int dkms_root_open_parent (const DkmsRoot *self, const char *path, gboolean create, char **name,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As stat(2) inside the root, links followed. Returns: 0, or -1 with errno set */
int dkms_root_stat (const DkmsRoot *self, const char *path, struct stat *st);
gboolean dkms_root_is_dir (const DkmsRoot *self, const char *path);
gboolean dkms_root_is_file (const DkmsRoot *self, const char *path);

/** Returns: (transfer full) (nullable): the text of the symbolic link @path inside the root; NULL if it is none */
char *dkms_root_read_link (const DkmsRoot *self, const char *path);

/** As dkms_read_at(), for a path inside the root. */
char *dkms_root_read (const DkmsRoot *self, const char *path, gsize limit, gsize *size,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: (transfer full): @path as programs outside the root name it, and as messages show it */
char *dkms_root_host_path (const DkmsRoot *self, const char *path);

/** As dkms_root_host_path(), with all existing links on the path resolved inside the root. */
char *dkms_root_resolved (const DkmsRoot *self, const char *path);

/**
 * dkms_root_tool_path:
 * Returns: (transfer full): @path as recipes and build tools see it: inside the root if they run chrooted, otherwise a
 * path of the host
 */
char *dkms_root_tool_path (const DkmsRoot *self, const char *path);

/** Returns: (transfer full) (nullable): @path with all links resolved, as a path inside the root */
char *dkms_root_canonical (const DkmsRoot *self, const char *path);
