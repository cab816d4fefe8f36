/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares the version of a module with that of the kernel's module. */
#pragma once

#include "install/job.h"

/** The relation of a built file to an existing one (docs/interface/build-install.md §7). */
typedef enum { DKMS_VERDICT_INSTALL, DKMS_VERDICT_OLDER, DKMS_VERDICT_SAME } DkmsVerdict;

/**
 * dkms_version_check:
 * @built, @found: paths inside the root
 * @mine, @theirs: (out) (nullable) (transfer full): their module versions, if they have one and were compared
 */
DkmsVerdict dkms_version_check (const DkmsJob *job, const char *built, const char *found, char **mine, char **theirs,
                                GError **error);
/** Returns: whether both files have the same module version, or both have none */
gboolean dkms_version_equal (const DkmsJob *job, const char *built, const char *found);
