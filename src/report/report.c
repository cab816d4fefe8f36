/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shows events as lines, and those of work that runs at once on a board. */
#include "report/report.h"

#include "report/board.h"
#include "report/print.h"

struct DkmsReport {
  DkmsListener listener;
  DkmsPrinter printer;
  DkmsBoard *board; /* (nullable): while several pieces of work may run */
  gboolean errors_only;
};

static void
hear (gpointer data, const DkmsEvent *event)
{
  DkmsReport *self = data;

  if (self->errors_only && dkms_words_voice (event->kind) != DKMS_VOICE_NOTE)
    return;
  if (event->kind == DKMS_EVENT_WORK_BEGUN)
    {
      self->board = dkms_board_new (&self->printer, (guint)event->number);
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
give_way (gpointer data, guint piece)
{
  DkmsReport *self = data;

  if (self->board != NULL && !dkms_board_give_way (self->board, piece))
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

  self->listener
      = (DkmsListener){ .hear = hear, .give_way = give_way, .tick = tick, .interval = interval, .data = self };
  return self;
}

void
dkms_report_free (DkmsReport *self)
{
  if (self == NULL)
    return;
  dkms_board_free (self->board);
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

gboolean
dkms_report_flush (GError **error)
{
  return dkms_print_flush (error);
}
