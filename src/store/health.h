/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether what was built and installed is still all there: what autoinstall and install have to mend. */
#pragma once

#include "conf/places.h"
#include "model/state.h"

/* What the kernel's index of modules (modules.dep) lists. */
typedef struct DkmsIndex DkmsIndex;

/** Returns: (transfer full) (nullable): NULL when the kernel has none that can be read: then nothing is missing in it
 */
DkmsIndex *dkms_index_read (const DkmsPlaces *places, const char *kernel);
void dkms_index_free (DkmsIndex *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsIndex, dkms_index_free)

/**
 * dkms_build_examine:
 * @place: (nullable): where modules go below the directory of a kernel, whatever their recipes say
 * @index: (nullable): of the kernel that @b is for
 *
 * Fills incomplete, gone and unindexed of @b by its record. A build of the reference has none: then the files in its
 * module/ say what is installed, and one that is there under any directory of the kernel counts. What cannot be read
 * counts as sound and is noted (base/unread.h); all that is installed for a kernel whose directory is gone is sound.
 */
void dkms_build_examine (const DkmsPlaces *places, const char *place, const DkmsVersion *v, DkmsBuild *b,
                         const DkmsIndex *index);

/**
 * dkms_build_lacks_output:
 * @outputs: element-type DkmsOutput: what the recipe makes, as it is now
 * @suffix: of compressed modules of the kernel
 *
 * Returns: whether a module of @outputs could not be installed from @b, because its file is not there
 */
gboolean dkms_build_lacks_output (const DkmsPlaces *places, const DkmsVersion *v, const DkmsBuild *b,
                                  const GPtrArray *outputs, const char *suffix);

/** Returns: whether only the recipe can tell if @b is complete: it has no record, and no module in module/ */
gboolean dkms_build_needs_recipe (const DkmsPlaces *places, const DkmsVersion *v, const DkmsBuild *b);
