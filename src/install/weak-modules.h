/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes modules available to compatible kernels (docs/interface/build-install.md §10). */
#pragma once

#include "install/job.h"

/** Passes the files that were installed, or will be deleted, to the weak-modules tool of the distribution. Failures are
 * ignored. */
void dkms_weak_modules (const DkmsJob *job, gboolean add);
