/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signs finished builds again, without building them. */
#pragma once

#include "install/job.h"

/**
 * dkms_resign:
 * @job: with signer and work, the scratch directory of the run
 * @active: whether the build is installed
 * @installed: (element-type utf8): gets the paths, inside the root, of the installed files that were replaced
 *
 * Removes all signatures from the modules of the build, and signs and compresses them as a build does. The files of the
 * build, the installed files that belong to it, and the records change in one transaction. Modules that today's keys
 * have signed stay as they are, unless the job has force. A module that has changed since it was built is refused,
 * unless the job has force. The build needs neither a record nor a source.
 */
gboolean dkms_resign (const DkmsJob *job, gboolean active, GPtrArray *installed,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
