/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A source that somebody gives us, beside the one that is in its place already. */
#pragma once

#include "base/id.h"
#include "conf/settings.h"

typedef enum {
  DKMS_SOURCE_NONE, /* nothing is in its place */
  DKMS_SOURCE_SAME, /* the same names, with the same contents */
  DKMS_SOURCE_OTHER
} DkmsSourceState;

/**
 * dkms_source_compare:
 * @given: a source directory of the host
 * @differs: (out) (nullable): "a.c differs", "a.c, b.c and 7 more differ"; NULL unless the state is DKMS_SOURCE_OTHER
 *
 * Compares it with what is registered as @id or, if that is not, with what lies in the source tree under
 * that name. Files of version control count for nothing.
 */
DkmsSourceState dkms_source_compare (const DkmsPlaces *places, const char *given, const DkmsId *id, char **differs);
