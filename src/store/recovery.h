/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finishing or undoing what a dead run left in the journal: whoever finds a journal while it holds the tree's lock
 * knows that the run of that journal is dead.
 *
 * A journal that lists temporaries means: delete them. One that lists changes means: do the changes again. A journal
 * that cannot be read, or that a newer dkms wrote (a higher format, an operation that is not in the list), is kept and
 * ends the run: the change that it describes is half done, and only a program that understands it can finish it. What
 * is not a journal at all is moved to journal/bad/, with a warning. */
#pragma once

#include "conf/places.h"
#include "model/event.h"

/** Finishes or undoes what earlier runs left in the journal. Call with the tree writable. */
gboolean dkms_journal_recover (const DkmsPlaces *places, DkmsListener *events,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_journal_recover(), but while another process holds the tree's lock it does nothing: that one does it. */
gboolean dkms_journal_try_recover (const DkmsPlaces *places, DkmsListener *events,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_journal_recover(), with the tree's lock held. @journal, @sequence: descriptors of both (store/journal.h,
 * store/reading.h) */
gboolean dkms_journal_recover_locked (const DkmsPlaces *places, DkmsListener *events, int journal, int sequence,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
