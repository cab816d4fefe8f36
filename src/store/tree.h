/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree on disk as plain data (docs/interface/tree.md §1, §4, §5), and the changes to it that are no build or
 * install: registering a source and deleting what is no longer wanted, each of them one transaction.
 *
 * A file <m>/<v>/<k>/<a>/.stale says that the source was replaced after that build.
 */
#pragma once

#include "conf/settings.h"
#include "model/state.h"
#include "store/layout.h"
#include "ui/ui.h"

#define DKMS_STALE ".stale" /* a file in <k>/<a> */

/** Returns: (transfer full) (nullable): every version, or those of @module, or that @version only; NULL with an error
 * when anything of them cannot be read */
DkmsState *dkms_state_read (const DkmsSettings *settings, const char *module, const char *version,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_state_read(), but goes on: versions that cannot be read are left out, and listed in `unread`. */
DkmsState *dkms_state_read_most (const DkmsSettings *settings, const char *module, const char *version,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Fills `seen` of all builds for that kernel that recorded something (.dep_*, docs/interface/dkms-conf.md §10), and
 * gives up modules of which that cannot be read. */
void dkms_state_read_seen (const DkmsSettings *settings, DkmsState *state, const char *kernel, const char *arch);
/** Returns: whether every module of that active build serves @kernel, too, through links in its weak-updates */
gboolean dkms_weak_serves (const DkmsSettings *settings, const DkmsVersion *v, const DkmsBuild *build,
                           const char *kernel);

/** Fails with DKMS_ERROR_BAD_NAME if @name cannot be one path component that people can type. */
gboolean dkms_tree_check_name (const char *what, const char *name, GError **error);
/**
 * Fails with DKMS_ERROR_BAD_NAME if <dkms_tree>/<m>, or <m>/<v>, is a name that the tree itself uses. Only for modules
 * that are about to be added: one that the reference added keeps working as far as it did.
 */
gboolean dkms_tree_check_new (const char *module, const char *version, GError **error);
/** Returns: whether <m>/<v>/@name can be the directory of a kernel; "source" and its like are not */
gboolean dkms_tree_is_kernel_name (const char *name);
/** Fails with DKMS_ERROR_BAD_NAME if nothing can be built for a kernel of that name. */
gboolean dkms_tree_check_kernel (const char *kernel, GError **error);
/** Fails with DKMS_ERROR_NO_PRIVILEGE if the tree cannot be written; creates it when absent. */
gboolean dkms_tree_check_writable (const DkmsSettings *settings, GError **error);
/**
 * Fails with DKMS_ERROR_NO_PRIVILEGE if somebody else than the caller and root may write to the tree or to .dkms in it:
 * what the journal there lists is done with the caller's rights.
 */
gboolean dkms_tree_check_trusted (const DkmsSettings *settings, GError **error);

/**
 * dkms_tree_import:
 * @seen: (nullable): @host_dir as it was when its recipe was read; another directory in its place is an error
 * @replaces: another source is registered under that name: its builds are marked as stale in the same transaction
 *
 * Copies a source tree of the host to <source_tree>/<m>-<v>, unless it is that already.
 */
gboolean dkms_tree_import (const DkmsSettings *settings, DkmsUi *ui, const char *host_dir, const struct stat *seen,
                           const DkmsId *id, gboolean replaces, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Makes <m>/<v> with its source link (docs/interface/tree.md §7, add). */
gboolean dkms_tree_register (const DkmsSettings *settings, DkmsUi *ui, const DkmsId *id,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes <m>/<v> if nothing is left in it that counts, then <m> if empty. @gone tells. */
gboolean dkms_tree_unregister (const DkmsSettings *settings, DkmsUi *ui, const DkmsId *id, gboolean *gone,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes a build: <m>/<v>/<k>/<a>, and <k> when that was its last. */
gboolean dkms_tree_drop_build (const DkmsSettings *settings, DkmsUi *ui, const DkmsId *id,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- locks ---- */
/* Who holds what, and in which order it is taken, so that no two runs wait for each other:
 *   1. locks/module/<m>         shared to work on its builds, exclusive to add, load or remove it
 *   2. locks/build/<k>/<a>/<m>  exclusive to build, install, uninstall or delete for that kernel; several at once are
 *                               taken in byte order, and a run that works on many modules never waits for one while
 *                               it holds another one's, except for commits:
 *   3. locks/area/<m>/<v>       exclusive while a build that is not confined uses <m>/<v>/build
 *   4. locks/depmod/<k>         exclusive while depmod runs
 *   5. lock                     exclusive while a transaction is committed
 * Beside that order, locks/loan/<m>: exclusive by a run that borrowed the lock of the module, which waits for nothing
 * else (store/loan.h). All are flock(2) locks and vanish with their process.
 *
 * Lock files have mode 0600: whoever can open a file can lock it, too. Earlier versions created them with mode 0644. A
 * run that opens such a file takes the permissions away, and deletes the file as soon as it holds the lock exclusively,
 * because another user may have opened it before. Every version checks after it acquired a lock that the file still has
 * its name. Commands that only read take no lock (dkms_reading_begin() in store/reading.h). */
typedef struct DkmsLock DkmsLock;
/**
 * dkms_lock_take:
 * @ui: (nullable): told whom we wait for
 * @name: as listed above
 * @exclusive: whether nobody else may hold it, not even shared
 *
 * Waits without limit, but not longer than until a signal that the run blocks is pending: that is
 * DKMS_ERROR_INTERRUPTED. The kernel drops the lock when the process, and every worker forked by it, ends.
 *
 * Returns: (transfer full) (nullable): NULL with an error
 */
DkmsLock *dkms_lock_take (const DkmsSettings *settings, DkmsUi *ui, const char *name, gboolean exclusive,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_lock_take(), but does not wait. Returns: (transfer full) (nullable): NULL without an error when it is held
 */
DkmsLock *dkms_lock_try (const DkmsSettings *settings, DkmsUi *ui, const char *name, gboolean exclusive,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Creates what dkms_sandbox_wrap() hides from builds and recipes: only what exists can be hidden. */
gboolean dkms_lock_prepare (const DkmsSettings *settings, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: whether a process holds the lock @name; a user who cannot open it asks the kernel's list of locks */
gboolean dkms_lock_is_held (const DkmsSettings *settings, const char *name);
/** Says which process holds the lock @name, for which somebody waits who cannot take it. */
void dkms_lock_say_holder (const DkmsSettings *settings, DkmsUi *ui, const char *name);
/** Fails with errno, which a lock on @path (inside @root) met; a file system without locks is named as such. */
gboolean dkms_fail_lock (const DkmsRoot *root, const char *path, GError **error);
/** Returns: (transfer full): name of the lock of @module, or, with @kernel and @arch, of its build for them */
char *dkms_lock_name (const char *module, const char *kernel, const char *arch);
void dkms_lock_release (DkmsLock *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsLock, dkms_lock_release)
