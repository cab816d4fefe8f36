/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One build: a copy of the source, patches, scripts, make, the result (docs/interface/build-install.md §5). */
#pragma once

#include "install/job.h"

/**
 * dkms_build:
 * Builds @job in the scratch directory job->work. On success <base> contains module/, log/ and the record of the build,
 * and an earlier build is replaced. On failure the earlier build is kept, the work area with its make.log becomes
 * <m>/<v>/build, the log is stored for the kernel in .dkms/logs, and the error contains the first error of the log.
 * Several builds may run at the same time; builds of the same version only if they are confined.
 */
gboolean dkms_build (const DkmsJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;
