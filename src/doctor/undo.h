/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Manifests of repairs, and what repairs and undos share. Private to doctor/. */
#pragma once

#include <jansson.h>

#include "conf/settings.h"
#include "model/event.h"
#include "store/lock.h"
#include "store/transaction.h"

enum { DKMS_MANIFEST_FORMAT = 1 };

/** Returns: (transfer full) (nullable): the manifest of the repair @name; NULL with an error */
json_t *dkms_manifest_read (const DkmsPlaces *places, const char *name, GError **error);
/** Returns: (transfer full) (nullable): the lock that keeps others from repairing; NULL with an error if another
 * process holds it */
DkmsLock *dkms_attic_lock (const DkmsPlaces *places, DkmsListener *events, GError **error);
/** Returns: whether a file in the directory @dir_fd can be renamed into the attic, because both are in one mount */
gboolean dkms_attic_is_near (const DkmsPlaces *places, int dir_fd);
/**
 * dkms_attic_finish:
 * @touched: (element-type utf8): the paths of all changes
 *
 * Commits @tx, and runs depmod for the kernels whose directories contain some of @touched. Fails if a running dkms
 * commits at the same time.
 */
gboolean dkms_attic_finish (const DkmsSettings *settings, DkmsListener *events, DkmsTransaction *tx,
                            const GPtrArray *touched, GError **error) G_GNUC_WARN_UNUSED_RESULT;
