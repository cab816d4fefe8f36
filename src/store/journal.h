/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal of changes: one file for each unfinished transaction, in <dkms_tree>/.dkms/journal. store/transaction.h
 * describes when it is written and deleted, and store/recovery.h how the journals of killed runs are processed.
 *
 * Format: JSON, {"format": 1, "temps": [path...], "dirs": [path...]} or {"format": 1, "ops": [[op, path, path,
 * path]...]}, all paths inside the root; op is one of rename, delete, move, discard, prune, sweep. The default of
 * "format" is 1. */
#pragma once

#include <jansson.h>

#include "conf/places.h"
#include "model/event.h"

enum { DKMS_JOURNAL_FORMAT = 1 };

typedef enum {
  DKMS_JOURNAL_BAD,   /* not a journal: not JSON, or another structure */
  DKMS_JOURNAL_NEWER, /* written by a newer dkms */
  DKMS_JOURNAL_CHANGES,
  DKMS_JOURNAL_PLAN /* the files that are prepared before any change */
} DkmsJournalKind;

/** Returns: a descriptor of the directory, which the caller owns; -1 with errno and an error. @create: whether to
 * create it */
int dkms_journal_open (const DkmsPlaces *places, gboolean create, GError **error);
/** Returns: (transfer full) (nullable): the names of all journals, including those of killed runs; NULL with an error
 */
GPtrArray *dkms_journal_list (int journal, GError **error);
/** Returns: (transfer full) (nullable): the text of a journal */
char *dkms_journal_read (int journal, const char *name, GError **error);
/** Writes the journal @name, or replaces it, and flushes it. */
gboolean dkms_journal_write (int dir, const char *name, json_t *object, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes a journal and flushes the deletion. After this, no run carries out its changes again. */
gboolean dkms_journal_drop (int dir, const char *name, GError **error);

/** @object: (nullable): the content of the journal, if it is JSON */
DkmsJournalKind dkms_journal_kind (json_t *object);
/** Returns: whether the journal @name may list changes, which is also possible if it cannot be read */
gboolean dkms_journal_may_list_changes (int journal, const char *name);
/** Moves a file that is not a journal to journal/bad/, with a warning. @path: of the file, as messages name it */
gboolean dkms_journal_set_aside (DkmsListener *events, int journal, const char *name, const char *path,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
