/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparison of builds with what is installed: by their records, or else by their recipes. */
#pragma once

#include "model/state.h"
#include "store/record.h"
#include "world/world.h"

typedef enum { DKMS_FINDING_NONE, DKMS_FINDING_MISSING, DKMS_FINDING_DIFFERS } DkmsFinding;

typedef struct {
  const DkmsSettings *settings;
  DkmsListener *events;
  DkmsWorld *world;
  char *hidden;        /* (nullable): the first file that the user may not look at, and why */
  GHashTable *records; /* DkmsBuild -> DkmsRecord, for those that have one */
  GHashTable *dirs;    /* "<k>/<location>" -> descriptor: where modules are installed */
} DkmsExaminer;

/** @settings, @events and @world are borrowed. */
void dkms_examiner_init (DkmsExaminer *self, const DkmsSettings *settings, DkmsListener *events, DkmsWorld *world);
/** Frees what @self holds. */
void dkms_examiner_clear (DkmsExaminer *self);

/** Examines @build of @v. If it has a record, `records` has it. A recipe that cannot be read is reported. */
DkmsFinding dkms_examine (DkmsExaminer *self, const DkmsVersion *v, const DkmsBuild *build);
