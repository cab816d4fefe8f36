/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The defined environment of reproducible builds (reproducible in framework.conf): nothing of the caller, the host, the
 * user, the time and the place of the build is in it, or in what is built. */
#pragma once

#include "world/world.h"

/**
 * dkms_world_environment:
 * @mapped: (out): whether compilers are asked to write another path in place of the directory of the build. FALSE if
 * they cannot do this; then the result depends on it
 *
 * It is only for confined builds: others can read more than their environment.
 *
 * Returns: (transfer full) (nullable): NULL if builds get the environment of the caller
 */
char **dkms_world_environment (DkmsWorld *self, const DkmsId *id, gboolean *mapped);

/** Returns: whether confined builds have a defined environment */
gboolean dkms_world_is_reproducible (const DkmsWorld *self);
/** Returns: (transfer none) (nullable): the PATH of builds */
const char *dkms_world_path (const DkmsWorld *self);
