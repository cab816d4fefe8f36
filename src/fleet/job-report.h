/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report of a job that has ended. As JSON (format 1):
 *
 *   {"format": 1, "id", "module", "version", "kernel", "arch", "root",
 *    "result": "built", "cached", "failed", "excluded", "no-headers" or "error",
 *    "exit", "seconds", "error", "key", "basis", "files": [{"path", "size", "sha256", "payload"}], "host", "start",
 * "shard"}
 *
 * "failed" is a failure of the code, and "error" one of the machine, so that it is worth another try. "error" is also
 * the member with the first error. "key" is the identity of the build (model/inputs.h). If the module depends on
 * others, "basis" is a digest of what was known before they were built: its inputs and theirs. "payload" is the digest
 * of what is loaded of the module file (share/payload.h). "start" is a time of RFC 3339, in UTC. Members without a
 * value are omitted. Readers ignore unknown members, and reject other formats. Without disk, clock and output.
 *
 * Machines that are not trusted write reports: each value is checked, and has a limit. */
#pragma once

#include "fleet/job.h"

/* The most bytes of a report. */
#define DKMS_JOB_REPORT_LIMIT ((gsize)1 << 20)

typedef enum {
  DKMS_JOB_BUILT,
  DKMS_JOB_CACHED,
  DKMS_JOB_FAILED,
  DKMS_JOB_EXCLUDED,
  DKMS_JOB_NO_HEADERS,
  DKMS_JOB_ERROR,
  DKMS_JOB_LAST
} DkmsJobResult;

/* A module file. */
typedef struct {
  char *path; /* such as "updates/dkms/foo.ko" */
  gint64 size;
  char *sha256;
  char *payload; /* (nullable) */
} DkmsJobFile;

typedef struct {
  DkmsFleetJob *job;
  DkmsJobResult result;
  int exit_code;
  double seconds;
  char *error;      /* (nullable) */
  char *key;        /* (nullable) */
  char *basis;      /* (nullable) */
  GPtrArray *files; /* element-type DkmsJobFile, sorted by path */
  char *host;       /* (nullable) */
  char *start;      /* (nullable) */
  char *shard;      /* (nullable) */
} DkmsJobReport;

/** Returns: (transfer full): a report of @id, the id of a job; NULL if it is not one */
DkmsJobReport *dkms_job_report_new (const char *id, DkmsJobResult result);
void dkms_job_report_free (DkmsJobReport *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsJobReport, dkms_job_report_free)
/** @payload: (nullable) */
void dkms_job_report_add_file (DkmsJobReport *self, const char *path, gint64 size, const char *sha256,
                               const char *payload);

/** Returns: (transfer none): "built" and so on */
const char *dkms_job_result_name (DkmsJobResult result);
/** Returns: whether nothing has to be done about it: built, cached or excluded */
gboolean dkms_job_result_is_good (DkmsJobResult result);
/** Returns: whether a job whose inputs are @basis need not be tried again */
gboolean dkms_job_report_settles (const DkmsJobReport *self, const char *basis);
/** Returns: (transfer full) (nullable): a digest of the payloads of all files; NULL if one of them is unknown */
char *dkms_job_report_payload (const DkmsJobReport *self);

/** Returns: (transfer full): one line of JSON, line end included */
char *dkms_job_report_to_text (const DkmsJobReport *self);
/** Returns: (transfer full) (nullable): the report in @text, @size bytes of any content; NULL if it is not a report */
DkmsJobReport *dkms_job_report_from_text (const char *text, gsize size);
