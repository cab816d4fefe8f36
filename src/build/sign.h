/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether and with what the modules for one kernel are signed (docs/interface/build-install.md §4). */
#pragma once

#include "conf/settings.h"
#include "model/event.h"

typedef struct DkmsSigner {
  gboolean ready;    /* otherwise modules stay unsigned, and the reason was told */
  char *hash;        /* such as "sha256" */
  char *tool;        /* (nullable) the admin's sign_file, as tools name it; NULL: dkms signs by itself */
  char *key;         /* path inside the root, or a pkcs11: URI */
  char *certificate; /* path inside the root */
} DkmsSigner;

/**
 * dkms_signer_new:
 * @config: (nullable): text of the kernel configuration
 *
 * Decides for @kernel, makes the key pair when there is none yet, and says in a line or two what
 * came of it. That nothing gets signed is no failure.
 *
 * Returns: (transfer full)
 */
DkmsSigner *dkms_signer_new (const DkmsSettings *settings, DkmsListener *events, const DkmsKernel *kernel,
                             const char *config);
void dkms_signer_free (DkmsSigner *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsSigner, dkms_signer_free)

/** The key part alone, for generate_mok: existing files are left as they are. */
gboolean dkms_signer_generate (const DkmsSettings *settings, DkmsListener *events, const DkmsKernel *kernel,
                               const char *config, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Signs the module @path (inside the root), told as @shown, in place; a failure is a warning and leaves it as it was.
 */
void dkms_signer_sign (const DkmsSigner *self, const DkmsPlaces *places, DkmsListener *events, const char *path,
                       const char *shown);
