/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds faults of permissions, file systems and hooks, and recipes that are out of date. Private to doctor/. */
#pragma once

#include "doctor/look.h"

/** Finds faults of permissions, file systems and hooks. */
void dkms_look_at_machine (DkmsLook *self);
/** Finds recipes that are out of date. */
void dkms_look_at_recipes (DkmsLook *self);
