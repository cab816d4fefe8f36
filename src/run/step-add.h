/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step that registers a source. */
#pragma once

#include "run/steps.h"

/** Fails with DKMS_ERROR_SOURCE_NOT_COPIED if the caller must not write to the source tree. */
gboolean dkms_step_check_may_import (const DkmsRun *run, GError **error);
gboolean dkms_step_add (DkmsRun *run, const DkmsStep *step, GError **error);
