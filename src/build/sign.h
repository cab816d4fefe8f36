/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the modules for one kernel are signed, and with which key (docs/interface/build-install.md §4). */
#pragma once

#include "build/keys.h"
#include "conf/settings.h"
#include "model/event.h"

typedef struct DkmsSigner {
  gboolean ready;   /* FALSE: modules stay unsigned, and the reason was reported */
  gboolean refused; /* Secure Boot is enabled, and the kernel will not load the modules */
  GError *error;    /* (nullable): that reason */
  char *hash;       /* such as "sha256" */
  char *tool;       /* (nullable) the administrator's sign_file, as tools name it; NULL: dkms signs itself */
  GPtrArray *pairs; /* (nullable): element-type DkmsKeyPair: all of them sign each module; not NULL if ready */
} DkmsSigner;

/**
 * dkms_signer_new:
 * @config: (nullable): text of the kernel configuration
 *
 * Decides for @kernel, creates a missing key pair, and emits the result. It is not a failure if modules stay unsigned.
 *
 * Returns: (transfer full)
 */
DkmsSigner *dkms_signer_new (const DkmsSettings *settings, DkmsListener *events, const DkmsKernel *kernel,
                             const char *config);
void dkms_signer_free (DkmsSigner *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsSigner, dkms_signer_free)

/** Returns: (transfer full): the certificates of @self, as records name them */
char *dkms_signer_name (const DkmsSigner *self);

/** Only creates missing files, for generate_mok. Existing files are not changed. @anew: a certificate without its key
 * is renamed, so that a new pair can be created */
gboolean dkms_signer_generate (const DkmsSettings *settings, DkmsListener *events, const DkmsKernel *kernel,
                               const char *config, gboolean anew, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Finds the names of the files that sign modules for @kernel, and creates nothing. @config: (nullable): text of the
 * kernel configuration. Returns: (transfer full) (element-type DkmsKeyPair) (nullable): at least one; NULL with an
 * error */
GPtrArray *dkms_signer_files (const DkmsSettings *settings, const DkmsKernel *kernel, const char *config,
                              GError **error);

/** Fails with what dkms-sign prints if @certificate does not belong to @key, or if the key cannot be used. Both are
 * paths inside the root. Succeeds if this process may not read the key, because that is then not known. */
gboolean dkms_signer_check_pair (const DkmsPlaces *places, const char *key, const char *certificate, GError **error);

/**
 * dkms_signer_sign:
 * @paths: (element-type utf8): modules, paths inside the root
 * @shown: (element-type utf8): for each, its name in events
 *
 * Signs the modules in place. A failure is a warning, and that file is unchanged.
 */
void dkms_signer_sign (const DkmsSigner *self, const DkmsPlaces *places, DkmsListener *events, const GPtrArray *paths,
                       const GPtrArray *shown);
/** As dkms_signer_sign(), but fails unless all modules are signed. After a failure, some may be signed. */
gboolean dkms_signer_sign_all (const DkmsSigner *self, const DkmsPlaces *places, DkmsListener *events,
                               const GPtrArray *paths, GError **error) G_GNUC_WARN_UNUSED_RESULT;
