/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Notes about files that could not be read. The question whether a file exists has three answers: yes, no, and unknown
 * because reading failed.
 *
 * Functions without an error, such as dkms_root_is_file() or dkms_list_dir_at(), answer "no" or "nothing" if reading
 * failed, and note the failure here. Like the error of a stream (ferror(3)), the note stays until it is checked. Code
 * that acts on such answers checks the notes first: dkms_state_read() for each version, a transaction before it changes
 * anything, each step of a plan at its end, depmod before it drops its note, and every command at its end. Therefore no
 * change is made and no success is reported because of an unknown answer.
 *
 * Notes belong to the process. A worker starts without any. */
#pragma once

#include <glib.h>

/** Returns: whether @code, an errno of a call that read, means that the file does not exist; after any other errno this
 * is unknown */
gboolean dkms_is_absent (int code);

/**
 * dkms_unread_note:
 * @dir_fd: directory of @name, or AT_FDCWD
 * @code: errno of the call that failed; nothing is noted if it means absent
 *
 * errno is unchanged. Paths in /proc are not noted, because processes terminate at any time. EBADF is not noted,
 * because the failure to open @dir_fd was noted before.
 */
void dkms_unread_note (int dir_fd, const char *name, int code);

/** Returns: the number of notes, for dkms_unread_since() and dkms_unread_drop() */
guint dkms_unread_mark (void);
/** Discards the notes made since @mark, because these files do not matter or were reported. */
void dkms_unread_drop (guint mark);
/**
 * dkms_unread_since:
 * @refused: whether to include files that a user other than root may not read, and often need not read
 *
 * Fails with the first note made since @mark, and discards all of them.
 */
gboolean dkms_unread_since (guint mark, gboolean refused, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_unread_since() for all notes, except files that a user may not read. */
gboolean dkms_unread_check (GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_fail_errno() for a call that read @name of @dir_fd; if @error is NULL, the failure is noted. */
gboolean dkms_fail_read (GError **error, const char *doing, int dir_fd, const char *name);
