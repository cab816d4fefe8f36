/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One entry of a boot menu. */
#pragma once

#include <glib.h>

typedef struct {
  char *title;
  char *id;           /* (nullable): the name that a boot loader stores for it */
  char *kernel;       /* (nullable): path of the kernel image, as the menu names it; NULL: it boots no Linux kernel */
  char *cmdline;      /* (nullable): command line of the kernel */
  GPtrArray *initrds; /* (element-type utf8): paths of the boot images, in order, as the menu names them */
  GPtrArray *entries; /* (nullable) (element-type DkmsBootEntry): those of a submenu; NULL: it is not a submenu */
} DkmsBootEntry;

/** Returns: (transfer full): an entry without a kernel. @title: (transfer full) */
DkmsBootEntry *dkms_boot_entry_new (char *title);
void dkms_boot_entry_free (DkmsBootEntry *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsBootEntry, dkms_boot_entry_free)
/** Returns: (transfer full): an array for entries */
GPtrArray *dkms_boot_entries_new (void);
