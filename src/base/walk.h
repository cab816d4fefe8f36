/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks everything below a directory. Code of packages may have created it, so any depth is possible: two descriptors
 * are open at once, and symbolic links are not followed. */
#pragma once

#include <glib.h>
#include <sys/stat.h>

typedef enum {
  DKMS_WALK_FILE,  /* any entry except a directory */
  DKMS_WALK_ENTER, /* a directory, before its content */
  DKMS_WALK_MOUNT, /* a mount point, which is not entered */
  DKMS_WALK_LEAVE  /* a directory, after its content */
} DkmsWalkEvent;

/* One step of a walk. */
typedef struct {
  DkmsWalkEvent event;
  int dir_fd;            /* the directory that contains @name; for DKMS_WALK_ENTER, the directory itself */
  const char *name;      /* "." for DKMS_WALK_ENTER */
  const struct stat *st; /* (nullable): result of lstat(); NULL for DKMS_WALK_LEAVE */
  const char *path;      /* relative to the start of the walk, for messages */
} DkmsWalkEntry;

/**
 * DkmsWalkFunc:
 * An entry that vanishes during the walk is not reported.
 *
 * Returns: FALSE with an error to end the walk
 */
typedef gboolean (*DkmsWalkFunc) (const DkmsWalkEntry *entry, gpointer data, GError **error);

/**
 * dkms_walk_at:
 * Calls @visit for @name below @dir_fd and, if it is a directory, for everything below it, in byte order. Succeeds if
 * @name is absent.
 *
 * Returns: FALSE with the error of @visit, or with the error for the first directory that cannot be read
 */
gboolean dkms_walk_at (int dir_fd, const char *name, DkmsWalkFunc visit, gpointer data,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * DkmsFileFunc:
 * @path: of an entry that is not a directory, relative to the directory of the call
 * @name: the last part of @path
 * @type: as in struct dirent
 *
 * Returns: whether to go on
 */
typedef gboolean (*DkmsFileFunc) (const char *path, const char *name, unsigned char type, gpointer data);

/** Visits all entries below the directory @dir_fd without lstat(), in the order of the file system; links are
 * not followed. A directory that cannot be read is noted (base/unread.h). */
void dkms_each_file_at (int dir_fd, DkmsFileFunc visit, gpointer data);
