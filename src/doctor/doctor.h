/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verb doctor: finds faults of the tree and of the machine, repairs them, and takes repairs back. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "model/request.h"

/**
 * dkms_doctor:
 * @request: repair: the faults to repair; undo: the repair to take back; yes: do not ask; module, version and targets
 *   are filters
 *
 * Prints the faults that it finds. Without repair and undo nothing is changed. Files that a repair takes away are kept
 * in the attic (doctor/attic.h).
 *
 * Returns: FALSE with DKMS_ERROR_FAULTS_LEFT if a problem is left, or DKMS_ERROR_FAULTS_UNKNOWN if something could not
 *   be examined
 */
gboolean dkms_doctor (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error);
