/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules that serve the compatible siblings of a kernel (docs/interface/build-install.md §10). */
#pragma once

#include "install/job.h"

/** Tells the distribution's weak-modules tool what was installed, or is about to go; no matter if it fails. */
void dkms_weak_modules (const DkmsJob *job, gboolean add);
