/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys and certificates that sign modules (docs/interface/build-install.md §4). */
#pragma once

#include "conf/settings.h"
#include "model/event.h"

typedef struct {
  char *key;         /* path inside the root, or a pkcs11: URI */
  char *certificate; /* path inside the root */
  gboolean refused;  /* Secure Boot is enabled, and the certificate is not enrolled. dkms_keys_provide() sets it */
} DkmsKeyPair;

/* The settings for signing, from framework.conf or, if they are not set there, from the environment. */
typedef struct {
  char *tool, *key, *certificate, *try_sign; /* (nullable) */
} DkmsSigningValues;

gboolean dkms_signing_values_read (const DkmsSettings *settings, const char *release, DkmsSigningValues *values,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_signing_values_clear (DkmsSigningValues *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsSigningValues, dkms_signing_values_clear)

/** Returns: (transfer full): @path, a key or certificate inside @root, as programs of the machine name it */
char *dkms_key_host_path (const DkmsRoot *root, const char *path);

/**
 * dkms_keys_choose:
 * @config: (nullable): text of the configuration of the kernel
 *
 * Finds the names of the keys that sign modules for @kernel. The files need not exist.
 *
 * Returns: (transfer full) (element-type DkmsKeyPair) (nullable): at least one; NULL with an error
 */
GPtrArray *dkms_keys_choose (const DkmsSettings *settings, const DkmsKernel *kernel, const char *config,
                             const DkmsSigningValues *values, GError **error);
/**
 * dkms_keys_provide:
 * @pairs: (element-type DkmsKeyPair)
 * @config: (nullable): text of the configuration of the kernel that new certificates are made for
 *
 * Creates missing files, and emits whether the kernel trusts the certificates. Existing files are not changed.
 */
gboolean dkms_keys_provide (const GPtrArray *pairs, const DkmsSettings *settings, DkmsListener *events,
                            const char *config, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Renames each certificate of @pairs (element-type DkmsKeyPair) whose key does not exist, so that dkms_keys_provide()
 * creates a new pair. The new name ends with the first free number. */
gboolean dkms_keys_renew (const GPtrArray *pairs, const DkmsRoot *root, DkmsListener *events,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
