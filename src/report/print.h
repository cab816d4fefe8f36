/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing lines to stdout and stderr. Private to report/. */
#pragma once

#include "report/words.h"

/* Where output goes, and what state it is in. */
typedef struct {
  gboolean verbose; /* print command lines in place of descriptions */
  gboolean in_step; /* a step line has been begun and not ended */
  gboolean guarded; /* signals that end a run were blocked: printing must not wait for a reader without end */
} DkmsPrinter;

/** Prints @event as its words say. What a terminal would obey is shown in place of that. */
void dkms_print_event (DkmsPrinter *self, const DkmsEvent *event);
/** Prints a line of stdout as it is. */
void dkms_print_line (DkmsPrinter *self, const char *line);
/** Ends a step line that is open, and writes what is buffered. */
void dkms_print_settle (DkmsPrinter *self);
/** As dkms_report_flush(). */
gboolean dkms_print_flush (GError **error) G_GNUC_WARN_UNUSED_RESULT;
