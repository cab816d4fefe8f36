/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal: its size and colours, and the live lines at the end of the output. Private to report/.
 *
 * The cursor stays at the beginning of the first live line. Therefore the lines can be cleared after the user has
 * changed the size of the terminal, no matter whether the terminal wraps its old lines again, and dkms never scrolls a
 * live line away. If a terminal does so itself, because wrapped lines have no room, the line stays there. */
#pragma once

#include <glib.h>

typedef struct DkmsScreen DkmsScreen;

/** Returns: whether @fd is a terminal that shows colours, and colours are wanted (TERM, NO_COLOR). In scripts of
 * package managers and hooks they are not. */
gboolean dkms_screen_has_colours (int fd);

/** Returns: (transfer full) (nullable): the terminal of the standard output; NULL if that is no terminal for live
 * lines, or if nobody watches: in scripts of package managers and hooks, and in noninteractive runs */
DkmsScreen *dkms_screen_new (void);
/** Clears the live lines. @self: (nullable) */
void dkms_screen_free (DkmsScreen *self);

/** @columns, @lines: (out): the present size of the terminal */
void dkms_screen_size (guint *columns, guint *lines);
/** Replaces the live lines by @frame: lines, each with fewer columns than the terminal. Nothing happens if the output
 * of the terminal is stopped (Ctrl-S), or if this process is in the background of its shell. */
void dkms_screen_draw (DkmsScreen *self, const char *frame);
/** Clears the live lines, so that other text can be printed. @self: (nullable) */
void dkms_screen_clear (DkmsScreen *self);
/** Returns: whether live lines are on the screen */
gboolean dkms_screen_is_drawn (const DkmsScreen *self);

/* The state of a progress bar that some terminals show in their tab or in the task bar. */
typedef enum { DKMS_PROGRESS_NONE, DKMS_PROGRESS_NORMAL, DKMS_PROGRESS_FAILED, DKMS_PROGRESS_UNKNOWN } DkmsProgress;

/** Shows @percent and @state in the terminal's progress bar, if the terminal is known to have one (OSC 9;4). */
void dkms_screen_progress (DkmsScreen *self, DkmsProgress state, guint percent);
