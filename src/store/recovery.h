/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Completes or undoes the transactions in the journals of killed runs. A process that holds the lock of the tree knows
 * that the owner of every journal was killed.
 *
 * If a journal lists temporary files, they are deleted. If it lists changes, all of them are carried out again. If a
 * journal cannot be read, or was written by a newer dkms (a higher format, an unknown operation), it is kept and the
 * run fails: its change is incomplete, and only a program that understands the journal can complete it. A file that is
 * not a journal is moved to journal/bad/, with a warning. */
#pragma once

#include "conf/places.h"
#include "model/event.h"

/** Completes or undoes the changes in journals of earlier runs. The tree must be writable. */
gboolean dkms_journal_recover (const DkmsPlaces *places, DkmsListener *events,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_journal_recover(), but does nothing while another process holds the lock of the tree, because that process
 * does it. */
gboolean dkms_journal_try_recover (const DkmsPlaces *places, DkmsListener *events,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_journal_recover(), with the lock of the tree held. @journal, @sequence: descriptors (store/journal.h,
 * store/reading.h) */
gboolean dkms_journal_recover_locked (const DkmsPlaces *places, DkmsListener *events, int journal, int sequence,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
