/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compresses modules in the format of the kernel's own modules. */
#pragma once

#include "install/job.h"

/**
 * dkms_compress:
 * @paths: (element-type utf8): modules, paths inside the root
 * @suffix: selects the format
 *
 * Compresses the modules in place, several at the same time, as far as the limit of jobs allows. A failure is a
 * warning, and the file stays uncompressed.
 */
void dkms_compress (const DkmsJob *job, const GPtrArray *paths, const char *suffix);
