/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The administrator's program that is called after changes. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"

/** Runs the admin's command after a successful run, logged in <dkms_tree>/post_transaction.log; a failure is told. */
void dkms_post_transaction (const DkmsSettings *settings, DkmsListener *events, const char *kernel);
