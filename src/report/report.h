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

/** Gathers all that is heard into one JSON document, in place of lines on the standard output. Warnings and notes are
 * printed to the standard error all the same. @pretty: with line ends and indentation */
void dkms_report_begin_document (DkmsReport *self, gboolean pretty);
/** From here on nothing but the document can get to the standard output: what programs write there goes to the standard
 * error. */
gboolean dkms_report_keep_output (DkmsReport *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_report_end_document:
 * @verb: (nullable): of the command line
 * @root: the system that the command was about, as it was named
 * @status: its exit status
 *
 * Writes the document, if one was begun. Returns: @status, or 1 if it could not be written
 */
int dkms_report_end_document (DkmsReport *self, const char *verb, const char *root, int status);
/** Forgets the document that was begun. */
void dkms_report_drop_document (DkmsReport *self);

/**
 * dkms_report_flush:
 * Writes what is buffered for the standard output. For verbs whose output is what they are run for: a part must not
 * pass for the whole. A reader that went away, as `head` does, has seen what it wanted: that is no failure.
 */
gboolean dkms_report_flush (GError **error) G_GNUC_WARN_UNUSED_RESULT;
