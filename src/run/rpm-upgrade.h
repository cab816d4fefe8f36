/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --rpm_safe_upgrade (docs/interface/build-install.md §16). */
#pragma once

#include "run/steps.h"

/** Writes (add) or evaluates (remove) the lock of an rpm upgrade. @cancelled: (out): nothing must be removed */
gboolean dkms_rpm_upgrade (DkmsRun *run, gboolean *cancelled, GError **error) G_GNUC_WARN_UNUSED_RESULT;
