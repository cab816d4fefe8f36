/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The comparison of a given source with the registered one. */
#pragma once

#include "base/id.h"
#include "conf/settings.h"

typedef enum {
  DKMS_SOURCE_NONE, /* no source is registered */
  DKMS_SOURCE_SAME, /* equal names and contents */
  DKMS_SOURCE_OTHER
} DkmsSourceState;

/**
 * dkms_source_compare:
 * @given: a source directory of the host
 * @differs: (out) (nullable): "a.c differs", "a.c, b.c and 7 more differ"; NULL unless the state is DKMS_SOURCE_OTHER
 *
 * Compares @given with the source registered as @id. If it is not registered, the directory with that name in the
 * source tree is used. Files of version control are ignored.
 */
DkmsSourceState dkms_source_compare (const DkmsPlaces *places, const char *given, const DkmsId *id, char **differs);
