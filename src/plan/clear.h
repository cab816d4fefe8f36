/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plans of kernel_preinst, kernel_prerm and prune. */
#pragma once

#include "plan/planner.h"

/** Plans the removal of builds and of remains: for kernel_preinst, of modules that are built again automatically; for
 * kernel_prerm, of all modules. */
void dkms_plan_clear (const DkmsPlanner *p);
/** Plans the removal of builds and of remains for the kernels in the facts, which are not installed. Fails if the
 * request names a module that is not registered. */
gboolean dkms_plan_prune (const DkmsPlanner *p, GError **error);
/** Adds the step that removes the empty directories of the kernel after all other steps. */
void dkms_plan_clean (DkmsPlan *plan, const DkmsId *target);
