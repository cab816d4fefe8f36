/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules of a kernel that compute digests, for signatures that the kernel verifies only after it has loaded one. */
#pragma once

#include "check/policy.h"
#include "conf/places.h"

typedef struct {
  const DkmsPlaces *places; /* must live as long as this value */
  const char *release;      /* the same */
  GHashTable *found;        /* (element-type utf8 GPtrArray): answers of earlier calls */
} DkmsDigestModules;

/** Returns: (transfer full): for a kernel whose indexes are not read yet */
DkmsDigestModules *dkms_digest_modules_new (const DkmsPlaces *places, const char *release);
void dkms_digest_modules_free (DkmsDigestModules *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsDigestModules, dkms_digest_modules_free)

/** Returns: (transfer none) (element-type utf8) (nullable): the names of the modules that compute @digest, such as
 * "sha512", which the kernel does not contain; NULL: it does, does not know @digest, or its indexes cannot be read */
const GPtrArray *dkms_digest_modules_find (const DkmsDigestModules *self, const DkmsSigningOptions *options,
                                           const char *digest);
/** Returns: whether the kernel can verify signatures with @digest after modprobe could load a module */
DkmsKnown dkms_digest_modules_have (const DkmsDigestModules *self, const DkmsSigningOptions *options,
                                    const char *digest);
