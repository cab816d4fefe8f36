/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set of file changes that is made completely or not at all, even after a crash or power cut.
 *
 * Changes are collected. Then dkms_transaction_commit(), under the lock of the tree, (1) writes a journal that names
 * the temporary files and directories that it will create, (2) creates and flushes them, (3) replaces the journal by
 * one that lists the changes, (4) renames and deletes, (5) flushes every changed directory, deletes the journal, and
 * flushes its directory, so that the journal cannot reappear after later changes. store/recovery.h describes how the
 * journals of killed runs are processed, and store/reading.h how other runs read at the same time. */
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
/** @target becomes a symbolic link with the text @text. */
void dkms_transaction_link (DkmsTransaction *self, const char *text, const char *target);
/** @target becomes a file with the content @text. */
void dkms_transaction_write (DkmsTransaction *self, const char *text, const char *target);
/** @from, a complete and flushed file or directory on the same file system, becomes @to. An existing @to is deleted. */
void dkms_transaction_move (DkmsTransaction *self, const char *from, const char *to);
/** The existing file, link or directory @from becomes @to, in the same mount. In contrast to dkms_transaction_move(),
 * @from is renamed after the point of no return: it keeps its place if nothing is changed. An existing @to is deleted.
 * No other change may create @from. */
void dkms_transaction_keep (DkmsTransaction *self, const char *from, const char *to);
/** Changes the last change, which creates a file, link or directory: what it replaces, of any type, becomes @to in the
 * same mount; if @to is NULL, it is deleted. */
void dkms_transaction_retain (DkmsTransaction *self, const char *to);
/** Deletes @path, a file or directory with its content. It need not exist. */
void dkms_transaction_discard (DkmsTransaction *self, const char *path);
/** Deletes @path, which need not exist. */
void dkms_transaction_delete (DkmsTransaction *self, const char *path);
/** Deletes @dir and its parents below @stop if they are empty. */
void dkms_transaction_prune (DkmsTransaction *self, const char *dir, const char *stop);
/** Makes all changes. After a failure before the point of no return, nothing has changed. */
gboolean dkms_transaction_commit (DkmsTransaction *self, DkmsListener *events,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
