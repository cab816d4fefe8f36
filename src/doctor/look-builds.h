/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds faults of finished builds, and of what is installed from them. Private to doctor/. */
#pragma once

#include "doctor/look.h"

/** Finds them. Builds for kernels in `gone` are omitted. */
void dkms_look_at_builds (DkmsLook *self);
