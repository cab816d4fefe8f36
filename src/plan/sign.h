/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan of sign. */
#pragma once

#include "plan/planner.h"

/** Plans a new signature for each build for the targets. Fails if the request names a module that is not registered, or
 * that is not built for one of the targets. */
gboolean dkms_plan_sign (const DkmsPlanner *p, GError **error);
