/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan of autoinstall for one kernel. */
#pragma once

#include "plan/planner.h"

/** Plans the latest version of every module with AUTOINSTALL, in rounds (docs/interface/build-install.md §12). A
 * forecast only builds; if it names a module, that module and those that it depends on. */
void dkms_plan_autoinstall (const DkmsPlanner *p, const DkmsId *target);
