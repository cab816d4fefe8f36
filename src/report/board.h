/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several pieces of work emit at the same time, so that a person can read it. Private to report/.
 *
 * Each piece of work, a module for a kernel say, has a channel. On a terminal every channel at work has a live line
 * (what, phase, time, the last line of its log), below them is a line for the whole, and what is left in the end is one
 * line per channel. Elsewhere the oldest channel is printed as it speaks and the others are kept back until it is
 * their turn, so that nothing is mixed. In verbose mode the lines of the logs are printed, with their channel's name if
 * there are several.
 */
#pragma once

#include "report/print.h"

typedef struct DkmsBoard DkmsBoard;

/**
 * dkms_board_new:
 * @printer: what the board prints through; it must outlive the board
 * @total: pieces of work to come
 *
 * The environment variables NO_COLOR and TERM and the width of the terminal are honoured. There are no live lines in
 * scripts of package managers, with DEBIAN_FRONTEND=noninteractive, nor where DKMS_PLAIN is set, as our hooks do.
 *
 * Returns: (transfer full)
 */
DkmsBoard *dkms_board_new (DkmsPrinter *printer, guint total);
/** Prints what is still kept back, and takes the live lines away. NULL is fine. */
void dkms_board_free (DkmsBoard *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsBoard, dkms_board_free)

/** Shows @event, now or when it is its turn. */
void dkms_board_hear (DkmsBoard *self, const DkmsEvent *event);
/** Returns: whether a program that is run for @piece may write to the terminal; the live lines are away then */
gboolean dkms_board_give_way (DkmsBoard *self, guint piece);
/** Shows the present state: call it about every dkms_board_interval() milliseconds. */
void dkms_board_tick (DkmsBoard *self);
/** Returns: milliseconds until the next tick is due; -1 when there is nothing to show */
int dkms_board_interval (const DkmsBoard *self);
