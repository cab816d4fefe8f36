/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where distributions keep the files of a kernel. */
#pragma once

#include "kernel/kernel.h"

typedef struct {
  char *path;          /* inside the root */
  gboolean must_match; /* the name has no release: the image counts only if it tells that it is of this kernel */
} DkmsKernelPlace;

/** Returns: (transfer full) (nullable): the first line of a small file, without blanks at both ends; NULL if the file
 * does not exist, or the line cannot be a name */
char *dkms_read_name (const DkmsRoot *root, const char *path);
/** Returns: (transfer full) (element-type DkmsKernelPlace): where the image of @kernel may be, best first */
GPtrArray *dkms_kernel_images (const DkmsRoot *root, const DkmsKernel *kernel);
/** Returns: (transfer full) (element-type utf8): paths of the host of existing lists of symbols (Module.symvers), best
 * first. @headers: only that of the headers */
GPtrArray *dkms_kernel_symvers (const DkmsRoot *root, const DkmsKernel *kernel, gboolean headers);
/** Returns: (transfer full) (element-type utf8): a few existing modules of the kernel itself, inside the root */
GPtrArray *dkms_kernel_own_modules (const DkmsRoot *root, const DkmsKernel *kernel);
