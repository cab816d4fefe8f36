/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inputs that a build would have now (model/inputs.h). No other code gathers them. */
#pragma once

#include "model/attempt.h"
#include "world/world.h"

/**
 * dkms_world_inputs:
 * @id: module, version, kernel and architecture
 * @made: (nullable): the last attempt. If dkms.conf and its overrides are unchanged, the values of the recipe are taken
 * from it, and no recipe is evaluated
 * @texts: (out) (transfer full) (nullable): as in DkmsAttempt
 *
 * If @made is given, the inputs of the kernel, of its compiler and of the environment are gathered once in a run.
 *
 * Inputs that cannot be read are omitted, also those from a recipe with an error.
 *
 * Returns: (transfer full)
 */
DkmsInputs *dkms_world_inputs (DkmsWorld *self, const DkmsId *id, const DkmsAttempt *made, char **texts);

/** Returns: (transfer full): @text without irrelevant differences between machines and runs: paths of the tree, of
 * sources and of headers, and the number of jobs */
char *dkms_world_normalise (DkmsWorld *self, const DkmsId *id, const char *text);

/** Returns: the inputs that have changed since the build of @id was made (DkmsStaleness); 0 if they are unknown, or the
 * version has no source from which it could be built again. @made: (nullable): the attempt that made it */
guint dkms_world_changes (DkmsWorld *self, const DkmsId *id, const DkmsAttempt *made);
