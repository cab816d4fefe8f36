/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds for one kernel that are used for another one. */
#pragma once

#include "conf/places.h"
#include "model/state.h"

/** Returns: whether every module of that active build is used for @kernel through links in its weak-updates.
 * Call this only if dkms_policy_uses_weak() */
gboolean dkms_weak_serves (const DkmsPlaces *places, const DkmsVersion *v, const DkmsBuild *build, const char *kernel);
