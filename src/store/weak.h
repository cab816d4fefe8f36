/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds for one kernel that serve another one. */
#pragma once

#include "conf/settings.h"
#include "model/state.h"

/** Returns: whether every module of that active build serves @kernel, too, through links in its weak-updates */
gboolean dkms_weak_serves (const DkmsSettings *settings, const DkmsVersion *v, const DkmsBuild *build,
                           const char *kernel);
