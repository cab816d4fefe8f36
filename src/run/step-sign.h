/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step that signs a build again. */
#pragma once

#include "run/steps.h"

/** Signs the build of @step, and its installed modules, unless today's keys signed them. Succeeds if another run has
 * deleted the build, and for a kernel without signatures. */
gboolean dkms_step_sign (DkmsRun *run, const DkmsStep *step, GError **error) G_GNUC_WARN_UNUSED_RESULT;
