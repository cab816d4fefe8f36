/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a transaction prepares before it changes anything: temporary files and links beside the places that they will
 * take, and the directories that these need. */
#pragma once

#include <jansson.h>

#include "base/root.h"

typedef enum {
  DKMS_STAGE_COPY,
  DKMS_STAGE_PRESERVE, /* a copy with its mode and times */
  DKMS_STAGE_LINK,
  DKMS_STAGE_TEXT,
  DKMS_STAGE_MOVE
} DkmsStageKind;

typedef struct {
  DkmsStageKind kind;
  char *from; /* source path, link text or content */
  char *temp;
  mode_t mode;
} DkmsStage;

/** Frees what a DkmsStage holds. */
void dkms_stage_clear (gpointer data);
/** Makes the temporary, and flushes it. */
gboolean dkms_stage_write (const DkmsRoot *root, const DkmsStage *stage, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: (transfer full): a list of every directory that the changes @ops need and that does not exist, parents
 * first
 */
json_t *dkms_stage_missing_dirs (const DkmsRoot *root, json_t *ops);
/** Makes the directories of @dirs and flushes each into its parent. */
gboolean dkms_stage_make_dirs (const DkmsRoot *root, json_t *dirs, GError **error) G_GNUC_WARN_UNUSED_RESULT;
