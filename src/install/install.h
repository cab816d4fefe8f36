/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Putting modules in place, and the way back. */
#pragma once

#include "install/job.h"

/**
 * dkms_install:
 * Puts the built modules of @job in place (docs/interface/build-install.md §6, steps 7 to 10), all in one
 * transaction. @previous is the version whose files are in the way, NULL if none is installed.
 */
gboolean dkms_install (const DkmsJob *job, const char *previous, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Takes the modules of @job away again and restores originals (docs/interface/build-install.md §11). */
gboolean dkms_uninstall (const DkmsJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_recipe_of_files:
 * Stands in for the recipe of a build whose source is gone and that has no record: one module for each file in its
 * module/, and for each original in the archive, in the place where an equal file is installed.
 *
 * Returns: (transfer full)
 */
DkmsRecipe *dkms_recipe_of_files (const DkmsPlaces *places, const DkmsId *id, const DkmsKernel *kernel);
