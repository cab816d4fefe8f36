/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans that are about one version of a module. */
#pragma once

#include "plan/planner.h"

/** Everything about the version that the request names. */
gboolean dkms_plan_one (const DkmsPlanner *p, GError **error);
