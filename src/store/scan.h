/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree on disk as plain data (docs/interface/tree.md §1, §4, §5).
 *
 * A file <m>/<v>/<k>/<a>/.stale says that the source was replaced after that build. */
#pragma once

#include "conf/places.h"
#include "model/state.h"

#define DKMS_STALE ".stale" /* a file in <k>/<a> */

/** Returns: (transfer full) (nullable): every version, or those of the module of @which (nullable), or only the version
 * that it names; NULL with an error when anything of them cannot be read */
DkmsState *dkms_state_read (const DkmsPlaces *places, const DkmsId *which, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_state_read(), but goes on: versions that cannot be read are left out, and listed in `unread`. */
DkmsState *dkms_state_read_most (const DkmsPlaces *places, const DkmsId *which,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What a reader of many builds wants. */
typedef struct {
  const GPtrArray *targets; /* element-type DkmsId: filters of the builds whose records it wants */
  GHashTable *records;      /* DkmsBuild -> DkmsRecord: those that could be read on the way are added */
  gboolean stale;           /* whether it wants `stale` of the builds */
} DkmsScanWish;

/** As dkms_state_read_most(), with what @wish (nullable) says. Records that are missing then need not be absent. */
DkmsState *dkms_state_read_wished (const DkmsPlaces *places, const DkmsId *which, const DkmsScanWish *wish,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Fills `seen` of all builds for that kernel that recorded something (.dep_*, docs/interface/dkms-conf.md §10), and
 * gives up modules of which that cannot be read. */
void dkms_state_read_seen (const DkmsPlaces *places, DkmsState *state, const DkmsId *kernel);
