/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints events as lines, and those of work that runs at the same time on a board. */
#define _GNU_SOURCE
#include "report/report.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "report/board.h"
#include "report/document.h"
#include "report/logging.h"
#include "report/matrix.h"
#include "report/print.h"
#include "report/screen.h"
#include "report/table.h"

struct DkmsReport {
  DkmsListener listener;
  DkmsPrinter printer;
  DkmsBoard *board;       /* (nullable): set while several pieces of work may run */
  DkmsDocument *document; /* (nullable): the document that collects events */
  DkmsLogging *logging;   /* (nullable): the log of the system */
  DkmsMatrix *matrix;     /* (nullable): the picture that collects answers of status */
  DkmsTable *table;       /* (nullable): the table that collects answers of status */
  int output;             /* the standard output for the document; -1: that of the process */
  gboolean errors_only, pretty;
};

static void
hear (gpointer data, const DkmsEvent *event)
{
  DkmsReport *self = data;
  DkmsVoice voice = dkms_sentence_voice (event->kind);

  if (self->logging != NULL)
    dkms_logging_hear (self->logging, event);
  if (self->document != NULL)
    {
      dkms_document_hear (self->document, event);
      if (voice == DKMS_VOICE_WARNING || voice == DKMS_VOICE_DEPRECATED || voice == DKMS_VOICE_NOTE)
        dkms_print_event (&self->printer, event);
      return;
    }
  if ((self->table != NULL && dkms_table_hear (self->table, event))
      || (self->matrix != NULL && dkms_matrix_hear (self->matrix, event)))
    return;
  if (self->errors_only && voice != DKMS_VOICE_NOTE)
    return;
  if (event->kind == DKMS_EVENT_WORK_BEGUN)
    {
      self->board = dkms_board_new (&self->printer, event);
      self->printer.guarded = TRUE;
    }
  else if (event->kind == DKMS_EVENT_WORK_ENDED)
    g_clear_pointer (&self->board, dkms_board_free);
  else if (self->board != NULL)
    dkms_board_hear (self->board, event);
  else
    dkms_print_event (&self->printer, event);
}

static gboolean
release_terminal (gpointer data, guint piece)
{
  DkmsReport *self = data;

  if (self->document != NULL || (self->board != NULL && !dkms_board_release_terminal (self->board, piece)))
    return FALSE;
  dkms_print_settle (&self->printer);
  return TRUE;
}

static void
tick (gpointer data)
{
  const DkmsReport *self = data;

  if (self->board != NULL)
    dkms_board_tick (self->board);
}

static int
interval (gpointer data)
{
  const DkmsReport *self = data;

  return self->board != NULL ? dkms_board_interval (self->board) : -1;
}

DkmsReport *
dkms_report_new (void)
{
  DkmsReport *self = g_new0 (DkmsReport, 1);

  self->listener = (DkmsListener){
    .hear = hear, .release_terminal = release_terminal, .tick = tick, .interval = interval, .data = self
  };
  self->output = -1;
  return self;
}

void
dkms_report_free (DkmsReport *self)
{
  if (self == NULL)
    return;
  dkms_board_free (self->board);
  dkms_document_free (self->document);
  dkms_logging_free (self->logging);
  dkms_table_free (self->table);
  dkms_matrix_free (self->matrix);
  dkms_print_clear (&self->printer);
  if (self->output >= 0)
    (void)close (self->output);
  g_free (self);
}

DkmsListener *
dkms_report_listener (DkmsReport *self)
{
  return &self->listener;
}

void
dkms_report_set_verbose (DkmsReport *self, gboolean verbose)
{
  self->printer.verbose = verbose;
}

void
dkms_report_set_errors_only (DkmsReport *self, gboolean errors_only)
{
  self->errors_only = errors_only;
}

/* ---- the document ---- */

void
dkms_report_begin_document (DkmsReport *self, gboolean pretty)
{
  self->document = dkms_document_new ();
  self->pretty = pretty;
}

gboolean
dkms_report_keep_output (DkmsReport *self, GError **error)
{
  if (self->document == NULL || self->output >= 0)
    return TRUE;
  self->output = fcntl (STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  return (self->output >= 0 && dup2 (STDERR_FILENO, STDOUT_FILENO) >= 0)
         || dkms_fail_errno (error, "keep for the document", "the standard output");
}

int
dkms_report_end_document (DkmsReport *self, const char *verb, const char *root, int status)
{
  g_autoptr (GError) error = NULL;

  if (self->document == NULL)
    return status;
  g_autofree char *text = dkms_document_finish (self->document, verb, root, status, self->pretty);
  g_clear_pointer (&self->document, dkms_document_free);
  (void)fflush (stdout);
  /* If the reader closes its end, that is not an error. */
  if (dkms_write_all (self->output >= 0 ? self->output : STDOUT_FILENO, text, strlen (text), "the standard output",
                      &error)
      || errno == EPIPE)
    return status;
  DKMS_EMIT (&self->listener, ERROR, .error = error);
  return status != 0 ? status : 1;
}

void
dkms_report_drop_document (DkmsReport *self)
{
  g_clear_pointer (&self->document, dkms_document_free);
}

void
dkms_report_begin_log (DkmsReport *self, const char *verb)
{
  g_clear_pointer (&self->logging, dkms_logging_free); /* a package script runs several verbs */
  self->logging = dkms_logging_new (verb);
}

void
dkms_report_begin_table (DkmsReport *self, const char *columns, gboolean raw)
{
  if (self->document == NULL)
    self->table = dkms_table_new (columns, raw);
}

void
dkms_report_begin_matrix (DkmsReport *self)
{
  if (self->document == NULL)
    self->matrix = dkms_matrix_new ();
}

static void
print_matrix (DkmsReport *self)
{
  g_autoptr (DkmsMatrix) matrix = g_steal_pointer (&self->matrix);
  guint columns = 80, lines;

  if (isatty (STDOUT_FILENO))
    dkms_screen_size (&columns, &lines);
  g_autofree char *text = dkms_matrix_draw (matrix, columns, dkms_screen_has_colours (STDOUT_FILENO));
  if (*text == '\0')
    return;
  text[strlen (text) - 1] = '\0'; /* the last line end */
  dkms_print_line (&self->printer, text);
  if (dkms_matrix_has_marks (matrix))
    dkms_print_event (&self->printer, &(const DkmsEvent){ .kind = DKMS_EVENT_STATUS_LEGEND });
}

gboolean
dkms_report_end_table (DkmsReport *self, GError **error)
{
  g_autoptr (DkmsTable) table = g_steal_pointer (&self->table);

  if (self->matrix != NULL)
    print_matrix (self);
  return table == NULL || dkms_table_print (table, error);
}

gboolean
dkms_report_flush (GError **error)
{
  return dkms_print_flush (error);
}
