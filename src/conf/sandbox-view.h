/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which parts of the file system a confined command sees: nothing at first, then what is shown to it. All paths are
 * paths as tools name them. Private to conf/. */
#pragma once

#include "conf/settings.h"

typedef struct DkmsView DkmsView;

/** Returns: (transfer full): a view that hides everything. @settings: borrowed; names the build user */
DkmsView *dkms_view_new (const DkmsSettings *settings);
void dkms_view_free (DkmsView *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsView, dkms_view_free)

/** Hides the file or directory that @path leads to, if it exists, whatever else is shown. */
void dkms_view_hide (DkmsView *self, const char *path);

/** Hides the files (not the directories) in @dir whose names match one of @patterns, as dkms_view_hide(). */
void dkms_view_hide_files (DkmsView *self, const char *dir, const char *const *patterns);

/** Shows all of the root; what is hidden from then on stays hidden. */
void dkms_view_show_root (DkmsView *self);

/** Shows an empty directory, which everybody may write to, in the place that @path leads to. */
void dkms_view_show_empty (DkmsView *self, const char *path);

/**
 * dkms_view_show:
 * @path: (nullable): a file or directory that the command must be able to reach; absent is fine
 *
 * Shows @path and every link on the way to it, as far as they are in hidden directories or in directories that the
 * build user may not enter. Returns: (transfer full) (nullable): @path without links; NULL when it does not exist
 */
char *dkms_view_show (DkmsView *self, const char *path);

/**
 * dkms_view_show_public:
 * @dir: a directory; absent is fine
 * @patterns: (array zero-terminated=1): glob(7) patterns of names
 *
 * Shows the entries of @dir that match one of @patterns, as far as every user may read them: a file that others may not
 * read stays hidden, and so does one in a directory that is shown.
 */
void dkms_view_show_public (DkmsView *self, const char *dir, const char *const *patterns);

/**
 * dkms_view_show_writable:
 * @path: (nullable): a directory, as above
 * @thorough: whether to search a directory that belongs to the build user, too, for files that he cannot read
 *
 * Shows the directory. The command may read and change everything in it; the changes are discarded.
 */
void dkms_view_show_writable (DkmsView *self, const char *path, gboolean thorough);

/** Shows the directory @path; the command can change it as far as that is possible outside, but no file system that is
 * mounted below it. Absent is fine. */
void dkms_view_show_open (DkmsView *self, const char *path);

/** Shows the directory @path (nullable). If the build user may not enter it, he gets read access to all its files. */
void dkms_view_show_source (DkmsView *self, const char *path);

/** Shows the targets of the links in the directory @path, not of those in its subdirectories. */
void dkms_view_show_links (DkmsView *self, const char *path);

/**
 * dkms_view_show_linked:
 * @from: a link in a source, as tools name it
 * @text: its target
 *
 * Shows the target of a link that a package contains, unless it may be a secret (the source has the rules).
 */
void dkms_view_show_linked (DkmsView *self, const char *from, const char *text);

/** Returns: whether @path is hidden; it is absolute and contains no links, and need not exist */
gboolean dkms_view_hides (const DkmsView *self, const char *path);

/** Makes @path, absolute, the home directory of the command. */
void dkms_view_set_home (DkmsView *self, const char *path);

/** Appends the options of dkms-sandbox for this view. */
void dkms_view_add_options (const DkmsView *self, GPtrArray *argv);
