/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plans of kernel_preinst and kernel_prerm. */
#pragma once

#include "plan/planner.h"

/** Plans the removal of builds and of remains: for kernel_preinst, of modules that are built again automatically; for
 * kernel_prerm, of all modules. */
void dkms_plan_clear (const DkmsPlanner *p);
/** Adds the step that removes the empty directories of the kernel after all other steps. */
void dkms_plan_clean (DkmsPlan *plan, const DkmsId *target);
