/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds for one kernel that serve another one. */
#pragma once

#include "conf/places.h"
#include "model/state.h"

/** Returns: whether every module of that active build serves @kernel, too, through links in its weak-updates; to
 * be asked where dkms_policy_uses_weak() says so */
gboolean dkms_weak_serves (const DkmsPlaces *places, const DkmsVersion *v, const DkmsBuild *build, const char *kernel);
