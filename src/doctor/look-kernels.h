/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds faults of kernels: those that are gone, their headers. Private to doctor/. */
#pragma once

#include "doctor/look.h"

/** Finds kernels that are not installed any more, and adds them to `gone`. Call it before other parts. */
void dkms_look_for_gone_kernels (DkmsLook *self);
/** Finds faults of the headers of installed kernels. */
void dkms_look_at_headers (DkmsLook *self);
