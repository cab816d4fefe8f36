/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The output of work that runs at the same time: live lines on a terminal, otherwise blocks. */
#define _GNU_SOURCE
#include "report/board.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/process.h"

enum { LIVE_MS = 125, STREAM_MS = 200, TAIL = 512 };

#define LOGGED_COMMAND "# command: " /* the mark of commands in make.log */

typedef struct {
  DkmsBoard *board;
  guint piece;
  char *title;
  GPtrArray *kept; /* element-type DkmsEvent: events that wait for their turn */
  char *phase;
  gint64 start;
  gboolean busy, closed;
  int log; /* -1: no log */
  off_t streamed;
} Channel;

struct DkmsBoard {
  DkmsPrinter *printer;
  GPtrArray *channels; /* element-type Channel, oldest first */
  gboolean live, colour;
  guint rows; /* number of live lines on the screen */
  guint total, good, bad;
  gint64 start;
};

static void
channel_free (gpointer data)
{
  Channel *self = data;

  g_ptr_array_unref (self->kept);
  g_free (self->title);
  g_free (self->phase);
  if (self->log >= 0)
    (void)close (self->log);
  g_free (self);
}

/* Package managers run scripts on a terminal, and log its output. Nobody watches the output of installers and CI. */
static gboolean
is_plain_wanted (void)
{
  static const char *const marks[]
      = { "DKMS_PLAIN",         "DPKG_MAINTSCRIPT_PACKAGE", "DPKG_MAINTSCRIPT_NAME", "DPKG_RUNNING_VERSION",
          "RPM_INSTALL_PREFIX", "RPM_INSTALL_PREFIX0",      "KERNEL_INSTALL_LAYOUT" };

  for (gsize i = 0; i < G_N_ELEMENTS (marks); i++)
    if (g_getenv (marks[i]) != NULL)
      return TRUE;
  return g_strcmp0 (g_getenv ("DEBIAN_FRONTEND"), "noninteractive") == 0;
}

DkmsBoard *
dkms_board_new (DkmsPrinter *printer, guint total)
{
  DkmsBoard *self = g_new0 (DkmsBoard, 1);
  const char *term = g_getenv ("TERM"), *no_colour = g_getenv ("NO_COLOR");

  self->printer = printer;
  self->total = total;
  self->start = g_get_monotonic_time ();
  self->channels = g_ptr_array_new_with_free_func (channel_free);
  self->live = !printer->verbose && isatty (STDOUT_FILENO) && term != NULL && *term != '\0'
               && strcmp (term, "dumb") != 0 && !is_plain_wanted ();
  self->colour = self->live && (no_colour == NULL || *no_colour == '\0');
  return self;
}

/* ---- live lines ---- */

static void
clear_live (DkmsBoard *self)
{
  if (self->rows == 0)
    return;
  printf ("\r\033[%uA\033[J", self->rows); /* up to the first live line, and clear everything below */
  self->rows = 0;
  fflush (stdout);
}

static guint
width_of_terminal (void)
{
  struct winsize size;

  return ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Returns the part of @text that fits into @width columns, with control characters escaped. */
static char *
fit (const char *text, guint width)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_new (NULL);
  guint columns = 0;

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      guint w = g_unichar_iswide (c) ? 2 : g_unichar_iszerowidth (c) ? 0 : 1;

      if (columns + w > width)
        break;
      if (g_unichar_iscntrl (c))
        g_string_append_c (out, ' ');
      else
        g_string_append_unichar (out, c);
      columns += w;
    }
  return g_string_free (out, FALSE);
}

static char *
clock_text (gint64 start)
{
  gint64 seconds = (g_get_monotonic_time () - start) / G_USEC_PER_SEC;

  return g_strdup_printf ("%" G_GINT64_FORMAT ":%02d", seconds / 60, (int)(seconds % 60));
}

/* Returns the last complete line of the log, or an incomplete one. */
static char *
last_line (const Channel *self)
{
  char text[TAIL + 1];
  struct stat st;
  ssize_t n;

  if (self->log < 0 || fstat (self->log, &st) < 0)
    return g_strdup ("");
  n = pread (self->log, text, TAIL, st.st_size > TAIL ? st.st_size - TAIL : 0);
  if (n <= 0)
    return g_strdup ("");
  text[n] = '\0';
  g_strchomp (text);
  const char *newline = strrchr (text, '\n');
  return dkms_process_printable (newline != NULL ? newline + 1 : text);
}

static void
draw_row (const Channel *self, guint width)
{
  g_autofree char *time = clock_text (self->start);
  g_autofree char *line = last_line (self);
  g_autofree char *row
      = g_strdup_printf ("%s  %s  %s  %s", self->title, time, self->phase != NULL ? self->phase : "", line);
  g_autofree char *fitting = fit (row, width);

  printf ("%s\n", fitting);
}

static void
draw (DkmsBoard *self)
{
  guint width = width_of_terminal () - 1, busy = 0;
  g_autofree char *time = clock_text (self->start);

  for (guint i = 0; i < self->channels->len; i++)
    {
      const Channel *channel = self->channels->pdata[i];
      if (!channel->busy || channel->closed)
        continue;
      busy++;
      draw_row (channel, width);
    }
  if (busy == 0)
    return;
  self->rows = busy;
  if (self->total > 1)
    {
      g_autofree char *sum = g_strdup_printf ("%u of %u done, %u running, %u failed  %s", self->good + self->bad,
                                              self->total, busy, self->bad, time);
      g_autofree char *fitting = fit (sum, width);
      printf ("%s\n", fitting);
      self->rows++;
    }
  fflush (stdout);
}

/* ---- verbose mode: the log as it grows ---- */

static void
stream (Channel *self, gboolean all)
{
  g_autoptr (GString) text = g_string_new (NULL);
  char chunk[8192];
  ssize_t n;

  while (self->log >= 0 && (n = pread (self->log, chunk, sizeof chunk, self->streamed)) > 0)
    {
      g_string_append_len (text, chunk, n);
      self->streamed += n;
    }
  if (text->len == 0)
    return;
  if (!all) /* an incomplete line waits */
    {
      const char *end = g_strrstr (text->str, "\n");
      gsize whole = end != NULL ? (gsize)(end + 1 - text->str) : 0;
      self->streamed -= (off_t)(text->len - whole);
      g_string_truncate (text, whole);
    }
  g_auto (GStrv) lines = g_strsplit (text->str, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      g_autofree char *named = NULL;
      if (**line == '\0' && line[1] == NULL)
        break;
      if (self->board->total < 2 && g_str_has_prefix (*line, LOGGED_COMMAND))
        continue; /* the line of the step contains it */
      named = self->board->total < 2 ? g_strdup (*line) : g_strdup_printf ("%s: %s", self->title, *line);
      g_autofree char *shown = dkms_process_printable (named);
      clear_live (self->board);
      dkms_print_line (self->board->printer, shown);
    }
}

void
dkms_board_tick (DkmsBoard *self)
{
  if (self->printer->verbose)
    for (guint i = 0; i < self->channels->len; i++)
      stream (self->channels->pdata[i], FALSE);
  if (!self->live)
    return;
  clear_live (self);
  draw (self);
}

int
dkms_board_interval (const DkmsBoard *self)
{
  if (!self->live && !self->printer->verbose)
    return -1;
  for (guint i = 0; i < self->channels->len; i++)
    if (((Channel *)self->channels->pdata[i])->busy)
      return self->live ? LIVE_MS : STREAM_MS;
  return -1;
}

/* ---- channels ---- */

/* Returns: (nullable) */
static Channel *
channel_of (const DkmsBoard *self, guint piece)
{
  for (guint i = 0; i < self->channels->len; i++)
    if (((Channel *)self->channels->pdata[i])->piece == piece)
      return self->channels->pdata[i];
  return NULL;
}

static void
open_channel (DkmsBoard *self, const DkmsEvent *event)
{
  Channel *channel = g_new0 (Channel, 1);

  channel->board = self;
  channel->piece = event->piece;
  channel->title = dkms_id_format (&event->id);
  channel->start = g_get_monotonic_time ();
  channel->log = -1;
  channel->kept = dkms_events_new ();
  g_ptr_array_add (self->channels, channel);
}

static void
print (DkmsBoard *self, const DkmsEvent *event)
{
  clear_live (self);
  dkms_print_event (self->printer, event);
}

static void
print_kept (Channel *self)
{
  for (guint i = 0; i < self->kept->len; i++)
    print (self->board, self->kept->pdata[i]);
  g_ptr_array_set_size (self->kept, 0);
}

/* Follows a log that dkms writes: never a link or a device that a build may have created instead. */
static void
follow (Channel *self, const char *path)
{
  g_auto (DkmsFd) fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  struct stat st;

  if (fd < 0 || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return;
  if (self->log >= 0)
    (void)close (self->log);
  self->log = dkms_fd_steal (&fd);
  self->streamed = 0;
}

/* On a terminal, steps are phases of the live line, and the final line summarizes other lines. A remark is printed as
 * the line of its channel. */
static gboolean
take_live (Channel *self, const DkmsEvent *event)
{
  DkmsVoice voice = dkms_sentence_voice (event->kind);

  if (voice == DKMS_VOICE_STEP_BEGUN)
    {
      g_free (self->phase);
      self->phase = dkms_sentence_shown (event);
    }
  return event->kind != DKMS_EVENT_REMARK
         && (voice == DKMS_VOICE_LINE || voice == DKMS_VOICE_STEP_BEGUN || voice == DKMS_VOICE_STEP_ENDED);
}

static gboolean
is_kept_back (const DkmsBoard *self)
{
  return !self->live && !self->printer->verbose && self->total > 1;
}

static void
show (Channel *self, const DkmsEvent *event)
{
  DkmsBoard *board = self->board;
  gboolean verbose = board->printer->verbose;

  if (board->live && take_live (self, event))
    return;
  if (event->kind == DKMS_EVENT_STEP_BEGUN && verbose && board->total > 1 && self->log >= 0)
    return; /* the printed log contains the command, with the name of the channel */
  if (is_kept_back (board))
    {
      g_ptr_array_add (self->kept, dkms_event_copy (event));
      return;
    }
  if (verbose)
    stream (self, FALSE);
  print (board, event);
}

static void
close_channel (Channel *self, const DkmsEvent *event)
{
  DkmsBoard *board = self->board;
  gboolean good = event->kind != DKMS_EVENT_PIECE_FAILED;

  if (self->closed)
    return;
  if (board->printer->verbose)
    stream (self, TRUE);
  self->closed = TRUE;
  self->busy = FALSE;
  board->good += good && event->name != NULL;
  board->bad += !good;
  if (board->live && event->name != NULL)
    {
      const char *on = !board->colour ? "" : good ? "\033[32m" : "\033[31m", *off = board->colour ? "\033[0m" : "";
      g_autofree char *title = dkms_process_printable (self->title);
      g_autofree char *result = dkms_sentence_shown (event);
      g_autofree char *line = g_strdup_printf ("%s: %s%s%s (%.1f s)", title, on, result, off,
                                               (double)(g_get_monotonic_time () - self->start) / G_USEC_PER_SEC);
      clear_live (board);
      dkms_print_line (board->printer, line);
    }
  print_kept (self);
}

void
dkms_board_hear (DkmsBoard *self, const DkmsEvent *event)
{
  Channel *channel = event->piece != 0 ? channel_of (self, event->piece) : NULL;

  if (event->kind == DKMS_EVENT_PIECE_BEGUN)
    open_channel (self, event);
  else if (channel == NULL)
    print (self, event);
  else if (event->kind == DKMS_EVENT_PIECE_BUSY)
    channel->busy = event->number != 0;
  else if (event->kind == DKMS_EVENT_LOG_GROWS && (self->live || self->printer->verbose))
    follow (channel, event->path);
  else if (event->kind == DKMS_EVENT_PIECE_DONE || event->kind == DKMS_EVENT_PIECE_DOUBTFUL
           || event->kind == DKMS_EVENT_PIECE_FAILED)
    close_channel (channel, event);
  else if (dkms_sentence_voice (event->kind) != DKMS_VOICE_NONE)
    show (channel, event);
}

gboolean
dkms_board_release_terminal (DkmsBoard *self, guint piece)
{
  if (is_kept_back (self) && channel_of (self, piece) != NULL)
    return FALSE;
  clear_live (self);
  return TRUE;
}

void
dkms_board_free (DkmsBoard *self)
{
  if (self == NULL)
    return;
  clear_live (self);
  for (guint i = 0; i < self->channels->len; i++)
    print_kept (self->channels->pdata[i]);
  g_ptr_array_unref (self->channels);
  g_free (self);
}
