/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the tree without a lock, so that readers do not delay writers, and users need no access to the lock.
 *
 * After its journal lists the changes, and before the first change, a commit increments the number in
 * <dkms_tree>/.dkms/sequence. A reader reads the number, checks for a journal that lists changes, reads the tree, and
 * reads the number again. If no such journal existed and the number is unchanged, then nothing changed while it was
 * reading; otherwise it reads again. The number is valid within one boot, so it is never flushed: a journal found after
 * a crash belongs to a killed run in any case. */
#pragma once

#include "conf/places.h"
#include "model/event.h"

/* ---- those who change the tree, with its lock held ---- */

/** Opens the number, and creates it if it is absent. Returns: a descriptor that the caller owns, or -1 with an error */
int dkms_sequence_open (const DkmsPlaces *places, GError **error);
/** Increments the number. Call this after the journal that lists the changes was written, and before the first change.
 */
gboolean dkms_sequence_raise (int fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- those who read ---- */

typedef struct {
  const DkmsPlaces *places;
  int sequence; /* -1: the file does not exist yet */
  char number[24];
  gboolean pending; /* a killed run left a change that must be completed or undone */
} DkmsReading;

/**
 * dkms_reading_begin:
 * @events: gets an event with the process that is changing the tree, after a long wait
 *
 * Waits until no change is being made, and starts to read. Call dkms_reading_end() afterwards.
 */
void dkms_reading_begin (DkmsReading *self, const DkmsPlaces *places, DkmsListener *events);
/** Returns: whether the data that was read is a consistent state of the tree; otherwise the tree must be read again */
gboolean dkms_reading_end (DkmsReading *self);
