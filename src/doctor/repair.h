/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Repairs of faults. Private to doctor/. */
#pragma once

#include "check/fault.h"
#include "conf/settings.h"
#include "doctor/attic.h"
#include "model/event.h"

/** Repairs @finding. Does not wait for other runs: if one works on the module, this is an error. A repair that is made
 * of several transactions is completed by the next call of doctor, if it is interrupted. */
gboolean dkms_repair (const DkmsSettings *settings, DkmsListener *events, DkmsAttic *attic,
                      const DkmsFaultFinding *finding, GError **error) G_GNUC_WARN_UNUSED_RESULT;
