/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of Secure Boot in the firmware of the running machine. */
#pragma once

#include "base/root.h"

typedef enum {
  DKMS_SECURE_BOOT_UNKNOWN, /* no EFI firmware, or its variables are not mounted or not readable */
  DKMS_SECURE_BOOT_DISABLED,
  DKMS_SECURE_BOOT_ENABLED,
} DkmsSecureBoot;

/** Evaluates the variables like the kernel: enabled if SecureBoot is 1, unless the owner disabled validation
 * (MokSBStateRT is 1). */
DkmsSecureBoot dkms_secure_boot_read (void);

/**
 * dkms_secure_boot_trusts:
 * @certificate: a path of the host; DER or PEM
 *
 * Returns: whether the certificate is a machine owner key (MokListRT) or a key of the firmware (db); FALSE also if one
 * of the files cannot be read
 */
gboolean dkms_secure_boot_trusts (const char *certificate);

/** Returns: whether modules that are built for @root are for another machine, whose key is not available: @root is a
 * chroot, or this process runs in one */
gboolean dkms_secure_boot_in_chroot (const DkmsRoot *root);
/** Returns: the state for modules of @root; for those of another system it is unknown, because they depend on its
 * firmware */
DkmsSecureBoot dkms_secure_boot_of (const DkmsRoot *root);
