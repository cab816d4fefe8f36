/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deleting what is empty in a kernel's module directory. */
#pragma once

#include "conf/settings.h"

/** Deletes all empty directories of a kernel's module directory, itself included. */
gboolean dkms_kernel_dir_clean (const DkmsPlaces *places, const char *release,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
