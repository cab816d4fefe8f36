/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a module is newer than the one that the kernel has. */
#pragma once

#include "install/job.h"

/** How a built file relates to one that is there already (docs/interface/build-install.md §7). */
typedef enum { DKMS_VERDICT_INSTALL, DKMS_VERDICT_OLDER, DKMS_VERDICT_SAME } DkmsVerdict;

/** @built and @found are paths inside the root. */
DkmsVerdict dkms_version_check (const DkmsJob *job, const char *built, const char *found, GError **error);
/** Returns: whether both files state the same module version (none counts as a version) */
gboolean dkms_version_equal (const DkmsJob *job, const char *built, const char *found);
