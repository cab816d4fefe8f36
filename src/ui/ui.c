/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Printing, or sending to the parent, what the other rooms have to say. */
#include "ui/ui.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/process.h"
#include "ui/board.h"

/* ---- frames: a length, then numbers, then the texts, each with a mark of whether it is there and a NUL ---- */

enum { MAX_FRAME = 64 << 20 };

typedef struct {
  guint32 size; /* of what follows this field */
  gint32 voice, number, code;
  double seconds;
} Header;

static void
append_text (GByteArray *frame, const char *text)
{
  g_byte_array_append (frame, (const guint8 *)(text != NULL ? "+" : "-"), 1);
  g_byte_array_append (frame, (const guint8 *)(text != NULL ? text : ""), (guint)strlen (text != NULL ? text : "") + 1);
}

static void
send_frame (int fd, const DkmsUiEvent *event)
{
  g_autoptr (GByteArray) frame = g_byte_array_new ();
  Header header = { 0, (gint32)event->voice, event->number, event->code, event->seconds };
  gsize done = 0;

  g_byte_array_append (frame, (const guint8 *)&header, sizeof header);
  append_text (frame, event->text);
  append_text (frame, event->more);
  append_text (frame, event->path);
  header.size = frame->len - (guint32)sizeof header.size;
  memcpy (frame->data, &header.size, sizeof header.size);
  while (done < frame->len)
    {
      ssize_t n = write (fd, frame->data + done, frame->len - done);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return; /* the parent is gone, and we are about to be */
      done += (gsize)n;
    }
}

/* Takes a text from @at, which ends before @end. Returns: FALSE when there is none */
static gboolean
take_text (const char **at, const char *end, const char **text)
{
  const char *nul = end - *at > 1 ? memchr (*at + 1, '\0', (gsize)(end - *at - 1)) : NULL;

  if (nul == NULL)
    return FALSE;
  *text = **at == '+' ? *at + 1 : NULL;
  *at = nul + 1;
  return TRUE;
}

/* Whether the bytes from @at to @end are the texts of @event, with one where its voice needs one. */
static gboolean
take_texts (DkmsUiEvent *event, const char *at, const char *end)
{
  gboolean may_be_silent = event->voice == DKMS_VOICE_STEP_END || event->voice == DKMS_VOICE_RESULT;

  return (guint)event->voice <= DKMS_VOICE_RESULT && take_text (&at, end, &event->text)
         && take_text (&at, end, &event->more) && take_text (&at, end, &event->path) && at == end
         && (event->text != NULL || may_be_silent);
}

gboolean
dkms_ui_event_read (GByteArray *buffer, DkmsUiEvent *event, char **storage)
{
  Header header;

  if (buffer->len < sizeof header)
    return FALSE;
  memcpy (&header, buffer->data, sizeof header);
  gsize whole = header.size + sizeof header.size;
  gboolean sound = whole > sizeof header && whole <= MAX_FRAME;
  if (sound && buffer->len < whole)
    return FALSE;
  *event = (DkmsUiEvent){
    .voice = (DkmsVoice)header.voice, .number = header.number, .code = header.code, .seconds = header.seconds
  };
  *storage = sound ? g_memdup2 (buffer->data + sizeof header, whole - sizeof header) : NULL;
  if (sound && take_texts (event, *storage, *storage + whole - sizeof header))
    {
      g_byte_array_remove_range (buffer, 0, (guint)whole);
      return TRUE;
    }
  g_clear_pointer (storage, g_free);
  g_byte_array_set_size (buffer, 0);
  return FALSE;
}

/* ---- printing ---- */

/* A pipe that polls as writable takes PIPE_BUF bytes at once. */
enum { CHUNK = 2048, ROOM_POLL_MS = 100 };

/* The reader of one of our streams did not read when a signal came: nobody waits for him any more. */
static gboolean gave_up;

/* Waits until @stream can be written to. Returns: FALSE when the run was interrupted first, whose text is dropped
 */
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
emit (const DkmsUi *self, FILE *stream, const char *text)
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
flush_stdout (const DkmsUi *self)
{
  if ((!self->guarded && !gave_up) || wait_for_room (stdout))
    (void)fflush (stdout);
}

/* A step line that is still open is closed before anything else is written. */
static void
finish_open_line (DkmsUi *self)
{
  if (!self->in_step)
    return;
  self->in_step = FALSE;
  emit (self, stdout, "\n");
}

static void
put (DkmsUi *self, FILE *stream, const char *marker, const char *text)
{
  finish_open_line (self);
  if (stream != stdout)
    flush_stdout (self); /* keeps the two streams in order when both go to one file */
  if (*marker != '\0')
    emit (self, stream, marker);
  emit (self, stream, text);
  emit (self, stream, "\n");
}

static void
print_step_begin (DkmsUi *self, const DkmsUiEvent *event)
{
  finish_open_line (self);
  if (self->verbose && event->more != NULL)
    {
      emit (self, stdout, event->more);
      emit (self, stdout, "\n");
    }
  else
    {
      emit (self, stdout, event->text);
      emit (self, stdout, "...");
      self->in_step = TRUE;
    }
  flush_stdout (self);
}

static void
print_step_end (DkmsUi *self, const DkmsUiEvent *event)
{
  g_autofree char *took = event->seconds >= 0.05 ? g_strdup_printf (" (%.1f s)", event->seconds) : g_strdup ("");
  gboolean open = self->in_step;
  g_autofree char *text = NULL;

  self->in_step = FALSE;
  if (event->number != 0)
    text = g_strdup_printf ("%sfailed with exit status %d%s.\n", open ? " " : "", event->number, took);
  else if (open)
    text = g_strdup_printf (" done%s.\n", took);
  if (text != NULL)
    emit (self, stdout, text);
  flush_stdout (self);
}

void
dkms_ui_print (DkmsUi *self, const DkmsUiEvent *given)
{
  g_autofree char *text = given->text != NULL && !given->coloured ? dkms_process_printable (given->text) : NULL;
  g_autofree char *more = given->more != NULL ? dkms_process_printable (given->more) : NULL;
  DkmsUiEvent copy = *given;
  const DkmsUiEvent *event = &copy;

  copy.text = text != NULL ? text : given->text;
  copy.more = more;
  dkms_board_make_way (self->board);
  switch (event->voice)
    {
    case DKMS_VOICE_LINE:
      put (self, stdout, "", event->text);
      break;
    case DKMS_VOICE_WARN:
      put (self, stderr, "Warning: ", event->text);
      break;
    case DKMS_VOICE_DEPRECATED:
      put (self, stderr, "Deprecated: ", event->text);
      break;
    case DKMS_VOICE_NOTE:
      put (self, stderr, "", event->text);
      break;
    case DKMS_VOICE_STEP_BEGIN:
      print_step_begin (self, event);
      break;
    case DKMS_VOICE_STEP_END:
      print_step_end (self, event);
      break;
    case DKMS_VOICE_FOLLOW:
    case DKMS_VOICE_RESULT:
      break;
    }
}

void
dkms_ui_tell (DkmsUi *self, const DkmsUiEvent *event)
{
  if (self->errors_only && event->voice != DKMS_VOICE_NOTE)
    return;
  if (self->frames > 0)
    send_frame (self->frames, event);
  else if (self->channel != NULL)
    dkms_channel_tell (self->channel, event);
  else
    dkms_ui_print (self, event);
}

gboolean
dkms_ui_give_way (DkmsUi *self)
{
  if (self->frames > 0 || (self->channel != NULL && dkms_channel_is_kept_back (self->channel)))
    return FALSE;
  dkms_board_make_way (self->board);
  finish_open_line (self);
  flush_stdout (self);
  return TRUE;
}

static void
kept_clear (gpointer data)
{
  g_free (((DkmsUiKept *)data)->text);
}

GArray *
dkms_ui_kept_new (void)
{
  GArray *kept = g_array_new (FALSE, FALSE, sizeof (DkmsUiKept));

  g_array_set_clear_func (kept, kept_clear);
  return kept;
}

static void
keep (DkmsUi *self, DkmsVoice voice, char *text)
{
  DkmsUiKept kept = { voice, text };

  g_array_append_val (self->kept, kept);
}

void
dkms_ui_tell_kept (DkmsUi *self, const GArray *kept)
{
  for (guint i = 0; i < kept->len; i++)
    {
      const DkmsUiKept *each = &g_array_index (kept, DkmsUiKept, i);
      dkms_ui_tell (self, &(DkmsUiEvent){ .voice = each->voice, .text = each->text });
    }
}

#define DKMS_UI_VOICE(name, kind)                                                                                      \
  void name (DkmsUi *self, const char *format, ...)                                                                    \
  {                                                                                                                    \
    va_list args;                                                                                                      \
    va_start (args, format);                                                                                           \
    g_autofree char *text = g_strdup_vprintf (format, args);                                                           \
    va_end (args);                                                                                                     \
    if (self->kept != NULL)                                                                                            \
      keep (self, (kind), g_steal_pointer (&text));                                                                    \
    else                                                                                                               \
      dkms_ui_tell (self, &(DkmsUiEvent){ .voice = (kind), .text = text });                                            \
  }

DKMS_UI_VOICE (dkms_ui_line, DKMS_VOICE_LINE)
DKMS_UI_VOICE (dkms_ui_warn, DKMS_VOICE_WARN)
DKMS_UI_VOICE (dkms_ui_deprecated, DKMS_VOICE_DEPRECATED)
DKMS_UI_VOICE (dkms_ui_note, DKMS_VOICE_NOTE)

void
dkms_ui_error (DkmsUi *self, const GError *error)
{
  const char *advice = dkms_error_get_advice (error);

  dkms_ui_note (self, "\nError! %s.%s%s", error->message, advice != NULL ? "\n" : "", advice != NULL ? advice : "");
}

void
dkms_ui_step_begin (DkmsUi *self, const char *what, const char *command)
{
  dkms_ui_tell (self, &(DkmsUiEvent){ .voice = DKMS_VOICE_STEP_BEGIN, .text = what, .more = command });
}

void
dkms_ui_step_end (DkmsUi *self, int status, double seconds)
{
  dkms_ui_tell (self, &(DkmsUiEvent){ .voice = DKMS_VOICE_STEP_END, .number = status, .seconds = seconds });
}

void
dkms_ui_follow (DkmsUi *self, const char *log)
{
  dkms_ui_tell (self, &(DkmsUiEvent){ .voice = DKMS_VOICE_FOLLOW, .text = log });
}

/* ---- the end ---- */

static gboolean
reader_is_gone (void)
{
  struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

  return poll (&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

gboolean
dkms_ui_flush_answer (GError **error)
{
  gboolean failed_before = ferror (stdout) != 0;
  int code = fflush (stdout) == 0 ? 0 : errno;

  if (code == 0 && dkms_process_stdout_was_closed ())
    code = EBADF;
  if ((!failed_before && code == 0) || code == EPIPE || reader_is_gone ())
    return TRUE;
  /* Of a write that failed earlier no more is known than that it did. */
  return dkms_fail (error, DKMS_ERROR_IO, NULL, code == ENOSPC || code == EDQUOT ? "Free some space there." : NULL,
                    "Cannot write everything to the standard output%s%s", code != 0 ? ": " : "",
                    code != 0 ? g_strerror (code) : "");
}
