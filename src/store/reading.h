/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the tree without a lock, so that readers keep no writer waiting and users can read without access to the
 * lock.
 *
 * After its journal lists the changes, and before the first of them, a commit raises the number in
 * <dkms_tree>/.dkms/sequence. A reader notes the number first, then looks for a journal that lists changes, reads, and
 * looks at the number again. If there was no such journal and the number is still the same, then no change was made
 * while it read; otherwise it reads again. The number counts within one boot, so it is never flushed: a journal found
 * after a crash is that of a dead run whatever the number says. */
#pragma once

#include "conf/places.h"
#include "model/event.h"

/* ---- those who change the tree, with its lock held ---- */

/** Opens the number, and creates it if it is absent. Returns: a descriptor that the caller owns, or -1 with an error */
int dkms_sequence_open (const DkmsPlaces *places, GError **error);
/** Raises the number. To be called after the journal that lists the changes was written and before the first of them.
 */
gboolean dkms_sequence_raise (int fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- those who read ---- */

typedef struct {
  const DkmsPlaces *places;
  int sequence; /* -1: there is none yet */
  char number[24];
  gboolean pending; /* a dead run left a change that is still to be finished or undone */
} DkmsReading;

/**
 * dkms_reading_begin:
 * @events: told whom we wait for, if that takes long
 *
 * Waits until no change is being made, and begins to read. End it with dkms_reading_end().
 */
void dkms_reading_begin (DkmsReading *self, const DkmsPlaces *places, DkmsListener *events);
/** Returns: whether what was read since then is a state of the tree that existed; otherwise it must be read again */
gboolean dkms_reading_end (DkmsReading *self);
