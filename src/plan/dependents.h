/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules that must be built again because one that they depend on changed. */
#pragma once

#include "plan/planner.h"

/** Rebuilds, once and in order, what saw other versions of its dependencies than will be installed. */
void dkms_plan_dependents (DkmsPlan *plan, const DkmsState *state, const DkmsId *target);
