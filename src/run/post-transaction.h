/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command of the administrator that runs after changes. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"

/** Runs the administrator's command after a successful run. Its output is logged in <dkms_tree>/post_transaction.log. A
 * failure is reported. */
void dkms_post_transaction (const DkmsSettings *settings, DkmsListener *events, const char *kernel);
