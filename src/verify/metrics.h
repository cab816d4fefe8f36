/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of verify as metrics, for the textfile collector of Prometheus' node exporter.
 *
 * Format: the text format of Prometheus, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). The manual dkms(8) lists the metrics. */
#pragma once

#include <glib.h>

/** Returns: (transfer full): the metrics. @kernels: element-type DkmsVerifiedKernel; @now: seconds since 1970 */
char *dkms_metrics_text (const GPtrArray *kernels, gint64 now);

/** Writes the metrics of now to the file @path of the host. Readers see the old content or the new. */
gboolean dkms_metrics_write (const char *path, const GPtrArray *kernels, GError **error) G_GNUC_WARN_UNUSED_RESULT;
