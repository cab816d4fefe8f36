/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading new modules for hardware that is there. */
#pragma once

#include "conf/settings.h"

/** Loads modules for all hardware of this machine, if the admin asked for it. Failures do not matter. */
void dkms_modprobe (const DkmsSettings *settings);
