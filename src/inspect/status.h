/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `dkms status`: the lines of docs/interface/tree.md §6. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "run/run.h"

/** Prints one list for each kernel filter. A damaged module is not an error. */
gboolean dkms_status (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
