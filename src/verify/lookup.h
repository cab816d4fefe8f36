/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What modprobe would load, remembered. */
#pragma once

#include "conf/places.h"
#include "kernel/module-index.h"

/**
 * dkms_lookup_remembered:
 * @release: of the kernel
 * @what: a name for the answer, such as "symbols"; one for each place that asks, so that it finds its answer again
 *
 * As dkms_module_lookup(), but the helper is asked again only if the names or the indexes have changed.
 */
GPtrArray *dkms_lookup_remembered (const DkmsPlaces *places, const char *release, const char *what,
                                   const GPtrArray *names, GError **error);
