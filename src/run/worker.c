/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that runs one step, and sends events to its parent. */
#define _GNU_SOURCE
#include "run/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/language.h"
#include "base/process.h"
#include "base/unread.h"
#include "model/event-json.h"

/* Longer lines mean that the sender is faulty. */
enum { MOST_LINE = 64 << 20 };

static void
send_one (gpointer data, const DkmsEvent *event)
{
  g_autofree char *line = dkms_event_to_line (event);

  if (!dkms_write_all (*(const int *)data, line, strlen (line), "the pipe to dkms", NULL))
    return; /* the parent has terminated, and this process will be killed */
}

static void
send_translation (gpointer data, const char *english, const char *translation)
{
  send_one (data, &(const DkmsEvent){ .kind = DKMS_EVENT_TRANSLATED, .name = english, .text = translation });
}

/* In the child: @data points to the pipe. */
static void
send_line (gpointer data, const DkmsEvent *event)
{
  dkms_language_each_new (send_translation, data);
  send_one (data, event);
}

/* The whole life of the child process. */
static void
work_and_exit (int pipe, pid_t parent, DkmsWorkFunc work, gpointer data)
{
  DkmsListener events = { .hear = send_line, .data = &pipe, .remote = TRUE };
  g_autoptr (GError) error = NULL;
  sigset_t none;

  /* The child gets a process group of its own, so that Ctrl-C reaches only the parent, which ends it in good order. */
  if (setpgid (0, 0) < 0 || prctl (PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid () != parent)
    _exit (126);
  (void)sigemptyset (&none);
  (void)sigprocmask (SIG_SETMASK, &none, NULL);
  dkms_unread_drop (0); /* the parent reports its own notes */
  dkms_language_each_new (NULL, NULL);
  gboolean ok = work (data, &events, &error);
  DKMS_EMIT (&events, WORKER_ENDED, .error = ok ? NULL : error);
  g_clear_error (&error);
  _exit (0); /* not exit(), which would flush buffers of the parent */
}

DkmsWorker *
dkms_worker_start (DkmsWorkFunc work, gpointer data, GError **error)
{
  g_autoptr (DkmsWorker) self = g_new0 (DkmsWorker, 1);
  pid_t parent = getpid ();
  int ends[2];

  self->lines = -1;
  self->buffer = g_byte_array_new ();
  if (pipe2 (ends, O_CLOEXEC) < 0)
    return dkms_fail_errno (error, "create", "a pipe"), NULL;
  self->lines = ends[0];
  (void)fflush (stdout);
  self->pid = fork ();
  if (self->pid == 0)
    work_and_exit (ends[1], parent, work, data);
  (void)close (ends[1]);
  if (self->pid < 0)
    return dkms_fail_errno (error, "start", "a worker process"), NULL;
  (void)setpgid (self->pid, self->pid); /* parent and child both call it, because either may be first */
  if (fcntl (self->lines, F_SETFL, O_NONBLOCK) < 0)
    return dkms_fail_errno (error, "create", "a pipe"), NULL;
  return g_steal_pointer (&self);
}

static void
take_line (DkmsWorker *self, DkmsListener *events, const char *line, gsize length)
{
  g_autoptr (DkmsEvent) event = dkms_event_from_line (line, length);

  if (event == NULL || self->ended)
    return;
  if (event->kind == DKMS_EVENT_TRANSLATED && event->name != NULL && event->text != NULL)
    dkms_language_remember (event->name, event->text);
  else if (event->kind != DKMS_EVENT_WORKER_ENDED)
    dkms_listener_hear (events, event);
  else
    {
      self->ended = TRUE;
      self->ok = event->error == NULL;
      self->error = event->error != NULL ? g_error_copy (event->error) : NULL;
    }
}

gboolean
dkms_worker_listen (DkmsWorker *self, DkmsListener *events)
{
  guint8 chunk[65536];
  ssize_t n;

  while ((n = read (self->lines, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR))
    if (n > 0)
      g_byte_array_append (self->buffer, chunk, (guint)n);
  gboolean more = n < 0 && errno == EAGAIN;
  if (self->buffer->len == 0)
    return more && !self->ended;
  const char *line = (const char *)self->buffer->data, *end = line + self->buffer->len, *newline;
  for (; line < end && (newline = memchr (line, '\n', (gsize)(end - line))) != NULL; line = newline + 1)
    take_line (self, events, line, (gsize)(newline - line));
  g_byte_array_remove_range (self->buffer, 0, (guint)(line - (const char *)self->buffer->data));
  if (self->buffer->len > MOST_LINE)
    g_byte_array_set_size (self->buffer, 0);
  return more && !self->ended;
}

gboolean
dkms_worker_finish (DkmsWorker *self, GError **error)
{
  int status = self->pid > 0 ? dkms_process_wait (self->pid) : 0;

  self->pid = 0;
  if (self->ended && self->ok)
    return TRUE;
  if (self->ended)
    g_propagate_error (error, g_steal_pointer (&self->error));
  else
    DKMS_FAIL (error, WORKER_ENDED, .status = status);
  return FALSE;
}

void
dkms_worker_kill (const DkmsWorker *self, int signal)
{
  if (self->pid > 0)
    (void)kill (-self->pid, signal);
}

void
dkms_worker_free (DkmsWorker *self)
{
  if (self == NULL)
    return;
  if (self->pid > 0)
    {
      dkms_worker_kill (self, SIGKILL);
      (void)dkms_process_wait (self->pid);
    }
  if (self->lines >= 0)
    (void)close (self->lines);
  g_byte_array_unref (self->buffer);
  g_clear_error (&self->error);
  g_free (self);
}
