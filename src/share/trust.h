/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file /etc/dkms/cache-trust (dkms-cache-trust(5)): whose builds this machine takes from the remote build cache. */
#pragma once

#include "conf/settings.h"

/* A key whose builds are taken. */
typedef struct {
  char *key;        /* public key in the format of minisign, in Base64 */
  char *id;         /* its id as minisign prints it: 16 digits in hexadecimal. dkms_cache_slot() takes it */
  GPtrArray *globs; /* element-type utf8: modules that it may build; empty: all */
} DkmsCacheSigner;

typedef struct {
  GPtrArray *signers; /* element-type DkmsCacheSigner, in the order of the file; empty: no build is taken */
  guint require;      /* so many of them must have built equal modules; at least 1 */
  GPtrArray *denied;  /* element-type utf8: keys of builds, and digests of files: 64 digits in lower case */
} DkmsTrust;

/**
 * dkms_trust_read:
 * Reads the file. If it does not exist, nobody is trusted.
 *
 * Returns: (transfer full) (nullable): NULL with an error if others can write it, if it cannot be read, or if a line of
 * it is not understood; then nobody may be trusted
 */
DkmsTrust *dkms_trust_read (const DkmsSettings *settings, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Reads the @size bytes of @text, which end with a NUL that is not counted. @path: for the error. Returns: as
 * dkms_trust_read() */
DkmsTrust *dkms_trust_parse (const char *text, gsize size, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void dkms_trust_free (DkmsTrust *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsTrust, dkms_trust_free)

/**
 * dkms_trust_generate:
 * Creates the key @path of the host, with which dkms-sign signs builds for other machines, and its public key, the file
 * "@path.pub". A key that exists is kept.
 *
 * Returns: (transfer full) (nullable): the public key, as in the file of others; NULL with an error
 */
char *dkms_trust_generate (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

gboolean dkms_cache_signer_may_build (const DkmsCacheSigner *self, const char *module);
