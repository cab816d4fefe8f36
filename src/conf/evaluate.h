/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Evaluates configuration files (docs/interface/dkms-conf.md §2): those that are plain (conf/plain.h) here, all others
 * with bash. */
#pragma once

#include "conf/query.h"
#include "conf/sandbox.h"
#include "conf/settings.h"

/* The result of an evaluation, besides the values. */
typedef struct {
  char *unconfined;  /* (nullable): why the files were evaluated unconfined, although @confinement and sandbox=auto
                        request a sandbox */
  gboolean confined; /* a sandbox was created and returned values */
  char *printed;     /* (nullable): the first 64 KiB that the files wrote to stderr; it may contain any bytes */
} DkmsRemarks;

void dkms_remarks_clear (DkmsRemarks *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsRemarks, dkms_remarks_clear)

/* The conditions of an evaluation. */
typedef struct {
  const DkmsSettings *settings;
  const DkmsConfinement *confinement; /* (nullable): the sandbox, if the policy requires one; NULL for files of the
                                         administrator, which are trusted if the root is that of the machine */
  const char *names;                  /* names of the wanted variables, separated by blanks */
  const char *deprecated;             /* (nullable): names of deprecated variables, separated by blanks */
} DkmsEvaluation;

/**
 * dkms_evaluate:
 * @queries: (element-type DkmsQuery): they get their results
 * @remarks: (out) (nullable): NULL: the files write to the stderr of dkms; otherwise they have no terminal
 *
 * The files must be readable for the caller of dkms, but not for the user that bash runs as. A query that hangs, exits
 * or is not text gets its own error, and does not affect others.
 *
 * Returns: FALSE only if bash could not be run
 */
gboolean dkms_evaluate (const DkmsEvaluation *how, GPtrArray *queries, DkmsRemarks *remarks,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
