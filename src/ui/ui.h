/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rooms below tell, and how a person reads it. Rooms hand events to a DkmsUi; only ui/
 * writes to stdout and stderr. Streams and shapes: spec/cli.md §8. */
#pragma once

#include <glib.h>

typedef struct {
  gboolean verbose; /* print command lines instead of descriptions */
  gboolean in_step; /* a step line has been begun and not ended */
} DkmsUi;

/** One line on stdout. */
void dkms_ui_line (DkmsUi *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/** One warning on stderr. */
void dkms_ui_warn (DkmsUi *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/** One deprecation notice on stderr. */
void dkms_ui_deprecated (DkmsUi *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/** One line on stderr that is neither error nor warning (validation lines, refusals). */
void dkms_ui_note (DkmsUi *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/** A finished error report on stderr: an empty line, the sentence, and the advice when there is one. */
void dkms_ui_error (DkmsUi *self, const GError *error);

/**
 * dkms_ui_step_begin:
 * @what: description of a piece of work that takes time
 * @command: (nullable): the command line, shown instead in verbose mode
 */
void dkms_ui_step_begin (DkmsUi *self, const char *what, const char *command);
/** Ends the step begun last. @status is an exit status; 0 is success. @seconds is how long it took. */
void dkms_ui_step_end (DkmsUi *self, int status, double seconds);
