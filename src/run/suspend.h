/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stops a run and everything that it has started, as Ctrl-Z demands, until it is continued. Private to run/.
 *
 * Workers have process groups of their own, and builds sessions of their own, so that signals of the terminal reach
 * only the process that runs the plan. Therefore that process stops the others. */
#pragma once

#include "model/event.h"

/** Stops all descendants of this process, and then this process. Returns when it is continued (SIGCONT); its
 * descendants then continue, too. If nobody could continue it, because no shell with job control has started it, the
 * kernel does not stop it. */
void dkms_suspend (DkmsListener *events);
/** Gives all descendants of this process its own priority. An ordinary user cannot do this. */
void dkms_hurry (void);
