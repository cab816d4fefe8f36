/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks whether builds and installed modules are complete. autoinstall and install repair them. */
#pragma once

#include "conf/places.h"
#include "model/state.h"

/* The content of the kernel's index of modules (modules.dep). */
typedef struct DkmsIndex DkmsIndex;

/** Returns: (transfer full) (nullable): NULL if it does not exist or cannot be read; then no module counts as unindexed
 */
DkmsIndex *dkms_index_read (const DkmsPlaces *places, const char *kernel);
void dkms_index_free (DkmsIndex *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsIndex, dkms_index_free)

typedef enum { DKMS_INDEX_ABSENT, DKMS_INDEX_OLDER, DKMS_INDEX_CURRENT } DkmsIndexAge;

/**
 * dkms_index_age:
 * @file: an installed module file
 * @indexed_sig: (nullable): of its record. A file with this stat signature has got a new signature since depmod ran,
 *   which changes nothing in the index
 *
 * Returns: whether depmod has run for @kernel since @file changed
 */
DkmsIndexAge dkms_index_age (const DkmsPlaces *places, const char *kernel, const struct stat *file,
                             const char *indexed_sig);

/**
 * dkms_build_examine:
 * @place: (nullable): directory of all modules below that of the kernel, with precedence over recipes
 * @index: (nullable): of the kernel of @b
 *
 * Sets incomplete, gone and unindexed of @b from its record. A build of the reference has no record: the files in its
 * module/ show what is installed, and each may be in any directory of the kernel. Files that cannot be read count as
 * undamaged, and are noted (base/unread.h). If the directory of the kernel does not exist, its builds count as
 * undamaged.
 */
void dkms_build_examine (const DkmsPlaces *places, const char *place, const DkmsVersion *v, DkmsBuild *b,
                         const DkmsIndex *index);

/**
 * dkms_build_lacks_output:
 * @outputs: element-type DkmsOutput: the module files of the current recipe
 *
 * Returns: whether a module of @outputs could not be installed from @b, because its file does not exist
 */
gboolean dkms_build_lacks_output (const DkmsPlaces *places, const DkmsVersion *v, const DkmsBuild *b,
                                  const GPtrArray *outputs);

/** Returns: whether the recipe is needed to decide if @b is complete, because @b has neither a record nor a module in
 * module/ */
gboolean dkms_build_needs_recipe (const DkmsPlaces *places, const DkmsVersion *v, const DkmsBuild *b);
