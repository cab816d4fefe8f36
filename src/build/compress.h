/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compresses modules in the format of the kernel's own modules. */
#pragma once

#include "install/job.h"

/** Compresses @path (inside the root) in place; @suffix selects the format. A failure is a warning, and the file stays
 * uncompressed. */
void dkms_compress (const DkmsJob *job, const char *path, const char *suffix);
