/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deletes empty directories in the module directory of a kernel. */
#pragma once

#include "conf/settings.h"

/** Deletes all empty directories in the module directory of a kernel, and that directory itself. */
gboolean dkms_kernel_dir_clean (const DkmsPlaces *places, const char *release,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
