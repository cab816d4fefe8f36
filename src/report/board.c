/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The output of work that runs at the same time: live lines on a terminal, otherwise blocks. */
#define _GNU_SOURCE
#include "report/board.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "report/columns.h"
#include "report/frame.h"
#include "report/screen.h"

/* Events of programs may follow quickly; their lines are drawn at most every LEAST_MS. */
enum { LIVE_MS = 125, LEAST_MS = 40, STREAM_MS = 200, TAIL = 2048, PHASE_COLUMNS = 28 };

#define LOGGED_COMMAND "# command: " /* the mark of commands in make.log */

typedef struct {
  DkmsBoard *board;
  guint piece;
  char *title;         /* as a line of `dkms status` begins */
  char *name, *kernel; /* for the live line */
  char *place;         /* the end of the path of the build directory */
  GPtrArray *kept;     /* element-type DkmsEvent: events that wait for their turn */
  char *phase;
  char *step; /* (nullable): the name of the step, with which its part of the log begins */
  gint64 start;
  double expected; /* seconds, from earlier builds; 0: unknown */
  gboolean busy, closed;
  gboolean stepping; /* a program runs that writes to the log */
  int log;           /* -1: no log */
  off_t streamed;
} Channel;

struct DkmsBoard {
  DkmsPrinter *printer;
  GPtrArray *channels; /* element-type Channel, oldest first */
  DkmsScreen *screen;  /* (nullable): set if live lines are shown */
  gboolean colour;
  guint total, good, bad;
  double expected; /* seconds of all builds together, from earlier ones; 0: not known for all */
  double finished; /* seconds that were expected of those that have ended */
  gint64 start, drawn;
};

static void
channel_free (gpointer data)
{
  Channel *self = data;

  g_ptr_array_unref (self->kept);
  g_free (self->title);
  g_free (self->name);
  g_free (self->kernel);
  g_free (self->place);
  g_free (self->phase);
  g_free (self->step);
  if (self->log >= 0)
    (void)close (self->log);
  g_free (self);
}

DkmsBoard *
dkms_board_new (DkmsPrinter *printer, const DkmsEvent *event)
{
  DkmsBoard *self = g_new0 (DkmsBoard, 1);

  self->printer = printer;
  self->total = (guint)event->number;
  self->expected = event->seconds;
  self->start = dkms_clock_now ();
  self->channels = g_ptr_array_new_with_free_func (channel_free);
  self->screen = printer->verbose ? NULL : dkms_screen_new ();
  self->colour = self->screen != NULL && dkms_screen_has_colours (STDOUT_FILENO);
  return self;
}

/* ---- live lines ---- */

static char *
clock_text (double seconds)
{
  return g_strdup_printf ("%d:%02d", (int)seconds / 60, (int)seconds % 60);
}

/* Whether a line of the log shows progress. Lines of dkms, those with which compilers mark a place, and directories of
 * make do not. */
static gboolean
shows_progress (const char *line)
{
  if (*line == '#' || (g_str_has_prefix (line, "make") && strstr (line, "ing directory '") != NULL))
    return FALSE;
  while (*line != '\0' && !g_ascii_isalnum (*line))
    line++;
  return *line != '\0';
}

/* Removes the path of the build directory from the words of @line. @place: the end of that path */
static char *
without_place (const char *line, const char *place)
{
  GString *out = g_string_new (NULL);
  const char *found;

  while ((found = strstr (line, place)) != NULL)
    {
      g_string_append_len (out, line, found - line);
      while (out->len > 0 && strchr (" =\"'", out->str[out->len - 1]) == NULL)
        g_string_truncate (out, out->len - 1);
      line = found + strlen (place);
    }
  g_string_append (out, line);
  return g_string_free (out, FALSE);
}

/* Returns: (transfer full): the last line of the log that shows progress, complete or not, for one row */
static char *
last_line (const Channel *self)
{
  char text[TAIL + 1];
  struct stat st;
  ssize_t n = 0;

  if (self->stepping && self->log >= 0 && fstat (self->log, &st) == 0)
    n = pread (self->log, text, TAIL, st.st_size > TAIL ? st.st_size - TAIL : 0);
  text[MAX (n, 0)] = '\0';
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (guint i = g_strv_length (lines); i-- > 0;)
    if (shows_progress (lines[i]))
      {
        g_autofree char *clean = dkms_columns_clean (lines[i]);
        if (g_strcmp0 (clean, self->step) == 0)
          break;
        return without_place (g_strstrip (clean), self->place);
      }
  return g_strdup ("");
}

/* Returns: the seconds until all builds end, if all take as long as before; 0: unknown */
static double
remaining (const DkmsBoard *self)
{
  double work = self->expected - self->finished, longest = 0;
  guint busy = 0;

  for (guint i = 0; self->expected > 0 && i < self->channels->len; i++)
    {
      const Channel *channel = self->channels->pdata[i];
      double elapsed = dkms_clock_since (channel->start);
      if (!channel->busy || channel->closed)
        continue;
      busy++;
      work -= MIN (elapsed, channel->expected);
      longest = MAX (longest, channel->expected - elapsed);
    }
  return busy > 0 ? MAX (longest, work / busy) : 0;
}

static void
show_progress (const DkmsBoard *self, double left)
{
  double done = self->total > 0 ? (double)(self->good + self->bad) / self->total : 0;
  double elapsed = dkms_clock_since (self->start);
  gboolean known = self->expected > 0;

  if (known)
    done = elapsed / MAX (elapsed + left, 1);
  dkms_screen_progress (self->screen,
                        self->bad > 0                ? DKMS_PROGRESS_FAILED
                        : !known && self->total <= 1 ? DKMS_PROGRESS_UNKNOWN
                                                     : DKMS_PROGRESS_NORMAL,
                        MIN ((guint)(done * 100), 100));
}

typedef struct {
  GArray *rows;     /* element-type DkmsFrameRow */
  GPtrArray *texts; /* the texts in them */
} Rows;

static const char *
keep (const Rows *self, char *text)
{
  g_ptr_array_add (self->texts, text);
  return text;
}

static void
add_row (const Rows *self, const Channel *channel)
{
  double elapsed = dkms_clock_since (channel->start);
  g_autofree char *time = clock_text (elapsed), *whole = clock_text (channel->expected);
  gboolean known = channel->expected >= 1 && channel->expected > elapsed;
  const DkmsFrameRow row = { .name = channel->name,
                             .kernel = channel->kernel,
                             .time = keep (self, g_strconcat (time, known ? "/" : NULL, whole, NULL)),
                             .phase = channel->phase != NULL ? channel->phase : "",
                             .tail = keep (self, last_line (channel)) };

  g_array_append_val (self->rows, row);
}

static void
draw (DkmsBoard *self)
{
  g_autoptr (GArray) rows = g_array_new (FALSE, TRUE, sizeof (DkmsFrameRow));
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  guint columns, lines;

  for (guint i = 0; i < self->channels->len; i++)
    {
      const Channel *channel = self->channels->pdata[i];
      if (channel->busy && !channel->closed)
        add_row (&(Rows){ rows, texts }, channel);
    }
  double left = remaining (self);
  show_progress (self, left);
  if (rows->len == 0)
    {
      dkms_screen_clear (self->screen);
      return;
    }
  g_autofree char *elapsed = clock_text (dkms_clock_since (self->start)), *rest = left >= 1 ? clock_text (left) : NULL;
  const DkmsFrameSum sum = { self->total, self->good, self->bad, rows->len, elapsed, rest };
  dkms_screen_size (&columns, &lines);
  g_autofree char *frame
      = dkms_frame_text ((const DkmsFrameRow *)(gpointer)rows->data, rows->len, &sum, columns, lines, self->colour);
  dkms_screen_draw (self->screen, frame);
  self->drawn = g_get_monotonic_time ();
}

/* The run is stopped from now on, for example by Ctrl-Z. */
static void
pause_live (DkmsBoard *self)
{
  if (self->screen == NULL)
    return;
  dkms_screen_clear (self->screen);
  dkms_screen_progress (self->screen, DKMS_PROGRESS_NONE, 0);
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
      dkms_screen_clear (self->board->screen);
      dkms_print_line (self->board->printer, shown);
    }
}

void
dkms_board_tick (DkmsBoard *self)
{
  if (self->printer->verbose)
    for (guint i = 0; i < self->channels->len; i++)
      stream (self->channels->pdata[i], FALSE);
  if (self->screen != NULL
      && (!dkms_screen_is_drawn (self->screen) || g_get_monotonic_time () - self->drawn >= LEAST_MS * 1000))
    draw (self);
}

int
dkms_board_interval (const DkmsBoard *self)
{
  if (self->screen == NULL && !self->printer->verbose)
    return -1;
  for (guint i = 0; i < self->channels->len; i++)
    if (((Channel *)self->channels->pdata[i])->busy)
      return self->screen != NULL ? LIVE_MS : STREAM_MS;
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
  g_autofree char *name
      = g_strdup_printf ("%s%s%s", event->id.module != NULL ? event->id.module : "",
                         event->id.version != NULL ? "/" : "", event->id.version != NULL ? event->id.version : "");
  channel->name = dkms_columns_clean (name);
  channel->kernel = dkms_columns_clean (event->id.kernel != NULL ? event->id.kernel : "");
  channel->place = g_strdup_printf ("/%s/build/", channel->name);
  channel->expected = event->seconds;
  channel->start = dkms_clock_now ();
  channel->log = -1;
  channel->kept = dkms_events_new ();
  g_ptr_array_add (self->channels, channel);
}

static void
print (DkmsBoard *self, const DkmsEvent *event)
{
  dkms_screen_clear (self->screen);
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

static void
set_phase (Channel *self, const DkmsEvent *event)
{
  g_autofree char *sentence = dkms_sentence_shown (event), *clean = dkms_columns_clean (sentence);

  g_free (self->phase);
  self->phase = dkms_columns_elide (clean, PHASE_COLUMNS);
}

/* On a terminal, steps are phases of the live line, and the final line summarizes other lines. A remark is printed as
 * the line of its channel. */
static gboolean
take_live (Channel *self, const DkmsEvent *event)
{
  DkmsVoice voice = dkms_sentence_voice (event->kind);

  if (voice == DKMS_VOICE_STEP_BEGUN || event->kind == DKMS_EVENT_SIGNING || event->kind == DKMS_EVENT_INSTALLING)
    set_phase (self, event);
  if (voice == DKMS_VOICE_STEP_BEGUN || voice == DKMS_VOICE_STEP_ENDED)
    {
      self->stepping = voice == DKMS_VOICE_STEP_BEGUN;
      g_free (self->step);
      self->step = g_strdup (event->name);
    }
  return event->kind != DKMS_EVENT_REMARK
         && (voice == DKMS_VOICE_LINE || voice == DKMS_VOICE_STEP_BEGUN || voice == DKMS_VOICE_STEP_ENDED);
}

static gboolean
is_kept_back (const DkmsBoard *self)
{
  return self->screen == NULL && !self->printer->verbose && self->total > 1;
}

static void
show (Channel *self, const DkmsEvent *event)
{
  DkmsBoard *board = self->board;
  gboolean verbose = board->printer->verbose;

  if (board->screen != NULL && take_live (self, event))
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

/* Returns: (transfer none): the colour of the result @event; "" if it is neither good nor bad */
static const char *
colour_of (const DkmsEvent *event)
{
  if (event->kind == DKMS_EVENT_PIECE_FAILED)
    return strcmp (event->name, "failed") == 0 ? "\033[31m" : "\033[33m";
  if (event->kind == DKMS_EVENT_PIECE_DOUBTFUL)
    return "\033[33m";
  return strcmp (event->name, "skipped") == 0 ? "" : "\033[32m";
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
  board->finished += self->expected;
  if (board->screen != NULL && event->name != NULL)
    {
      const char *on = board->colour ? colour_of (event) : "", *off = *on != '\0' ? "\033[0m" : "";
      g_autofree char *title = dkms_process_printable (self->title);
      g_autofree char *result = dkms_sentence_shown (event);
      g_autofree char *line
          = g_strdup_printf ("%s: %s%s%s (%.1f s)", title, on, result, off, dkms_clock_since (self->start));
      dkms_screen_clear (board->screen);
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
  else if (event->kind == DKMS_EVENT_WORK_PAUSED)
    pause_live (self);
  else if (channel == NULL)
    print (self, event);
  else if (event->kind == DKMS_EVENT_PIECE_BUSY)
    channel->busy = event->number != 0;
  else if (event->kind == DKMS_EVENT_LOG_GROWS && (self->screen != NULL || self->printer->verbose))
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
  dkms_screen_clear (self->screen);
  return TRUE;
}

void
dkms_board_free (DkmsBoard *self)
{
  if (self == NULL)
    return;
  dkms_screen_clear (self->screen);
  for (guint i = 0; i < self->channels->len; i++)
    print_kept (self->channels->pdata[i]);
  dkms_screen_free (self->screen);
  g_ptr_array_unref (self->channels);
  g_free (self);
}
