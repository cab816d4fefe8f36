/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans for all modules and one kernel. */
#pragma once

#include "plan/planner.h"

/** match: the versions that are installed for the template, for the target kernel. */
gboolean dkms_plan_match (const DkmsPlanner *p, GError **error);
/** kernel_preinst (modules that are built again automatically) and kernel_prerm (all): removes builds, then empty
 * directories. */
void dkms_plan_clear (const DkmsPlanner *p);
void dkms_plan_clean (DkmsPlan *plan, const DkmsId *target);
/** autoinstall: the latest version of every module with AUTOINSTALL, in rounds (docs/interface/build-install.md
 * §12). */
void dkms_plan_autoinstall (DkmsPlan *plan, const DkmsId *target, const DkmsState *state);
