/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sections of programs for EFI firmware, such as unified kernel images.
 *
 * Formats: "PE Format" of Microsoft; "Unified Kernel Image" of the UAPI group for the names of sections. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** Returns: whether @bytes begin like a program for EFI firmware. Kernel images with an EFI stub do, too */
bool pe_image_is (const void *bytes, size_t size);
/** Finds the first section @name. @at, @length: (out): where its content lies in @bytes. Returns: false if there is
 * none or it is not inside of the file */
bool pe_image_section (const void *bytes, size_t size, const char *name, size_t *at, size_t *length);
