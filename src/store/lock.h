/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks on modules, builds and the tree.
 *
 * Who holds what, and in which order it is taken, so that no two runs wait for each other:
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
#pragma once

#include "conf/places.h"
#include "model/event.h"

typedef struct DkmsLock DkmsLock;

/**
 * dkms_lock_take:
 * @events: (nullable): told whom we wait for
 * @name: as listed above
 * @exclusive: whether nobody else may hold it, not even shared
 *
 * Waits without limit, but not longer than until a signal that the run blocks is pending: that is
 * DKMS_ERROR_INTERRUPTED. The kernel drops the lock when the process, and every worker forked by it, ends.
 *
 * Returns: (transfer full) (nullable): NULL with an error
 */
DkmsLock *dkms_lock_take (const DkmsPlaces *places, DkmsListener *events, const char *name, gboolean exclusive,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_lock_take(), but does not wait. Returns: (transfer full) (nullable): NULL without an error when it is held
 */
DkmsLock *dkms_lock_try (const DkmsPlaces *places, DkmsListener *events, const char *name, gboolean exclusive,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Creates what dkms_sandbox_wrap() hides from builds and recipes: only what exists can be hidden. */
gboolean dkms_lock_prepare (const DkmsPlaces *places, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: whether a process holds the lock @name; a user who cannot open it asks the kernel's list of locks */
gboolean dkms_lock_is_held (const DkmsPlaces *places, const char *name);
/** Says which process holds the lock @name, for which somebody waits who cannot take it. */
void dkms_lock_say_holder (const DkmsPlaces *places, DkmsListener *events, const char *name);
/** Fails with errno, which a lock on @path (inside @root) met; a file system without locks is named as such. */
gboolean dkms_fail_lock (const DkmsRoot *root, const char *path, GError **error);
/** Returns: (transfer full): name of the lock of the module of @id */
char *dkms_lock_name_module (const DkmsId *id);
/** Returns: (transfer full): name of the lock of the builds of the module of @id for its kernel, of any version */
char *dkms_lock_name_build (const DkmsId *id);
void dkms_lock_release (DkmsLock *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsLock, dkms_lock_release)
