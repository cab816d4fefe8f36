/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans that are about all modules for one kernel. */
#pragma once

#include "plan/planner.h"

/** match: for the target kernel what is installed for the template, in the same versions. */
gboolean dkms_plan_match (const DkmsPlanner *p, GError **error);
/** kernel_preinst (modules that come back by themselves), kernel_prerm (all): builds go, empty directories last. */
void dkms_plan_clear (const DkmsPlanner *p);
void dkms_plan_clean (DkmsPlan *plan, const DkmsId *target);
/** autoinstall: the latest version of every module that wants to be there, in rounds (docs/interface/build-install.md
 * §12). */
void dkms_plan_autoinstall (DkmsPlan *plan, const DkmsId *target, const DkmsState *state);
