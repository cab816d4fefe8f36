/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set of file changes that happens wholly or not at all, across crashes and power cuts.
 *
 * Changes are collected, then dkms_transaction_commit(), under the tree's lock, (1) writes a journal that names the
 * temporary files and the directories it will make, (2) makes those and flushes them, (3) replaces the journal by one
 * that lists the changes, (4) renames and deletes, (5) flushes every directory it touched and only then drops the
 * journal, whose directory is flushed too, so that it cannot come back after later changes. store/recovery.h tells what
 * becomes of the journal of a dead run, store/reading.h how others read meanwhile. */
#pragma once

#include "conf/places.h"
#include "model/event.h"

typedef struct DkmsTransaction DkmsTransaction;

DkmsTransaction *dkms_transaction_new (const DkmsPlaces *places);
void dkms_transaction_free (DkmsTransaction *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsTransaction, dkms_transaction_free)

/** @target becomes a copy of the file @source (both inside the root) with @mode. */
void dkms_transaction_copy (DkmsTransaction *self, const char *source, const char *target, mode_t mode);
/** @target becomes a copy of the file @source (both inside the root) with its mode and times. */
void dkms_transaction_preserve (DkmsTransaction *self, const char *source, const char *target);
/** @target becomes a symbolic link that says @text. */
void dkms_transaction_link (DkmsTransaction *self, const char *text, const char *target);
/** @target becomes a file that holds @text. */
void dkms_transaction_write (DkmsTransaction *self, const char *text, const char *target);
/** @from, a file or directory complete and flushed, becomes @to, on the same file system; what is there now goes. */
void dkms_transaction_move (DkmsTransaction *self, const char *from, const char *to);
/** @path, a file or directory with all in it, is deleted; absent is fine. */
void dkms_transaction_discard (DkmsTransaction *self, const char *path);
/** @path is deleted; absent is fine. */
void dkms_transaction_delete (DkmsTransaction *self, const char *path);
/** @dir and its parents are deleted as far as they are empty; @stop and what is above stays. */
void dkms_transaction_prune (DkmsTransaction *self, const char *dir, const char *stop);
/** Does it all. On failure before the point of no return nothing has changed. */
gboolean dkms_transaction_commit (DkmsTransaction *self, DkmsListener *events,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
