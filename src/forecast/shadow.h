/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The copy of the tree in which a forecast builds: registered modules without builds. */
#pragma once

#include "model/attempt.h"
#include "model/request.h"
#include "store/record.h"

/** Creates the copy. If @request names a version, it is the only one of its module. */
gboolean dkms_shadow_make (const DkmsPlaces *places, const DkmsRequest *request,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Registers the version @id of the tree of @places, where it is registered, in the tree @to, a descriptor. */
gboolean dkms_shadow_copy (const DkmsPlaces *places, int to, const DkmsId *id,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: (transfer full): its path inside the root */
char *dkms_shadow_path (const DkmsPlaces *places);
/** Deletes it. */
void dkms_shadow_drop (const DkmsPlaces *places);

/* What became of one build. */
typedef struct {
  DkmsAttempt *attempt; /* (nullable): NULL if it was not tried */
  DkmsRecord *record;   /* (nullable): NULL unless it was built */
  char *identity;       /* (nullable): where it is kept */
  char *log;            /* (nullable): its log there, inside the root */
} DkmsTried;

void dkms_tried_clear (DkmsTried *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsTried, dkms_tried_clear)
/** Reads what became of the build @id in the tree of @places, and where its log is there. @self: (out
 * caller-allocates): all zero */
void dkms_tried_read (const DkmsPlaces *places, const DkmsId *id, DkmsTried *self);
/**
 * dkms_shadow_keep:
 * @known: (nullable): the identity of what an earlier forecast has kept, if @id was not tried again
 * @self: (out caller-allocates): all zero
 *
 * Reads what became of the build @id in the copy, and keeps it (store/kept.h).
 */
gboolean dkms_shadow_keep (const DkmsPlaces *places, const DkmsId *id, const char *known, DkmsTried *self,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
