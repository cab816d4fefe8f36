/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of the live lines: one row for each running build, and a line with the total. Private to report/. */
#pragma once

#include <glib.h>

/* A running build. All texts are as dkms_columns_clean() returns them. */
typedef struct {
  const char *name;   /* module and version */
  const char *kernel; /* its release */
  const char *time;   /* since its start; after a slash the expected duration, if it is known */
  const char *phase;  /* what is done now; may be empty */
  const char *tail;   /* the last line of its log; may be empty */
} DkmsFrameRow;

/* All builds of the run. */
typedef struct {
  guint total;         /* if it is 1, there is no line with the total */
  guint good, bad;     /* finished ones */
  guint running;       /* running ones */
  const char *elapsed; /* since the start of the run */
  const char *left;    /* (nullable): the expected remaining time */
} DkmsFrameSum;

/**
 * dkms_frame_text:
 * @rows: the running builds, @count of them, oldest first
 * @columns, @lines: size of the terminal
 * @colour: whether to use colours
 *
 * Columns are aligned. Kernels are shown if they differ. If there are more builds than lines, the last row counts the
 * others. Without enough columns, the phase is omitted before the line of the log.
 *
 * Returns: (transfer full): lines separated by line ends: fewer than @lines, but at least one, and each shorter than
 *   @columns
 */
char *dkms_frame_text (const DkmsFrameRow *rows, guint count, const DkmsFrameSum *sum, guint columns, guint lines,
                       gboolean colour);
