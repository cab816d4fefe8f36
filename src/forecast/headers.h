/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The headers of a kernel that is not installed: unpacked beside the tree, or in directories that the caller names. */
#pragma once

#include "conf/settings.h"
#include "forecast/offer.h"

/* The headers of one kernel. */
typedef struct {
  char *release;
  char *arch;
  char *root;       /* a directory of the host, whose files belong at the same paths of the system */
  GPtrArray *roots; /* element-type utf8: more of them, which the caller named */
  char *build;      /* (nullable): a directory of the host that belongs at <install_tree>/<release>/build */
} DkmsAheadHeaders;

void dkms_ahead_headers_free (DkmsAheadHeaders *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsAheadHeaders, dkms_ahead_headers_free)

/**
 * dkms_ahead_headers_unpack:
 * @id: kernel and arch
 * @paths: (element-type utf8): of the host: packages (deb, RPM, pacman, apk, tar), directories with the files of such
 *   packages, or one directory in which modules can be built
 *
 * Unpacks the packages below .dkms/ahead/kernels/<k>. The caller holds DKMS_KEPT_LOCK.
 *
 * Returns: (transfer full) (nullable)
 */
DkmsAheadHeaders *dkms_ahead_headers_unpack (const DkmsSettings *settings, const DkmsId *id, const GPtrArray *paths,
                                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whom to ask for packages. */
typedef struct {
  const DkmsManager *manager;
  const char *own; /* as for its functions */
} DkmsSource;

/**
 * dkms_ahead_headers_fetch:
 * @offer: (inout): gets the size of what was fetched, or why that failed
 *
 * Fetches and unpacks the packages of @offer, unless those of the same versions are unpacked already.
 *
 * Returns: (transfer full) (nullable): NULL with an error if the files cannot be written, and without one if they could
 * not be fetched
 */
DkmsAheadHeaders *dkms_ahead_headers_fetch (const DkmsSettings *settings, const DkmsSource *source,
                                            DkmsKernelOffer *offer, const char *arch,
                                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
