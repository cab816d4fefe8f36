/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk through everything below a directory, which package code may have made as deep and as strange as it likes:
 * however deep it is, two descriptors are open at once, and no symbolic link is followed. */
#pragma once

#include <glib.h>
#include <sys/stat.h>

typedef enum {
  DKMS_WALK_FILE,  /* what is no directory */
  DKMS_WALK_ENTER, /* a directory, before what is in it */
  DKMS_WALK_MOUNT, /* a directory on which another file system is mounted; it is not entered */
  DKMS_WALK_LEAVE  /* a directory, after what is in it */
} DkmsWalkEvent;

/* What a walk has come to. */
typedef struct {
  DkmsWalkEvent event;
  int dir_fd;            /* the directory that holds @name; for DKMS_WALK_ENTER, the directory itself */
  const char *name;      /* "." for DKMS_WALK_ENTER */
  const struct stat *st; /* (nullable): what lstat() says of it; NULL for DKMS_WALK_LEAVE */
  const char *path;      /* as seen from where the walk began, for messages */
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
 * Calls @visit for @name below @dir_fd and, if it is a directory, for everything below it, in byte order. Absent is
 * success.
 *
 * Returns: FALSE with the error of @visit, or the first of a directory that cannot be read, which names its path
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

/** Visits what is below the directory @dir_fd without a look at each entry, in the order of the file system; links are
 * not followed. A directory that cannot be read is noted (base/unread.h). */
void dkms_each_file_at (int dir_fd, DkmsFileFunc visit, gpointer data);
