/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory in which one worker builds: <tmp_location>/dkms-matrix-<uid>/<n>, inside the root. The worker locks it.
 * The number is the lowest that no other worker uses, so that one worker always builds at the same path, and what a
 * killed worker left is deleted by the next one. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "model/request.h"

typedef struct DkmsSlot DkmsSlot;

/** Locks a directory and empties it. Returns: (transfer full) (nullable) */
DkmsSlot *dkms_slot_take (const DkmsPlaces *places, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes everything in the directory. */
gboolean dkms_slot_empty (DkmsSlot *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: (transfer full): the path of @name in it, inside the root */
char *dkms_slot_path (const DkmsSlot *self, const char *name);
/**
 * dkms_slot_add:
 * @settings: with a tree in the directory, and the source tree that contains the source, or gets a copy of it
 * @given: names a source, an archive, or a version in the source tree
 * @kernel: for the evaluation of its recipe
 *
 * Registers a source.
 */
gboolean dkms_slot_add (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *given,
                        const DkmsId *kernel, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes the content of the directory and unlocks it. @self: (nullable) (transfer full) */
void dkms_slot_release (DkmsSlot *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsSlot, dkms_slot_release)
