/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kernel image says about the modules that it loads: the symbols that it exports, with their CRCs, and the
 * version text for modules.
 *
 * Formats: "The Linux/x86 Boot Protocol" for the compressed kernel in a bzImage; include/linux/export-internal.h and
 * kernel/module/internal.h of Linux 5.4 to 6.12 for __ksymtab and __kcrctab. Newer kernels have one table of symbols,
 * and
 * __kflagstab, a byte for each symbol whose lowest bit means GPL only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *name;
  const char *name_space; /* "": none */
  bool gpl_only, has_crc;
  uint32_t crc;
} KernelExport;

/** Called for each symbol, in the order of the image. The texts are valid during the call only. */
typedef void (*KernelExportFunc) (const KernelExport *symbol, void *user);

/** Finds the compressed kernel in a bzImage. @at, @length: (out): where it lies in @bytes. Returns: false if it is none
 */
bool kernel_image_payload (const void *bytes, size_t size, size_t *at, size_t *length);
/** Returns: (transfer none) (nullable): the text about its version in a bzImage, which begins with the release */
const char *kernel_image_version (const void *bytes, size_t size);
/** Calls @func for each symbol that the unpacked kernel in @bytes exports. Returns: (transfer none) (nullable): why
 * they cannot be read. Then @func was not called */
const char *kernel_image_exports (const void *bytes, size_t size, KernelExportFunc func, void *user);
/** Finds the type information (.BTF). @at, @length: (out). Returns: false if there is none */
bool kernel_image_btf (const void *bytes, size_t size, size_t *at, size_t *length);
/** Returns: (transfer none) (nullable): the version text for modules of the kernel @release in the unpacked kernel: the
 * text that begins with the release and a blank, and consists of its known words */
const char *kernel_image_vermagic (const void *bytes, size_t size, const char *release);
