/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One build: a copy of the source, patches, scripts, make, the result (docs/interface/build-install.md §5). */
#pragma once

#include "install/job.h"

/**
 * dkms_build:
 * Builds @job in the scratch directory job->work. On success <base> holds module/, log/ and the build record, in place
 * of what was there; on failure what was there stays, the work area with its make.log becomes <m>/<v>/build, a copy of
 * the log is kept per kernel in .dkms/logs, and the error names the first real error of the log. Several builds may run
 * at once, also of the same version, as long as they are confined.
 */
gboolean dkms_build (const DkmsJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;
