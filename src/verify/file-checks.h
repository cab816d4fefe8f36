/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the kernel loads the module files: the checks readable, format, vermagic, symbols, exports, btf, signature
 * and dependencies. */
#pragma once

#include "verify/verification.h"

/**
 * dkms_file_checks_judge:
 * @kernel: with files that were looked up; gets the readings of the kernel and of its keys
 * @cmdline: (nullable): the command line that the kernel boots with; NULL: unknown
 *
 * Sets the answers of the files, and adds findings to them.
 */
void dkms_file_checks_judge (const DkmsSettings *settings, DkmsVerifiedKernel *kernel, const char *image,
                             const char *cmdline);
