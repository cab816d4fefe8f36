/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan of match. */
#pragma once

#include "plan/planner.h"

/** Plans for the target kernel the versions that are installed for the template. Fails if the module is not registered,
 * or if the template is neither a kernel nor has builds. */
gboolean dkms_plan_match (const DkmsPlanner *p, GError **error);
