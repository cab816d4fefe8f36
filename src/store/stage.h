/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The preparations of a transaction before it changes anything: temporary files and links next to their final names,
 * and missing directories. */
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
  char *from; /* path of the source, text of the link, or content */
  char *temp;
  mode_t mode;
} DkmsStage;

/** Frees the content of a DkmsStage. */
void dkms_stage_clear (gpointer data);
/** Creates the temporary file, and flushes it. */
gboolean dkms_stage_write (const DkmsRoot *root, const DkmsStage *stage, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: (transfer full): a list of the missing directories that the changes @ops need, parents first
 */
json_t *dkms_stage_missing_dirs (const DkmsRoot *root, json_t *ops);
/** Creates the directories @dirs, and flushes their parents. */
gboolean dkms_stage_make_dirs (const DkmsRoot *root, json_t *dirs, GError **error) G_GNUC_WARN_UNUSED_RESULT;
