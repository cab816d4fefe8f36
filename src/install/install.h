/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Installs and uninstalls modules. */
#pragma once

#include "install/job.h"

/**
 * dkms_install:
 * Installs the built modules of @job (docs/interface/build-install.md §6, steps 7 to 10) in one transaction. @previous:
 * (nullable): the version that is installed now
 */
gboolean dkms_install (const DkmsJob *job, const char *previous, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Uninstalls the modules of @job, and restores originals (docs/interface/build-install.md §11). */
gboolean dkms_uninstall (const DkmsJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_recipe_of_files:
 * Replaces the recipe of a build without source and record: one module for each file in its module/, and for each
 * archived original, at the path of an equal installed file.
 *
 * Returns: (transfer full)
 */
DkmsRecipe *dkms_recipe_of_files (const DkmsPlaces *places, const DkmsId *id, const DkmsKernel *kernel);
