/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carries out and undoes the changes that a journal lists (store/journal.h). Each change can be repeated, so after a
 * crash all of them are carried out again. */
#pragma once

#include <jansson.h>

#include "conf/places.h"
#include "model/event.h"

/** Fails if a path of @ops is not one that dkms writes: absolute, and without "..". */
gboolean dkms_changes_check (json_t *ops, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_changes_apply:
 * @ops: checked by dkms_changes_check()
 * @sequence: a descriptor of dkms_sequence_open(); the number is incremented
 *
 * Carries out all changes and flushes the changed directories. Temporary failures are repeated.
 */
gboolean dkms_changes_apply (const DkmsPlaces *places, DkmsListener *events, json_t *ops, int sequence,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes the temporary files and the directories that the journal @plan lists. Nothing else was changed. */
gboolean dkms_changes_undo (const DkmsPlaces *places, DkmsListener *events, json_t *plan, GError **error);
