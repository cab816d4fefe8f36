/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules that must be rebuilt because one of their dependencies changed. */
#pragma once

#include "plan/planner.h"

/** Plans the rebuilds of modules whose builds used other versions of dependencies than will be installed, once and in
 * order. */
void dkms_plan_dependents (DkmsPlan *plan, const DkmsState *state, const DkmsId *target);
