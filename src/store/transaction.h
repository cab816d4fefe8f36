/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set of file changes that happens wholly or not at all, across crashes.
 *
 * Changes are collected, then dkms_transaction_commit() (1) writes a journal that names the
 * temporary files, (2) writes those beside their targets and flushes them, (3) replaces the journal
 * by one that lists the changes, (4) renames and deletes, (5) flushes the directories and drops the
 * journal. A journal of stage 1 found later means: delete the temporaries. One of stage 3 means: do
 * the (repeatable) changes again. Journal format: JSON, {"temps": [path...]} or {"ops": [[op, path,
 * path]...]}, all paths inside the root; op is one of rename, delete, prune. */
#pragma once

#include "store/tree.h"

typedef struct DkmsTransaction DkmsTransaction;

DkmsTransaction *dkms_transaction_new (const DkmsSettings *settings);
void dkms_transaction_free (DkmsTransaction *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsTransaction, dkms_transaction_free)

/** @target becomes a copy of the file @source (both inside the root) with @mode. */
void dkms_transaction_copy (DkmsTransaction *self, const char *source, const char *target, mode_t mode);
/** @target becomes a symbolic link that says @text. */
void dkms_transaction_link (DkmsTransaction *self, const char *text, const char *target);
/** @target becomes a file that holds @text. */
void dkms_transaction_write (DkmsTransaction *self, const char *text, const char *target);
/** @path is deleted; absent is fine. */
void dkms_transaction_delete (DkmsTransaction *self, const char *path);
/** @dir and its parents are deleted as far as they are empty; @stop and what is above stays. */
void dkms_transaction_prune (DkmsTransaction *self, const char *dir, const char *stop);
/** Does it all. On failure before the point of no return nothing has changed. */
gboolean dkms_transaction_commit (DkmsTransaction *self, DkmsUi *ui, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Finishes or undoes what an earlier run left in the journal. Call with the tree writable. */
gboolean dkms_transaction_recover (const DkmsSettings *settings, DkmsUi *ui, GError **error) G_GNUC_WARN_UNUSED_RESULT;
