/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which version of a module a user means who did not write <module>/<version>. */
#pragma once

#include "conf/places.h"

/**
 * dkms_name_complete:
 * @module: (inout): a name without a version
 * @version: (out) (nullable) (transfer full): the version, NULL if it is not clear
 *
 * A module that is registered in one version is meant in that version. A name that is not registered, such as foo-1.0,
 * foo,1.0, foo@1.0 or foo:1.0, means foo/1.0 if that version is registered.
 */
void dkms_name_complete (const DkmsPlaces *places, char **module, char **version);

/** Returns: (transfer full) (nullable): the versions of @module in the source tree, as "m/1.0 or m/2.0" */
char *dkms_name_sources (const DkmsPlaces *places, const char *module);
