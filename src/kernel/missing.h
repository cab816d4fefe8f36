/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors about headers that are not installed, with the command that installs them. */
#pragma once

#include "kernel/distro.h"
#include "kernel/kernel.h"

/** Fails with DKMS_ERROR_NO_HEADERS about @kernel, which is in @root. Returns: FALSE */
gboolean dkms_missing_headers (const DkmsDistro *distro, const DkmsRoot *root, const DkmsKernel *kernel,
                               GError **error);
/** Fails with DKMS_ERROR_NO_KERNEL_WITH_HEADERS about all kernels in @install_tree, inside @root. The package with the
 * headers of the newest kernel is advised. Returns: FALSE */
gboolean dkms_missing_all_headers (const DkmsDistro *distro, const DkmsRoot *root, const char *install_tree,
                                   GError **error);
