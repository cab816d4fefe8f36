/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints lines to stdout and stderr, in order, without waiting for a reader that has stopped reading. */
#include "report/print.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/language.h"
#include "base/process.h"
#include "report/screen.h"

#define RED "1;31"
#define YELLOW "33"

/* A pipe that polls as writable accepts PIPE_BUF bytes at once. */
enum { CHUNK = 2048, ROOM_POLL_MS = 100 };

/* A reader was not reading when a signal came. From then on dkms does not wait for it. */
static gboolean gave_up;

/* Waits until @stream is writable. Returns: FALSE if the run was interrupted first; then the text is dropped */
static gboolean
wait_for_room (FILE *stream)
{
  struct pollfd out = { .fd = fileno (stream), .events = POLLOUT };

  while (poll (&out, 1, gave_up ? 0 : ROOM_POLL_MS) == 0)
    if (gave_up || dkms_process_is_interrupted ())
      {
        gave_up = TRUE;
        __fpurge (stream);
        return FALSE;
      }
  return TRUE;
}

static void
emit (const DkmsPrinter *self, FILE *stream, const char *text)
{
  if (!self->guarded && !gave_up)
    {
      (void)fputs (text, stream);
      return;
    }
  for (gsize left = strlen (text); left > 0 && wait_for_room (stream);)
    {
      gsize size = MIN (left, CHUNK);
      (void)fwrite (text, 1, size, stream);
      (void)fflush (stream);
      text += size;
      left -= size;
    }
}

static void
flush_stdout (const DkmsPrinter *self)
{
  if ((!self->guarded && !gave_up) || wait_for_room (stdout))
    (void)fflush (stdout);
}

/* Ends the line of a step before anything else is written. */
static void
finish_open_line (DkmsPrinter *self)
{
  if (!self->in_step)
    return;
  self->in_step = FALSE;
  emit (self, stdout, "\n");
}

static void
put (DkmsPrinter *self, FILE *stream, const char *text)
{
  finish_open_line (self);
  if (stream != stdout)
    flush_stdout (self); /* keeps the order of both streams if they go to one file */
  emit (self, stream, text);
  emit (self, stream, "\n");
}

/* Prints @text to the standard error, with the word @marker before it, or its own first word, in @colour. */
static void
put_marked (DkmsPrinter *self, const char *colour, const char *marker, const char *text)
{
  g_autofree char *whole = g_strconcat (marker, text, NULL);
  gsize begin = strspn (whole, "\n"), word = strcspn (whole + begin, " ");

  if (!dkms_screen_has_colours (STDERR_FILENO))
    {
      put (self, stderr, whole);
      return;
    }
  g_autofree char *shown = g_strdup_printf ("%.*s\033[%sm%.*s\033[0m%s", (int)begin, whole, colour, (int)word,
                                            whole + begin, whole + begin + word);
  put (self, stderr, shown);
}

static void
begin_step (DkmsPrinter *self, const DkmsEvent *event, const char *text)
{
  finish_open_line (self);
  if (self->verbose && event->text != NULL)
    {
      g_autofree char *command = dkms_process_printable (event->text);
      emit (self, stdout, command);
      emit (self, stdout, "\n");
    }
  else
    {
      emit (self, stdout, text);
      emit (self, stdout, "...");
      self->in_step = TRUE;
    }
  flush_stdout (self);
}

static void
end_step (DkmsPrinter *self, const DkmsEvent *event)
{
  g_autofree char *took = event->seconds >= 0.05 ? g_strdup_printf (" (%.1f s)", event->seconds) : g_strdup ("");
  gboolean open = self->in_step;
  g_autofree char *text = NULL;

  self->in_step = FALSE;
  if (event->number != 0)
    text = g_strdup_printf ("%s%s %d%s.\n", open ? " " : "", _ ("failed with exit status"), event->number, took);
  else if (open)
    text = g_strdup_printf (" %s%s.\n", _ ("done"), took);
  if (text != NULL)
    emit (self, stdout, text);
  flush_stdout (self);
}

/* Whether the error with the sentence @text was printed before. */
static gboolean
is_repeated (DkmsPrinter *self, const DkmsEvent *event, const char *text)
{
  if (event->kind != DKMS_EVENT_ERROR)
    return FALSE;
  if (self->errors == NULL)
    self->errors = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return !g_hash_table_add (self->errors, g_strdup (text));
}

void
dkms_print_clear (DkmsPrinter *self)
{
  g_clear_pointer (&self->errors, g_hash_table_unref);
}

void
dkms_print_event (DkmsPrinter *self, const DkmsEvent *event)
{
  g_autofree char *sentence = dkms_sentence_shown (event);
  g_autofree char *text = dkms_process_printable (sentence);

  if (is_repeated (self, event, text))
    return;
  switch (dkms_sentence_voice (event->kind))
    {
    case DKMS_VOICE_LINE:
    case DKMS_VOICE_EXACT:
      put (self, stdout, text);
      break;
    case DKMS_VOICE_WARNING:
      put_marked (self, YELLOW, _ ("Warning: "), text);
      break;
    case DKMS_VOICE_DEPRECATED:
      put_marked (self, YELLOW, _ ("Deprecated: "), text);
      break;
    case DKMS_VOICE_NOTE:
      if (event->kind == DKMS_EVENT_ERROR || event->kind == DKMS_EVENT_STATUS_SOURCE_GONE)
        put_marked (self, RED, "", text);
      else
        put (self, stderr, text);
      break;
    case DKMS_VOICE_STEP_BEGUN:
      begin_step (self, event, text);
      break;
    case DKMS_VOICE_STEP_ENDED:
      end_step (self, event);
      break;
    case DKMS_VOICE_NONE:
      break;
    }
}

void
dkms_print_line (DkmsPrinter *self, const char *line)
{
  put (self, stdout, line);
}

void
dkms_print_settle (DkmsPrinter *self)
{
  finish_open_line (self);
  flush_stdout (self);
}

/* ---- the end ---- */

static gboolean
reader_is_gone (void)
{
  struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

  return poll (&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

gboolean
dkms_print_flush (GError **error)
{
  gboolean failed_before = ferror (stdout) != 0;
  int code = fflush (stdout) == 0 ? 0 : errno;

  if (code == 0 && dkms_process_stdout_was_closed ())
    code = EBADF;
  if ((!failed_before && code == 0) || code == EPIPE || reader_is_gone ())
    return TRUE;
  /* The reason of an earlier failed write is unknown. */
  return DKMS_FAIL (error, OUTPUT_FAILED, .number = code);
}
