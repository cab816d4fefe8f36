/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes over what a forecast kept (store/kept.h), instead of compiling once more. */
#pragma once

#include "install/job.h"

/**
 * dkms_take_over:
 * @done: (out): whether the build of @job is complete
 *
 * If a forecast has kept a build with the inputs of @job, its modules are copied, signed and compressed, and published
 * in the transaction that deletes the kept build. If that fails, @job can be built. A forecast does not try again what
 * failed before.
 *
 * Returns: FALSE with the error of a build that failed in an earlier forecast, in a forecast only
 */
gboolean dkms_take_over (const DkmsJob *job, gboolean *done, GError **error) G_GNUC_WARN_UNUSED_RESULT;
