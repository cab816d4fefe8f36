/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files in a boot image (initramfs).
 *
 * Format: "initramfs buffer format" in the documentation of Linux: any number of zero bytes, archives of the formats
 * newc and newc with checksums, and compressed archives, one after the other. A bootconfig may follow at the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Called for each regular file. @bytes are valid during the call only. A file with the path of an earlier one replaces
 * it. */
typedef void (*BootImageFunc) (const char *path, const unsigned char *bytes, size_t size, void *user);

/** Reads an image. Compressed archives are unpacked to memory files, up to 1 GiB each; they may contain compressed
 * archives, down to @depth levels. Returns: (transfer none) (nullable): why it cannot be read further; the files before
 * were passed to @func */
const char *boot_image_read (const unsigned char *bytes, size_t size, unsigned depth, BootImageFunc func, void *user);
