/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes the messages of bash, and watches its time. */
#define _GNU_SOURCE
#include "conf/answer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define LIMIT_INDEX 4096
/* The limit for the answer of one bash in bytes. */
enum { LIMIT_ANSWER = 16 << 20 };

DkmsAnswer *
dkms_answer_new (void)
{
  DkmsAnswer *self = g_new0 (DkmsAnswer, 1);

  self->fd = -1;
  self->buffer = g_byte_array_new ();
  return self;
}

void
dkms_answer_free (DkmsAnswer *self)
{
  if (self->fd >= 0)
    (void)close (self->fd);
  g_byte_array_unref (self->buffer);
  g_free (self->ended);
  g_free (self);
}

gboolean
dkms_answer_is_for (const DkmsAnswer *self, const DkmsQuery *query)
{
  return query == self->first || dkms_query_same_package (query, self->first);
}

void
dkms_answer_end_query (DkmsAnswer *self, int status)
{
  DkmsQuery *query = self->current;

  if (query == NULL)
    return;
  if (self->timed_out)
    DKMS_FAIL (&query->error, CONF_TIMEOUT, .path = query->shown, .number = self->policy->recipe_timeout);
  else if (!self->done && self->ended != NULL)
    DKMS_FAIL (&query->error, CONF_EXCEEDED, .path = query->shown, .text = self->ended);
  else if (!self->done)
    query->ended = !DKMS_FAIL (&query->error, CONF_ENDED_EARLY, .path = query->shown, .status = status);
  if (query->error != NULL)
    g_clear_pointer (&query->vars, dkms_vars_free);
  self->current = NULL;
  self->deadline = 0;
}

static DkmsQuery *
query_by_id (DkmsAnswer *self, const char *id)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (id, 10, 0, self->queries->len - 1, &number, NULL))
    return NULL;
  DkmsQuery *query = self->queries->pdata[number];
  return dkms_answer_is_for (self, query) ? query : NULL;
}

/* Handles the message at @at. Returns: the number of fields it has, 0 if it is incomplete, -1 if it is not a message.
 */
static int
take_message (DkmsAnswer *self, char **at, guint have)
{
  static const struct {
    char kind;
    guint fields;
  } shape[] = { { 'B', 3 }, { 'U', 3 }, { 'O', 4 }, { 'V', 4 }, { 'D', 1 }, { 'E', 3 }, { 'Z', 1 } };
  guint need = 0;
  guint64 number;

  for (gsize i = 0; i < G_N_ELEMENTS (shape); i++)
    if (at[0][0] == shape[i].kind && at[0][1] == '\0')
      need = shape[i].fields;
  if (need == 0)
    return -1;
  if (have < need)
    return 0;

  switch (at[0][0])
    {
    case 'B':
      self->current = query_by_id (self, at[1]);
      if (self->current == NULL || dkms_query_is_answered (self->current))
        return self->current = NULL, -1;
      self->current->vars = dkms_vars_new (self->current->shown);
      self->current_pid = MAX (atoi (at[2]), 2); /* a recipe must not name process 1 */
      self->done = self->timed_out = FALSE;
      self->deadline = self->clock + (gint64)self->policy->recipe_timeout * G_USEC_PER_SEC;
      break;
    case 'U':
      if (query_by_id (self, at[1]) != NULL && g_ascii_string_to_unsigned (at[2], 10, 0, LIMIT_INDEX, &number, NULL))
        self->handed += dkms_query_give_text (query_by_id (self, at[1]), self->root, number);
      break;
    case 'O':
      if (self->current != NULL)
        dkms_vars_add_deprecated (self->current->vars, at[1], at[2], at[3]);
      break;
    case 'V':
      if (self->current != NULL && g_ascii_string_to_unsigned (at[2], 10, 0, LIMIT_INDEX, &number, NULL)
          && g_utf8_validate (at[3], -1, NULL))
        dkms_vars_set_folded (self->current->vars, at[1], (guint)number, at[3]);
      break;
    case 'D':
      self->done = TRUE;
      break;
    case 'E':
      if (query_by_id (self, at[1]) != NULL)
        dkms_answer_end_query (self, atoi (at[2]));
      break;
    default:
      break;
    }
  return (int)need;
}

gboolean
dkms_answer_take (DkmsAnswer *self)
{
  GByteArray *buffer = self->buffer;
  g_autoptr (GPtrArray) fields = g_ptr_array_new ();
  gsize start = 0, used = 0;

  for (gsize i = 0; i < buffer->len; i++)
    if (buffer->data[i] == '\0')
      {
        g_ptr_array_add (fields, buffer->data + start);
        start = i + 1;
      }
  for (guint f = 0; f < fields->len;)
    {
      char **at = (char **)fields->pdata + f;
      gboolean last = strcmp (at[0], "Z") == 0;
      int n = take_message (self, at, fields->len - f);

      if (n == 0)
        break;
      f += n > 0 ? (guint)n : 1;
      used = f < fields->len ? (gsize)((guint8 *)fields->pdata[f] - buffer->data) : start;
      if (last)
        return FALSE;
    }
  g_byte_array_remove_range (buffer, 0, (guint)used);
  return TRUE;
}

/* Ends the current query, or the whole bash if it takes too long. A query is a process group of its own. A sandbox is
 * ended completely, and the remaining queries are tried again. */
static void
end_late (DkmsAnswer *self)
{
  gboolean whole = self->confined || self->clock >= self->end;

  self->timed_out = self->current != NULL;
  self->deadline = 0;
  if (self->current_pid > 1 && !self->confined)
    (void)kill (-self->current_pid, SIGKILL);
  if (whole)
    (void)kill (self->pid, SIGKILL);
}

void
dkms_answer_read (DkmsAnswer *self)
{
  guint8 chunk[65536];
  ssize_t n = read (self->fd, chunk, sizeof chunk);

  if (n < 0 && errno == EINTR)
    return;
  if (n <= 0)
    {
      self->is_over = TRUE;
      return;
    }
  self->bytes += (gsize)n;
  if (self->bytes > LIMIT_ANSWER)
    {
      self->ended = DKMS_SAY (LIMIT_VALUES, 0);
      (void)kill (self->pid, SIGKILL);
      self->is_over = TRUE;
      return;
    }
  g_byte_array_append (self->buffer, chunk, (guint)n);
  self->is_over = memchr (chunk, '\0', (gsize)n) != NULL && !dkms_answer_take (self);
}

gboolean
dkms_answer_pass_time (DkmsAnswer *self, gint64 passed)
{
  self->clock += passed;
  if (self->clock < self->end && (self->deadline == 0 || self->clock < self->deadline))
    return FALSE;
  end_late (self);
  self->is_over = self->clock >= self->end;
  return TRUE;
}
