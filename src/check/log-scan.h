/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the log of a build and finds out why it failed. Pure: bytes in, a diagnosis out. A log may be of any size: it
 * comes in pieces, and what is kept of it is a few lines.
 *
 * What failed is what ran last: only the last section of a log counts (docs/interface/build-install.md §5). */
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
/** Ends the scan. Returns: (transfer full): what it found */
DkmsDiagnosis *dkms_log_scan_end (DkmsLogScan *self);
/** Returns: (transfer full): the diagnosis of a log that is in memory, as dkms_log_scan_new() */
DkmsDiagnosis *dkms_log_diagnose (const char *log, const char *kernel);
/** Returns: what confinement may have to do with @line, by the best of the rules that apply to it */
DkmsTopic dkms_line_topic (const char *line);
