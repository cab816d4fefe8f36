/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set of file changes that happens wholly or not at all, across crashes and power cuts.
 *
 * Changes are collected, then dkms_transaction_commit(), under the tree's lock, (1) writes a journal that names the
 * temporary files and the directories it will make, (2) makes those and flushes them, (3) replaces the journal by one
 * that lists the changes, (4) renames and deletes, (5) flushes every directory it touched and only then drops the
 * journal, whose directory is flushed too, so that it cannot come back after later changes. A journal of stage 1 found
 * later means: delete the temporaries. One of stage 3 means: do the changes again, each of which can be repeated.
 * Whoever finds a journal while he holds the tree's lock knows that its run is dead, and finishes it first.
 *
 * Journal format: JSON, {"format": 1, "temps": [path...], "dirs": [path...]} or {"format": 1, "ops": [[op, path, path,
 * path]...]}, all paths inside the root; op is one of rename, delete, move, discard, prune, sweep. Without "format" it
 * is 1.
 *
 * A journal that cannot be read, or that a newer dkms wrote (a higher format, an operation that is not in the list),
 * stays and stops the run: the change that it describes is half done, and only who understands it can finish it. What
 * is not a journal at all (not JSON, or of another shape) is moved to journal/bad/, with a warning.
 *
 * Reading needs no lock, so that readers keep no writer waiting and users can read without access to the lock. Between
 * (3) and (4) a commit raises the number in <dkms_tree>/.dkms/sequence. A reader notes the number first, then looks for
 * a journal of stage 3, reads, and looks at the number again. If there was no such journal and the number is still the
 * same, then no change was made while it read; otherwise it reads again. The number counts within one boot, so it is
 * never flushed: a journal found after a crash is that of a dead run whatever the number says. */
#pragma once

#include "store/tree.h"

typedef struct DkmsTransaction DkmsTransaction;

DkmsTransaction *dkms_transaction_new (const DkmsSettings *settings);
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
gboolean dkms_transaction_commit (DkmsTransaction *self, DkmsUi *ui, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Finishes or undoes what an earlier run left in the journal. Call with the tree writable. */
gboolean dkms_transaction_recover (const DkmsSettings *settings, DkmsUi *ui, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_transaction_recover(), but while another process holds the tree's lock it does nothing: that one does it. */
gboolean dkms_transaction_try_recover (const DkmsSettings *settings, DkmsUi *ui,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- reading without a lock ---- */

typedef struct {
  const DkmsSettings *settings;
  int sequence; /* -1: there is none yet */
  char number[24];
  gboolean pending; /* a dead run left a change that is still to be finished or undone */
} DkmsReading;

/**
 * dkms_reading_begin:
 * @ui: told whom we wait for, if that takes long
 *
 * Waits until no change is being made, and begins to read. End it with dkms_reading_end().
 */
void dkms_reading_begin (DkmsReading *self, const DkmsSettings *settings, DkmsUi *ui);
/** Returns: whether what was read since then is a state of the tree that existed; otherwise it must be read again */
gboolean dkms_reading_end (DkmsReading *self);
