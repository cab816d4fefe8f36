/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps that install a build, and that remove installed modules, builds and registered sources. The locks of the
 * chain are held. */
#pragma once

#include "run/steps.h"

gboolean dkms_step_install (DkmsRun *run, const DkmsStep *step, GError **error);
gboolean dkms_step_reinstall (DkmsRun *run, const DkmsStep *step, GError **error);
gboolean dkms_step_uninstall (DkmsRun *run, const DkmsStep *step, GError **error);
gboolean dkms_step_unbuild (DkmsRun *run, const DkmsStep *step, GError **error);
gboolean dkms_step_unregister (DkmsRun *run, const DkmsStep *step, GError **error);
/** Returns: whether @step built or installed modules that will probably not load (build/loadable.h) */
gboolean dkms_step_is_doubtful (const DkmsRun *run, const DkmsStep *step);
