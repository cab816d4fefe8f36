/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of dkms-modinfo about modules, remembered. */
#pragma once

#include "conf/places.h"
#include "kernel/module-file.h"
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

/**
 * dkms_module_files_remembered:
 * @name: for dkms_answers_ask()
 * @paths: (element-type utf8): module files, paths of the host
 *
 * Returns: (transfer full) (element-type DkmsModuleFile) (nullable): what each of @paths says about itself; NULL with
 * an error if the helper cannot run, or crashed at one of them
 */
GPtrArray *dkms_module_files_remembered (const DkmsPlaces *places, const char *name, const GPtrArray *paths,
                                         GError **error);
