/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unified kernel images (UKI): programs for EFI firmware that contain a kernel, a boot image and a command line. A
 * helper reads them. */
#pragma once

#include "machine/bls.h"

#include "base/root.h"

typedef struct {
  char *release;    /* (nullable): of the kernel */
  char *cmdline;    /* (nullable) */
  char *os_release; /* (nullable): the text of os-release */
} DkmsUnifiedImage;

/** Returns: (transfer full) (nullable): the texts in the file @path inside the root; NULL if it is not a unified kernel
 * image or cannot be read */
DkmsUnifiedImage *dkms_unified_image_read (const DkmsRoot *root, const char *path);
void dkms_unified_image_free (DkmsUnifiedImage *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsUnifiedImage, dkms_unified_image_free)

/** Returns: (transfer full): the entry of a boot menu for @self: The Boot Loader Specification, "Type #2". @name: of
 * its file; @path: its path, as menus name files */
DkmsBlsEntry *dkms_unified_image_entry (const DkmsUnifiedImage *self, const char *name, const char *path);
