/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks one bash process for the values that configuration files assign (docs/interface/dkms-conf.md §2). */
#pragma once

#include "conf/query.h"
#include "conf/sandbox.h"
#include "conf/settings.h"

/* What an evaluation has to say besides its values. */
typedef struct {
  char *unconfined;  /* (nullable): why the files were read without a sandbox although @confinement and sandbox=auto ask
                        for one */
  gboolean confined; /* values came out of the sandbox: it can be had here */
  char *printed;     /* (nullable): what the files wrote to stderr, its first 64 KiB; anything may be in it */
} DkmsRemarks;

void dkms_remarks_clear (DkmsRemarks *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsRemarks, dkms_remarks_clear)

/* How files are evaluated. */
typedef struct {
  const DkmsSettings *settings;
  const DkmsConfinement *confinement; /* (nullable): how the files are confined, as far as the policy wants it; NULL for
                                         those of the admin, which are trusted if the root is this machine's own */
  const char *names;                  /* blank separated variables to take over */
  const char *deprecated;             /* (nullable): blank separated variables to notice */
  gboolean plain;                     /* files that are plain (conf/plain.h) need no bash */
} DkmsEvaluation;

/**
 * dkms_evaluate:
 * @queries: (element-type DkmsQuery): answered in place
 * @remarks: (out) (nullable): when it is NULL, the files write to our stderr; otherwise they have no terminal at all
 *
 * The caller of dkms may read the files; whoever bash runs as need not. A query that hangs, exits or is not text gets
 * its own error and disturbs no other one.
 *
 * Returns: FALSE only when bash itself could not be run
 */
gboolean dkms_evaluate (const DkmsEvaluation *how, GPtrArray *queries, DkmsRemarks *remarks,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
