/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The view of a forecast (base/mounts.h): headers of kernels that are not installed appear at their real paths, and a
 * copy of the tree at the path of the tree. Only there do makefiles of headers work, and does a build have the same
 * bytes as after an installation. */
#pragma once

#include "base/mounts.h"
#include "conf/places.h"

/**
 * dkms_scene_enter:
 * @headers: (element-type DkmsAheadHeaders)
 * @tree: the copy of the tree, inside the root; .dkms/ahead of the tree appears in it
 *
 * Directories of headers replace those of the system. Of all other files, those that the system does not have are added
 * to it, such as tools that headers need.
 *
 * Returns: (transfer full) (nullable): end it with dkms_scene_leave()
 */
DkmsMounts *dkms_scene_enter (const DkmsPlaces *places, const GPtrArray *headers, const char *tree,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Shows the machine again. @mounts: (transfer full) */
gboolean dkms_scene_leave (DkmsMounts *mounts, const DkmsPlaces *places, GError **error);
