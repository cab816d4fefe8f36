/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The listener that shows events to the user: as lines, or as live lines while several pieces of work run. Only this
 * room writes to stdout and stderr (docs/interface/cli.md §8). */
#pragma once

#include "model/event.h"

typedef struct DkmsReport DkmsReport;

/** Returns: (transfer full): a report that prints to stdout and stderr */
DkmsReport *dkms_report_new (void);
void dkms_report_free (DkmsReport *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsReport, dkms_report_free)

/** Returns: (transfer none): its listener; valid as long as @self. There is only one, so that a worker can replace it.
 */
DkmsListener *dkms_report_listener (DkmsReport *self);

/** Prints command lines instead of descriptions, and new lines of logs. */
void dkms_report_set_verbose (DkmsReport *self, gboolean verbose);
/** Prints only notes and errors. */
void dkms_report_set_errors_only (DkmsReport *self, gboolean errors_only);

/** Collects all events in one JSON document, instead of printing lines to the standard output. Warnings and notes are
 * still printed to the standard error. @pretty: with line ends and indentation */
void dkms_report_begin_document (DkmsReport *self, gboolean pretty);
/** Reserves the standard output for the document: output of programs goes to the standard error from now on. */
gboolean dkms_report_keep_output (DkmsReport *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_report_end_document:
 * @verb: (nullable): of the command line
 * @root: the root of the command, as on the command line
 * @status: its exit status
 *
 * Writes the document, if one was begun. Returns: @status, or 1 if it could not be written
 */
int dkms_report_end_document (DkmsReport *self, const char *verb, const char *root, int status);
/** Prints the answers of status as a table, instead of lines; arguments as of dkms_table_new(). Without effect if a
 * document was begun. */
void dkms_report_begin_table (DkmsReport *self, const char *columns, gboolean raw);
/** Draws the answers of status as a picture, instead of lines. Without effect if a document was begun. */
void dkms_report_begin_matrix (DkmsReport *self);
/** Prints the table or the picture, if one was begun. */
gboolean dkms_report_end_table (DkmsReport *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Records the results of the verb @verb in the log of the system from now on. */
void dkms_report_begin_log (DkmsReport *self, const char *verb);
/** Discards the document. */
void dkms_report_drop_document (DkmsReport *self);

/**
 * dkms_report_flush:
 * Flushes the standard output. For verbs whose purpose is their output, which must be complete. It is not a failure if
 * the reader closes its end, as `head` does.
 */
gboolean dkms_report_flush (GError **error) G_GNUC_WARN_UNUSED_RESULT;
