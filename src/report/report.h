/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The listener that shows events to a person: as lines, or as live lines while several pieces of work run. Only this
 * room writes to stdout and stderr (docs/interface/cli.md §8). */
#pragma once

#include "model/event.h"

typedef struct DkmsReport DkmsReport;

/** Returns: (transfer full): prints to stdout and stderr */
DkmsReport *dkms_report_new (void);
void dkms_report_free (DkmsReport *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsReport, dkms_report_free)

/** Returns: (transfer none): whom to tell; valid as long as @self. There is one, so that it can be replaced in a
 * worker. */
DkmsListener *dkms_report_listener (DkmsReport *self);

/** Prints command lines in place of descriptions, and the lines of logs as they grow. */
void dkms_report_set_verbose (DkmsReport *self, gboolean verbose);
/** Shows nothing but notes and errors. */
void dkms_report_set_errors_only (DkmsReport *self, gboolean errors_only);

/**
 * dkms_report_flush:
 * Writes what is buffered for the standard output. For verbs whose output is what they are run for: a part must not
 * pass for the whole. A reader that went away, as `head` does, has seen what it wanted: that is no failure.
 */
gboolean dkms_report_flush (GError **error) G_GNUC_WARN_UNUSED_RESULT;
