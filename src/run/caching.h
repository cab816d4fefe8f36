/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The build cache of a run. */
#pragma once

#include "run/steps.h"

/** Opens the build cache at the first call; if a part of it cannot be used, that is reported once. Returns: (transfer
 * none) (nullable): NULL if there is no cache, or the request is not to use it for the module of @id */
const DkmsCaches *dkms_run_caches (DkmsRun *run, const DkmsId *id);
/** Handles @event of a worker: a server of the build cache that does not answer is not asked again in this run.
 * Returns: FALSE if the event was reported before */
gboolean dkms_run_hear_of_cache (DkmsRun *run, const DkmsEvent *event);
/** Closes the build cache. If it is larger than cache_size_mib, old builds are deleted. */
void dkms_run_close_cache (DkmsRun *run);
/** Deletes what the cache has of the builds of @id, and of failed attempts to build it. A user who removes a build and
 * builds again does not want the same one. The attempts must still exist. */
void dkms_run_forget_cached (DkmsRun *run, const DkmsId *id);
