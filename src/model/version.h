/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two version orders of dkms: VER (docs/interface/dkms-conf.md §7) and GNU version sort. */
#pragma once

#include <glib.h>

/** Returns: (transfer full): digit runs of length 1 or 2 padded to 3, spaces dropped */
char *dkms_version_normalize (const char *version);
/** VER order, by bytes. Returns: <0, 0, >0 */
int dkms_version_compare (const char *a, const char *b);
/** Order of `sort -V`: digit runs by value, letters before other characters, '~' before the end. */
int dkms_version_sort (const char *a, const char *b);
/** The same for g_ptr_array_sort() of names. */
int dkms_version_compare_names (gconstpointer a, gconstpointer b);
