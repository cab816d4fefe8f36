/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds faults of directories, sources and links of the tree, and interrupted changes. Private to doctor/. */
#pragma once

#include "doctor/look.h"

/** Finds interrupted changes. If there are any, the tree is not examined before they are completed or undone. Returns:
 * whether there are any */
gboolean dkms_look_for_changes (DkmsLook *self);
/** Finds faults of directories, sources and links of the tree. */
void dkms_look_at_tree (DkmsLook *self);
