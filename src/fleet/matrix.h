/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verb matrix: modules x kernels, on any engine that runs independent commands. It lists jobs, does a part of them,
 * or merges reports. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "model/request.h"

/**
 * dkms_matrix:
 * Does what the request names: with `merge`, merges the reports in that directory; with `output` and without `format`,
 * does the jobs of its shard, or its only job; otherwise lists the jobs.
 *
 * Returns: FALSE with an error, also if a job failed or, of merged reports, is missing
 */
gboolean dkms_matrix (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error);
