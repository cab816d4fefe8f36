/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds from the build cache (share/cache.h), and to it. A build is only taken and stored if it is confined: otherwise
 * it could read files that are not in its key. */
#pragma once

#include "build/area.h"

/**
 * dkms_cached_take:
 * @done: (out): whether the build of @job is complete
 *
 * If the cache has the build of @job, its modules are signed, compressed and published, and no step of the recipe runs.
 * An entry that cannot be used is reported, and the build can go on.
 *
 * Returns: FALSE with an error if it is known that the build fails
 */
gboolean dkms_cached_take (const DkmsJob *job, gboolean *done, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Copies the modules of the result, before they are signed, for dkms_cached_store(). If that fails, nothing is stored.
 */
void dkms_cached_keep (DkmsWorkArea *area);
/**
 * dkms_cached_store:
 * @built: whether the build was published; otherwise it has failed, which is stored if the inputs of its key are the
 * reason
 *
 * A failure is not reported, because the build is complete. Other machines that wait for a result that is not stored
 * begin to build.
 */
void dkms_cached_store (DkmsWorkArea *area, gboolean built);
