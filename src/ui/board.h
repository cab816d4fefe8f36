/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several pieces of work tell at the same time, so that a person can read it.
 *
 * Each piece of work, a module for a kernel say, has a channel. On a terminal every channel at work has a live line
 * (what, phase, time, the last line of its log), below them is a line for the whole, and what is left in the end is one
 * line per channel. Elsewhere the oldest channel is printed as it speaks and the others are kept back until it is
 * their turn, so that nothing is mixed. In verbose mode the lines of the logs are printed, with their channel's name if
 * there are several.
 */
#pragma once

#include "ui/ui.h"

typedef struct DkmsBoard DkmsBoard;

/**
 * dkms_board_new:
 * @ui: what the board prints through; it must outlive the board
 * @total: pieces of work to come
 *
 * The environment variables NO_COLOR and TERM and the width of the terminal are honoured. There are no live lines in
 * scripts of package managers, with DEBIAN_FRONTEND=noninteractive, nor where DKMS_PLAIN is set, as our hooks do.
 *
 * Returns: (transfer full)
 */
DkmsBoard *dkms_board_new (DkmsUi *ui, guint total);
/** Prints what is still kept back, and takes the live lines away. */
void dkms_board_free (DkmsBoard *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsBoard, dkms_board_free)

/** Takes the live lines away until the next dkms_board_tick(); @self may be NULL. */
void dkms_board_make_way (DkmsBoard *self);
/** Shows the present state: call it about every @dkms_board_interval() milliseconds. */
void dkms_board_tick (DkmsBoard *self);
/** Returns: milliseconds until the next tick is due; -1 when there is nothing to show */
int dkms_board_interval (const DkmsBoard *self);

/** Returns: whether live lines are shown */
gboolean dkms_board_is_live (const DkmsBoard *self);

/** Opens a channel. @title names it, such as "foo/1.0 6.1.0-56-amd64". Returns: (transfer none): valid until the board
 * goes */
DkmsChannel *dkms_board_open (DkmsBoard *self, const char *title);
void dkms_channel_tell (DkmsChannel *self, const DkmsUiEvent *event);
/** Returns: whether what @self tells is kept back for now */
gboolean dkms_channel_is_kept_back (const DkmsChannel *self);
/** Says whether work of this channel is under way: then it has a live line. */
void dkms_channel_set_busy (DkmsChannel *self, gboolean busy);
/** Ends the channel. @result: (nullable): what came of it, for the terminal, such as "installed" */
void dkms_channel_close (DkmsChannel *self, const char *result, gboolean good);
