/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints lines to stdout and stderr. Private to report/. */
#pragma once

#include "report/sentences.h"

/* The state of the output. */
typedef struct {
  gboolean verbose;   /* print command lines instead of descriptions */
  gboolean in_step;   /* the line of a step was begun and not ended */
  GHashTable *errors; /* (nullable): texts of the errors that were printed */
  gboolean guarded;   /* signals that end a run are blocked, so printing must not wait for a reader without a limit */
} DkmsPrinter;

/** Prints the sentence of @event. Control characters, which a terminal would interpret, are escaped. An error that was
 * printed before, as for modules that all lack the same headers, is not printed again. */
void dkms_print_event (DkmsPrinter *self, const DkmsEvent *event);
/** Frees what the printer owns. */
void dkms_print_clear (DkmsPrinter *self);
/** Prints a line to stdout unchanged. */
void dkms_print_line (DkmsPrinter *self, const char *line);
/** Ends the line of a step, and flushes. */
void dkms_print_settle (DkmsPrinter *self);
/** As dkms_report_flush(). */
gboolean dkms_print_flush (GError **error) G_GNUC_WARN_UNUSED_RESULT;
