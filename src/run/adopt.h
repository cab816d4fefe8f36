/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds of dkms 3 have no record, so that every status evaluates their recipes. Adopting them means to look at them
 * once and to write the record. What they were made from stays unknown, so they are never stale.
 *
 * It happens at the beginning of the first run that may write, of every autoinstall, and when the package is installed.
 * The file .dkms/adopted says that it has happened. */
#pragma once

#include "conf/settings.h"
#include "model/state.h"

/** Adopts those builds of @state that have no record, are complete, and whose recipe can be read; all others stay as
 * they are. Returns: FALSE if it could not look at any */
gboolean dkms_adopt_builds (const DkmsSettings *settings, const DkmsState *state);
/** The same for the whole tree. @again: although it has happened before */
void dkms_adopt (const DkmsSettings *settings, gboolean again);
