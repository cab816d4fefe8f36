/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Variables of the EFI firmware of this machine (efivarfs: four bytes of attributes, then the value). */
#pragma once

#include "base/root.h"

/* Vendors of variables. */
#define DKMS_EFI_GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define DKMS_EFI_LOADER "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

/** Returns: whether the system in @root was booted by EFI firmware; FALSE if that is unknown */
gboolean dkms_efi_is_there (const DkmsRoot *root);
/** Returns: (transfer full) (nullable): the value of the variable @name of @vendor; NULL if it does not exist or cannot
 * be read */
GBytes *dkms_efi_read (const DkmsRoot *root, const char *name, const char *vendor);
/** The same for a variable with a text. */
char *dkms_efi_read_text (const DkmsRoot *root, const char *name, const char *vendor);
