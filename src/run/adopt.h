/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds of dkms 3 have no record, so that every status would evaluate their recipes. Adopting such a build means to
 * examine it once and to write its record. Its inputs stay unknown, so it is never stale.
 *
 * This happens at the start of the first run that may write, of every autoinstall, and when the package is installed.
 * The file .dkms/adopted records that it has happened. */
#pragma once

#include "conf/settings.h"
#include "model/state.h"

/** Adopts those builds of @state that have no record, are complete, and whose recipe can be read; others are unchanged.
 * Returns: FALSE if it could not examine any */
gboolean dkms_adopt_builds (const DkmsSettings *settings, const DkmsState *state);
/** As dkms_adopt_builds(), for the whole tree. @again: even if it has happened before */
void dkms_adopt (const DkmsSettings *settings, gboolean again);
