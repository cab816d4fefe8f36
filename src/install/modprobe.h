/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads new modules for present hardware. */
#pragma once

#include "conf/settings.h"

/** Loads modules for all hardware of this machine, if the administrator configured it. Failures are ignored. */
void dkms_modprobe (const DkmsSettings *settings);
