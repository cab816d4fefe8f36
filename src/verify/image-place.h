/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that make boot images, and where they put them. */
#pragma once

#include "conf/places.h"

typedef enum {
  DKMS_IMAGE_TOOL_NONE,
  DKMS_IMAGE_TOOL_INITRAMFS_TOOLS,
  DKMS_IMAGE_TOOL_DRACUT,
  DKMS_IMAGE_TOOL_MKINITCPIO,
  DKMS_IMAGE_TOOL_BOOSTER,
  DKMS_IMAGE_TOOL_MKINITFS
} DkmsImageTool;

/** Returns: the program that is installed in @root */
DkmsImageTool dkms_image_tool_find (const DkmsRoot *root);
/** Returns: (transfer full) (element-type utf8): the boot images of the kernel @release at the usual places of the
 * distribution, inside the root, or an empty array */
GPtrArray *dkms_image_places (const DkmsPlaces *places, const char *release, DkmsImageTool tool);
/** Returns: (transfer full) (nullable): the kernel image of @release, if kernel-install makes unified kernel images of
 * it */
char *dkms_image_kernel_install (const DkmsPlaces *places, const char *release);
