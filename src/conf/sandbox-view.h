/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which parts of the file system a confined command sees: some directories are hidden, and what the command works with
 * is shown again in them. All paths are paths as tools name them. Private to conf/. */
#pragma once

#include "conf/settings.h"

typedef struct DkmsView DkmsView;

/** Returns: (transfer full): a view that hides nothing. @settings: borrowed; its build user is who looks */
DkmsView *dkms_view_new (const DkmsSettings *settings);
void dkms_view_free (DkmsView *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsView, dkms_view_free)

/** Hides the directory @path, wherever links lead, if it exists. @option: how, as dkms-sandbox calls it */
void dkms_view_hide (DkmsView *self, const char *option, const char *path);

/**
 * dkms_view_show:
 * @path: (nullable): a file or directory that the command must be able to reach; absent is fine
 *
 * Shows it, and every link on the way to it, where hidden directories or directories that the build user may not enter
 * are in the way.
 * Returns: (transfer full) (nullable): where it really is; NULL when it does not exist
 */
char *dkms_view_show (DkmsView *self, const char *path);

/**
 * dkms_view_show_writable:
 * @path: (nullable): a directory, as above
 * @thorough: whether to look into a directory that belongs to the build user for what he cannot read
 *
 * Shows the directory, and lets the command read and change all in it, which forgets the changes.
 */
void dkms_view_show_writable (DkmsView *self, const char *path, gboolean thorough);

/** Shows the directory @path (nullable), and if the build user may not even enter it, lets him read all in it. */
void dkms_view_show_source (DkmsView *self, const char *path);

/** Shows what the links in the directory @path, not those further down, lead to. */
void dkms_view_show_links (DkmsView *self, const char *path);

/**
 * dkms_view_show_linked:
 * @from: a link in a source, as tools name it
 * @text: where it leads
 *
 * Shows what a package's own link leads to, if it is nothing that the package has no business with: see the source.
 */
void dkms_view_show_linked (DkmsView *self, const char *from, const char *text);

/** Returns: whether the absolute @path, without links in it, is hidden, or would be if it existed */
gboolean dkms_view_hides (const DkmsView *self, const char *path);

/** Makes @path, absolute, the home directory of the command. */
void dkms_view_set_home (DkmsView *self, const char *path);

/** Appends the options of dkms-sandbox that make it so. */
void dkms_view_add_options (const DkmsView *self, GPtrArray *argv);
