/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the reason of a failed build in its log. The code opens no files. A log may have any size: it is read in
 * pieces, and only a few lines are kept.
 *
 * The last section of a log is the one that failed. Only that section is used (docs/interface/build-install.md §5). */
#pragma once

#include "check/diagnosis.h"

typedef struct DkmsLogScan DkmsLogScan;

/**
 * dkms_log_scan_new:
 * @kernel: (nullable): release of the kernel that the build was for
 *
 * Returns: (transfer full): end it with dkms_log_scan_end()
 */
DkmsLogScan *dkms_log_scan_new (const char *kernel);
/** Reads the next @size bytes of the log. */
void dkms_log_scan_feed (DkmsLogScan *self, const char *data, gsize size);
/** Ends the scan. Returns: (transfer full): the result */
DkmsDiagnosis *dkms_log_scan_end (DkmsLogScan *self);
/** Returns: (transfer full): the diagnosis of a log in memory; arguments as for dkms_log_scan_new() */
DkmsDiagnosis *dkms_log_diagnose (const char *log, const char *kernel);
/** Returns: the restriction of the sandbox that @line may be about, by the best rule that applies to it */
DkmsTopic dkms_line_topic (const char *line);
