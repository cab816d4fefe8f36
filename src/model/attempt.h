/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one attempt to build a module left behind: what went in, what was done, what came of it. Every build leaves one,
 * also one that failed, was interrupted, or was not begun because the recipe excludes the kernel.
 *
 * As JSON (format 1): format, dkms, module, version, kernel, arch, time (RFC 3339, UTC), seconds, outcome, inputs and
 * identity (model/inputs.h), texts, make, sandbox, steps: [{name, status, seconds}], error (model/event-json.h),
 * first_error, cause: {id, name, file, line}, signer. Members that are not known are left out. Readers ignore members
 * that they do not know, and read no other format. */
#pragma once

#include <jansson.h>

#include "model/inputs.h"

typedef enum {
  DKMS_OUTCOME_RUNNING, /* or what a dead run left */
  DKMS_OUTCOME_BUILT,
  DKMS_OUTCOME_FAILED,
  DKMS_OUTCOME_INTERRUPTED,
  DKMS_OUTCOME_EXCLUDED, /* BUILD_EXCLUSIVE_* keeps the kernel from it */
} DkmsAttemptOutcome;

typedef struct {
  char *name; /* as in the log, such as "Building module(s)" */
  int status; /* exit status */
  double seconds;
} DkmsAttemptStep;

typedef struct {
  DkmsId *id;
  char *dkms;   /* version of the dkms that made it */
  gint64 begun; /* microseconds since 1970 */
  double seconds;
  DkmsAttemptOutcome outcome;
  DkmsInputs *inputs; /* (nullable): not known, as of builds by other programs */
  char *texts;        /* (nullable): digest of dkms.conf and its overrides: while it is the same, so is what they say */
  char *make;         /* (nullable): the command line */
  const char *sandbox; /* (nullable): "confined" or "unconfined"; a literal */
  GPtrArray *steps;    /* element-type DkmsAttemptStep */
  GError *error;       /* (nullable): why it failed */
  char *first_error;   /* (nullable): the first error of the log */
  char *cause;         /* (nullable): id of the cause (check/causes.h) */
  char *cause_name;    /* (nullable): what the cause is about, such as an identifier */
  char *cause_file;    /* (nullable): where a compiler found it */
  guint cause_line;    /* in cause_file; 0: not known */
  char *signer;        /* (nullable): the certificate that modules were signed for */
} DkmsAttempt;

/** @dkms: version of this program; @begun: microseconds since 1970. Returns: (transfer full): an attempt under way */
DkmsAttempt *dkms_attempt_new (const DkmsId *id, const char *dkms, gint64 begun);
void dkms_attempt_free (DkmsAttempt *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsAttempt, dkms_attempt_free)

void dkms_attempt_add_step (DkmsAttempt *self, const char *name, int status, double seconds);
/** Returns: (transfer full) (nullable): when it began, as in JSON */
char *dkms_attempt_time (const DkmsAttempt *self);
/** Returns: (transfer none): "built", "failed" and so on, as in JSON */
const char *dkms_attempt_outcome_name (DkmsAttemptOutcome outcome);

/** Returns: (transfer full): @self as an object */
json_t *dkms_attempt_to_json (const DkmsAttempt *self);
/** Returns: (transfer full): @self as one line, line end included */
char *dkms_attempt_to_text (const DkmsAttempt *self);
/**
 * dkms_attempt_from_text:
 * @text: @size bytes, which may be anything
 * @newer: (out) (optional): whether a newer dkms wrote it, whose format is not known
 *
 * Returns: (transfer full) (nullable): NULL: this is no attempt, or one of another format
 */
DkmsAttempt *dkms_attempt_from_text (const char *text, gsize size, gboolean *newer);
