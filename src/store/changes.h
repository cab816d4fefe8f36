/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doing and undoing the changes that a journal lists (store/journal.h). Each change can be repeated, so after a crash
 * all of them are done again. */
#pragma once

#include <jansson.h>

#include "conf/places.h"
#include "model/event.h"

/** Fails if a path of @ops is not what this program writes: absolute, with nothing in it that climbs. */
gboolean dkms_changes_check (json_t *ops, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_changes_apply:
 * @ops: checked by dkms_changes_check()
 * @sequence: a descriptor of dkms_sequence_open(); the number is raised
 *
 * Does all changes and flushes every directory that they touch. What failed for a passing reason is tried again.
 */
gboolean dkms_changes_apply (const DkmsPlaces *places, DkmsListener *events, json_t *ops, int sequence,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes the temporaries and the directories that the journal @plan names: nothing has been changed yet. */
gboolean dkms_changes_undo (const DkmsPlaces *places, DkmsListener *events, json_t *plan, GError **error);
