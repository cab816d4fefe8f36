/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that could not be read. "Is it there?" has three answers: yes, no, and unknown because reading failed.
 *
 * Functions such as dkms_root_is_file() or dkms_list_dir_at() without an error answer "no" or "nothing" when reading
 * failed, and note the failure here; like the error of a stream (ferror(3)), the note stays until somebody asks for it.
 * Code that acts on such answers asks first: dkms_state_read() for each version, a transaction before it changes
 * anything, each step of a plan at its end, depmod before it drops its note, and every command at its end. So no
 * change is made and no success is reported on the strength of an answer that nobody has.
 *
 * Notes belong to the process; a worker begins without any. */
#pragma once

#include <glib.h>

/** Returns: whether @code, an errno of a call that read, means that there is no such file; every other errno means that
 * nobody knows */
gboolean dkms_is_absent (int code);

/**
 * dkms_unread_note:
 * @dir_fd: directory of @name, or AT_FDCWD
 * @code: errno of the call that failed; nothing is noted if it means absent
 *
 * Leaves errno alone. Paths in /proc are not noted: processes come and go. Neither is EBADF: @dir_fd could not be
 * opened, for a reason that was noted then.
 */
void dkms_unread_note (int dir_fd, const char *name, int code);

/** Returns: the number of notes, for dkms_unread_since() and dkms_unread_drop() */
guint dkms_unread_mark (void);
/** Forgets the notes made since @mark: what they are about does not matter, or was reported. */
void dkms_unread_drop (guint mark);
/**
 * dkms_unread_since:
 * @refused: count files, too, that a user other than root may not read; often he need not
 *
 * Fails with the first note made since @mark, and forgets all of them.
 */
gboolean dkms_unread_since (guint mark, gboolean refused, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_unread_since(), of all notes, without what a user may not read. */
gboolean dkms_unread_check (GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_fail_errno() for a call that read @name of @dir_fd; without @error the failure is noted. */
gboolean dkms_fail_read (GError **error, const char *doing, int dir_fd, const char *name);
