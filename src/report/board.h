/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Displays the events of several pieces of work that run at the same time. Private to report/.
 *
 * Each piece of work, for example a module for a kernel, has a channel. On a terminal every working channel has a live
 * line (report/frame.h), as far as the screen has room. At the end, one line per channel remains. Without a terminal
 * the events of the oldest channel are printed at once, and the others wait for their turn, so that nothing is mixed.
 * In verbose mode the lines of the logs are printed, with the name of their channel if there are several. */
#pragma once

#include "report/print.h"

typedef struct DkmsBoard DkmsBoard;

/**
 * dkms_board_new:
 * @printer: prints the lines; it must outlive the board
 * @event: WORK_BEGUN
 *
 * Live lines are shown if dkms_screen_new() finds a terminal for them.
 *
 * Returns: (transfer full)
 */
DkmsBoard *dkms_board_new (DkmsPrinter *printer, const DkmsEvent *event);
/** Prints all waiting events, and clears the live lines. @self: (nullable) */
void dkms_board_free (DkmsBoard *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsBoard, dkms_board_free)

/** Shows @event, now or when its channel has its turn. */
void dkms_board_hear (DkmsBoard *self, const DkmsEvent *event);
/** Returns: whether a program that is run for @piece may write to the terminal; if so, the live lines were cleared */
gboolean dkms_board_release_terminal (DkmsBoard *self, guint piece);
/** Updates the display. Call it about every dkms_board_interval() milliseconds. */
void dkms_board_tick (DkmsBoard *self);
/** Returns: milliseconds until the next tick; -1 if there is nothing to show */
int dkms_board_interval (const DkmsBoard *self);
