/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans for one version of a module. */
#pragma once

#include "plan/planner.h"

/** Makes the plan for the version in the request. */
gboolean dkms_plan_one (const DkmsPlanner *p, GError **error);
