/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which kernel boots next, with which boot images and command line. */
#pragma once

#include "base/root.h"
#include "check/finding.h"

typedef enum { DKMS_LOADER_UNKNOWN, DKMS_LOADER_GRUB, DKMS_LOADER_SYSTEMD_BOOT, DKMS_LOADER_EXTLINUX } DkmsLoader;

/** Returns: (transfer none): "unknown", "grub", "systemd-boot" or "extlinux" */
const char *dkms_loader_name (DkmsLoader loader);

typedef struct {
  DkmsLoader loader;
  DkmsConfidence confidence; /* UNKNOWN: no boot menu was understood, and the newest kernel was taken */
  char *menu;                /* (nullable): the file that decided */
  char *entry;               /* (nullable): the title or id of the entry */
  char *release;             /* (nullable): of the kernel; NULL: the entry boots no kernel of this system */
  char *kernel;              /* (nullable): path of its image inside the root; NULL: it does not exist */
  char *named;               /* (nullable): the path of the image in the menu */
  GPtrArray *initrds;        /* (element-type utf8): paths of the boot images inside the root, in order; images that do
                                not exist are left out */
  guint initrds_gone;        /* images that the entry names and that do not exist */
  char *cmdline;             /* (nullable): command line of the kernel */
  char *unread;              /* (nullable): a menu that could not be read, so that the answer is a guess */
  gboolean kexec;            /* another kernel is loaded for kexec, and may run first */
  gboolean boot_next;        /* the firmware starts another boot loader once */
} DkmsNextBoot;

/**
 * dkms_next_boot_find:
 * @install_tree: the directory with the modules of kernels
 *
 * Asks in this order: systemd-boot, if it booted the machine; GRUB; systemd-boot, if it has entries; extlinux. A root
 * that is not that of the machine has no firmware to ask.
 *
 * Returns: (transfer full): the answer
 */
DkmsNextBoot *dkms_next_boot_find (const DkmsRoot *root, const char *install_tree);
void dkms_next_boot_free (DkmsNextBoot *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsNextBoot, dkms_next_boot_free)

/**
 * dkms_image_release:
 * @path: a kernel image inside the root
 *
 * Format: "The Linux/x86 Boot Protocol", kernel_version. The name of the file is used for images of other formats.
 *
 * Returns: (transfer full) (nullable): the release of the kernel
 */
char *dkms_image_release (const DkmsRoot *root, const char *path);
