/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms cache verify: builds what is built once more, and compares. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "model/request.h"

/**
 * dkms_cache_verify:
 * @request: module, version and targets are filters
 *
 * Builds each module again, in a tree of its own (fleet/work.h) and without the build cache, and compares the modules
 * without signatures and compression. Neither the tree nor what is installed changes. A build that was not reproducible
 * is built with the environment of the caller, as if it was at the same place.
 *
 * Returns: FALSE with DKMS_ERROR_BUILDS_DIFFER if one is not equal, apart from type information
 */
gboolean dkms_cache_verify (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                            GError **error);
