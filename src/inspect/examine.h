/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares builds with installed files, using their records or, without a record, their recipes. */
#pragma once

#include "model/state.h"
#include "store/record.h"
#include "world/world.h"

typedef enum { DKMS_FINDING_NONE, DKMS_FINDING_MISSING, DKMS_FINDING_DIFFERS } DkmsFinding;

typedef struct {
  const DkmsSettings *settings;
  DkmsListener *events;
  DkmsWorld *world;
  char *hidden;        /* (nullable): the first file that the user may not access, and the reason */
  GHashTable *records; /* DkmsBuild -> DkmsRecord, for builds with a record */
  GHashTable *dirs;    /* "<k>/<location>" -> descriptor: directories of installed modules */
} DkmsExaminer;

/** @settings, @events and @world are borrowed. */
void dkms_examiner_init (DkmsExaminer *self, const DkmsSettings *settings, DkmsListener *events, DkmsWorld *world);
/** Frees the content of @self. */
void dkms_examiner_clear (DkmsExaminer *self);

/** Examines @build of @v. If it has a record, `records` contains it. A recipe that cannot be read is reported. */
DkmsFinding dkms_examine (DkmsExaminer *self, const DkmsVersion *v, const DkmsBuild *build);
