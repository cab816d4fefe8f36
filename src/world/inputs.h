/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a build would be made from now: the one place that makes the inputs of which model/inputs.h speaks. */
#pragma once

#include "model/attempt.h"
#include "world/world.h"

/**
 * dkms_world_inputs:
 * @id: module, version, kernel and architecture
 * @made: (nullable): the last attempt. While dkms.conf and its overrides are as they were then, so is what they say,
 * and no recipe is evaluated
 * @texts: (out) (transfer full) (nullable): as in DkmsAttempt
 *
 * What cannot be read is left out. A recipe that has an error is what cannot be read, too.
 *
 * Returns: (transfer full)
 */
DkmsInputs *dkms_world_inputs (DkmsWorld *self, const DkmsId *id, const DkmsAttempt *made, char **texts);
