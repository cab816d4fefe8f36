/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs depmod, and finds out whether it is due. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "store/work.h"

/** Runs depmod for one kernel by the rules of docs/interface/build-install.md §9, and deletes the note. A failure is a
 * warning. @tokens: pipe of a job server for the processes that make stubs; -1: none */
void dkms_depmod (const DkmsSettings *settings, DkmsListener *events, const DkmsWork *work, const char *release,
                  gboolean disabled, int tokens);
/** Makes the stubs that dkms_depmod() will need for @release, if there are none. @tokens: as there */
void dkms_depmod_prepare (const DkmsSettings *settings, const char *release, int tokens);
/** Returns: (transfer full): path of the note of the run with @work that depmod is due for @release */
char *dkms_depmod_note (const DkmsPlaces *places, const DkmsWork *work, const char *release);
/** Text of a note about a kernel that has an index (modules.dep). Any other text means that the kernel had none, so
 * none is created. */
#define DKMS_NOTE_INDEX "index\n"
/** Returns: (transfer none): the text of a note about @release */
const char *dkms_depmod_note_text (const DkmsPlaces *places, const char *release);
/** Runs depmod for kernels with a note of a killed run. */
void dkms_depmod_due (const DkmsSettings *settings, DkmsListener *events, gboolean disabled);
