/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks on modules, builds and the tree.
 *
 * The locks and the order in which they are acquired, so that no two runs wait for each other:
 *   1. locks/module/<m>         shared to work on its builds, exclusive to add, load or remove it
 *   2. locks/build/<k>/<a>/<m>  exclusive to build, install, uninstall or delete for that kernel; several at once are
 *                               acquired in byte order, and a run for many modules never waits for one while it holds
 *                               that of another module, except for commits:
 *   3. locks/area/<m>/<v>       exclusive while an unconfined build uses <m>/<v>/build
 *   4. locks/depmod/<k>         exclusive while depmod runs
 *   5. lock                     exclusive while a transaction is committed
 * Independent of this order, locks/loan/<m> is held exclusively by a run that borrowed the lock of the module, and
 * waits for no other lock (store/loan.h). All locks are flock(2) locks, and end with their process.
 *
 * Lock files have mode 0600, because a user who can open a file can also lock it. Earlier versions created them with
 * mode 0644. A run that opens such a file removes these permissions, and deletes the file as soon as it holds the lock
 * exclusively, because another user may have opened it before. Every version checks after it acquired a lock that the
 * file still has its name. Commands that only read acquire no lock (dkms_reading_begin() in store/reading.h). */
#pragma once

#include "conf/places.h"
#include "model/event.h"

typedef struct DkmsLock DkmsLock;

/**
 * dkms_lock_take:
 * @events: (nullable): gets an event with the process that holds the lock
 * @name: as listed above
 * @exclusive: exclusive, or shared with other holders
 *
 * Waits without limit, until a signal that the run blocks is pending; that is DKMS_ERROR_INTERRUPTED. The kernel
 * releases the lock when the process and all its forked workers have ended.
 *
 * Returns: (transfer full) (nullable): NULL with an error
 */
DkmsLock *dkms_lock_take (const DkmsPlaces *places, DkmsListener *events, const char *name, gboolean exclusive,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_lock_take(), but does not wait. Returns: (transfer full) (nullable): NULL without an error if another
 * process holds it
 */
DkmsLock *dkms_lock_try (const DkmsPlaces *places, DkmsListener *events, const char *name, gboolean exclusive,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Creates the files that dkms_sandbox_wrap() hides from builds and recipes, because only existing files can be hidden.
 */
gboolean dkms_lock_prepare (const DkmsPlaces *places, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: whether a process holds the lock @name; for a user who cannot open the file, the kernel's list of locks is
 * read */
gboolean dkms_lock_is_held (const DkmsPlaces *places, const char *name);
/** Emits an event with the process that holds the lock @name, for a caller that waits but cannot acquire it. */
void dkms_lock_report_holder (const DkmsPlaces *places, DkmsListener *events, const char *name);
/** Fails with errno of a lock on @path (inside @root). A file system without locks has its own error. */
gboolean dkms_fail_lock (const DkmsRoot *root, const char *path, GError **error);
/** Returns: (transfer full): name of the lock of the module of @id */
char *dkms_lock_name_module (const DkmsId *id);
/** Returns: (transfer full): name of the lock of all builds of the module of @id for its kernel */
char *dkms_lock_name_build (const DkmsId *id);
void dkms_lock_release (DkmsLock *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsLock, dkms_lock_release)
