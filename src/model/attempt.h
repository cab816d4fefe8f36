/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of one attempt to build a module: its inputs, steps and outcome. Every build leaves one, also if it
 * failed, was interrupted, or was not started because the recipe excludes the kernel.
 *
 * As JSON (format 1): format, dkms, module, version, kernel, arch, time (RFC 3339, UTC), seconds, outcome, inputs and
 * identity (model/inputs.h), texts, make, sandbox, steps: [{name, status, seconds}], error (model/event-json.h),
 * first_error, cause: {id, name, file, line}, signer, cache_inputs, cached, cache_signer, reproducible. Members without
 * a value are omitted. Readers ignore unknown members, and reject other formats. */
#pragma once

#include <jansson.h>

#include "model/inputs.h"

typedef enum {
  DKMS_OUTCOME_RUNNING, /* or the record of a killed run */
  DKMS_OUTCOME_BUILT,
  DKMS_OUTCOME_FAILED,
  DKMS_OUTCOME_INTERRUPTED,
  DKMS_OUTCOME_EXCLUDED, /* BUILD_EXCLUSIVE_* excludes the kernel */
} DkmsAttemptOutcome;

typedef struct {
  char *name; /* as in the log, such as "Building module(s)" */
  int status; /* exit status */
  double seconds;
} DkmsAttemptStep;

typedef struct {
  DkmsId *id;
  char *dkms;   /* version of the dkms that ran the build */
  gint64 begun; /* microseconds since 1970 */
  double seconds;
  DkmsAttemptOutcome outcome;
  DkmsInputs *inputs;  /* (nullable): NULL if unknown, as for builds of other programs */
  char *texts;         /* (nullable): digest of dkms.conf and its overrides; if it is unchanged, so are their values */
  char *make;          /* (nullable): the command line */
  const char *sandbox; /* (nullable): "confined" or "unconfined"; a literal */
  GPtrArray *steps;    /* element-type DkmsAttemptStep */
  GError *error;       /* (nullable): the error of a failed build */
  char *first_error;   /* (nullable): the first error of the log */
  char *cause;         /* (nullable): id of the cause (check/causes.h) */
  char *cause_name;    /* (nullable): the subject of the cause, such as an identifier */
  char *cause_file;    /* (nullable): the source file that a compiler names */
  guint cause_line;    /* in cause_file; 0: unknown */
  char *signer;        /* (nullable): the certificate of the signatures */
  DkmsInputs *cache_inputs; /* (nullable): the inputs that are the key in the build cache (world/cache-key.h) */
  gboolean reproducible;    /* it had a defined environment (world/environment.h) */
  char *cached;       /* (nullable): "local": the build was taken from the cache of this machine; or its address */
  char *cache_signer; /* (nullable): the id of the key that signed the build in the cache */
} DkmsAttempt;

/** @dkms: version of this program; @begun: microseconds since 1970. Returns: (transfer full): an attempt that is
 * running */
DkmsAttempt *dkms_attempt_new (const DkmsId *id, const char *dkms, gint64 begun);
void dkms_attempt_free (DkmsAttempt *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsAttempt, dkms_attempt_free)

void dkms_attempt_add_step (DkmsAttempt *self, const char *name, int status, double seconds);
/** Returns: (transfer full) (nullable): the time of its start, as in JSON */
char *dkms_attempt_time (const DkmsAttempt *self);
/** Returns: (transfer none): "built", "failed" and so on, as in JSON */
const char *dkms_attempt_outcome_name (DkmsAttemptOutcome outcome);

/** Returns: (transfer full): @self as an object */
json_t *dkms_attempt_to_json (const DkmsAttempt *self);
/** Returns: (transfer full): @self as one line, line end included */
char *dkms_attempt_to_text (const DkmsAttempt *self);
/**
 * dkms_attempt_from_text:
 * @text: @size bytes of any content
 * @newer: (out) (optional): whether a newer dkms wrote it in another format
 *
 * Returns: (transfer full) (nullable): NULL if it is not an attempt, or has another format
 */
DkmsAttempt *dkms_attempt_from_text (const char *text, gsize size, gboolean *newer);
