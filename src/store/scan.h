/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree on disk as plain data (docs/interface/tree.md §1, §4, §5).
 *
 * A file <m>/<v>/<k>/<a>/.stale means that the source was replaced after that build. */
#pragma once

#include "conf/places.h"
#include "model/state.h"

#define DKMS_STALE ".stale" /* a file in <k>/<a> */

/** Returns: (transfer full) (nullable): every version, or those of the module of @which (nullable), or only the version
 * that it names; NULL with an error if a part of them cannot be read */
DkmsState *dkms_state_read (const DkmsPlaces *places, const DkmsId *which, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_state_read(), but versions that cannot be read are omitted, and listed in `unread`. */
DkmsState *dkms_state_read_most (const DkmsPlaces *places, const DkmsId *which,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Data of builds that dkms_state_read_with() reads in the same scan. */
typedef struct {
  const GPtrArray *targets; /* element-type DkmsId: filters of the builds whose records are read */
  GHashTable *records;      /* DkmsBuild -> DkmsRecord: records that could be read during the scan are added */
  gboolean stale;           /* whether `stale` of the builds is set */
} DkmsScanExtras;

/** As dkms_state_read_most(), and reads the data of @extras (nullable). A record that cannot be read is not added to
 * it. */
DkmsState *dkms_state_read_with (const DkmsPlaces *places, const DkmsId *which, const DkmsScanExtras *extras,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Sets `seen` of all builds for that kernel that have files .dep_* (docs/interface/dkms-conf.md §10). Modules for
 * which they cannot be read are added to `unread`. */
void dkms_state_read_seen (const DkmsPlaces *places, DkmsState *state, const DkmsId *kernel);
