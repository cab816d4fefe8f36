/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of a matrix, which all workers share, also by NFS: files are created and renamed, and nothing is
 * locked.
 *
 *   jobs.json     the list of all jobs (fleet/job.h)
 *   <id>.json     the report of a job (fleet/job-report.h)
 *   <id>.log      the log of its last build */
#pragma once

#include "fleet/job-report.h"

/** Creates the directory @path of the host, if necessary. Returns: a descriptor, or -1 with an error */
int dkms_fleet_output_open (const char *path, GError **error);
/** Writes the list, unless it is there already. */
gboolean dkms_fleet_output_list (int dir, const GPtrArray *jobs, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Writes a report, after its log, which is copied from @log_fd (-1: none). */
gboolean dkms_fleet_output_report (int dir, const DkmsJobReport *report, int log_fd,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: (transfer full) (nullable): the report of the job @id; NULL if there is none that can be read */
DkmsJobReport *dkms_fleet_output_find (int dir, const char *id);
