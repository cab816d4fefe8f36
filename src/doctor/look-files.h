/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds faults of the modules in the directories of kernels, and of archived originals. Private to doctor/. */
#pragma once

#include "doctor/look.h"

/** Finds them. */
void dkms_look_at_files (DkmsLook *self);
