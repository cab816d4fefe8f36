/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of the file system that a confined command sees: nothing at first, then the files that are shown. All paths
 * are paths as tools name them. Private to conf/. */
#pragma once

#include "conf/settings.h"

typedef struct DkmsView DkmsView;

/** Returns: (transfer full): a view that hides everything. @settings: borrowed; contains the build user */
DkmsView *dkms_view_new (const DkmsSettings *settings);
void dkms_view_free (DkmsView *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsView, dkms_view_free)

/** Hides the target of @path, if it exists, even if its directory is shown. */
void dkms_view_hide (DkmsView *self, const char *path);

/** Hides the files (not directories) in @dir whose names match one of @patterns, as dkms_view_hide(). */
void dkms_view_hide_files (DkmsView *self, const char *dir, const char *const *patterns);

/** Shows the whole root. Files that are hidden afterwards stay hidden. */
void dkms_view_show_root (DkmsView *self);

/** Shows an empty directory at the target of @path, writable for all users. */
void dkms_view_show_empty (DkmsView *self, const char *path);

/**
 * dkms_view_show:
 * @path: (nullable): a file or directory that the command needs; it need not exist
 *
 * Shows @path and every link on the way to it that is in a hidden directory, or in one that the build user may not
 * enter. Returns: (transfer full) (nullable): @path without links; NULL if it does not exist
 */
char *dkms_view_show (DkmsView *self, const char *path);

/**
 * dkms_view_show_public:
 * @dir: a directory, which need not exist
 * @patterns: (array zero-terminated=1): glob(7) patterns of names
 *
 * Shows the entries of @dir that match one of @patterns and that every user may read. Other files, also those inside of
 * a shown directory, stay hidden.
 */
void dkms_view_show_public (DkmsView *self, const char *dir, const char *const *patterns);

/**
 * dkms_view_show_writable:
 * @path: (nullable): a directory, as above
 * @thorough: whether to search the directory for files that the build user cannot use, which takes 0.1 s for the
 *   headers of a kernel
 *
 * Shows the directory. The command can read and change the files in it that belong to the owner of the directory;
 * with @thorough, or if the kernel has no id-mapped mounts for its file system, all files. The changes are discarded.
 */
void dkms_view_show_writable (DkmsView *self, const char *path, gboolean thorough);

/** Follows links as a command in the view would. @st: (out): status of the file at @path. Returns: whether it exists */
gboolean dkms_view_stat (DkmsView *self, const char *path, struct stat *st);

/** Shows the directory @path, which need not exist. The command can change it with the permissions of its user, and the
 * changes are kept. File systems mounted below it stay read-only. */
void dkms_view_show_open (DkmsView *self, const char *path);

/** Shows the directory @path (nullable). If the build user may not enter it, that user gets read access to all its
 * files. */
void dkms_view_show_source (DkmsView *self, const char *path);

/** Shows the targets of the links in the directory @path, but not of links in its subdirectories. */
void dkms_view_show_links (DkmsView *self, const char *path);

/**
 * dkms_view_show_linked:
 * @from: a link in a source, as tools name it
 * @text: its target
 *
 * Shows the target of a link that a package contains, unless it may be a secret (see sandbox-view.c).
 */
void dkms_view_show_linked (DkmsView *self, const char *from, const char *text);

/** Returns: whether @path is hidden; it is absolute and contains no links, and need not exist */
gboolean dkms_view_hides (const DkmsView *self, const char *path);

/** Makes the absolute @path the home directory of the command. */
void dkms_view_set_home (DkmsView *self, const char *path);

/** Appends the options of dkms-sandbox for this view. */
void dkms_view_add_options (const DkmsView *self, GPtrArray *argv);
