/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that does one step, and tells its parent about it. */
#define _GNU_SOURCE
#include "run/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/unread.h"

/* The whole life of the child. */
static void
work_and_exit (const DkmsUi *parent_ui, int frames, pid_t parent, DkmsWorkFunc work, gpointer data)
{
  DkmsUi ui = { .verbose = parent_ui->verbose, .frames = frames };
  g_autoptr (GError) error = NULL;
  sigset_t none;

  /* A group of its own, so that Ctrl-C reaches the parent alone, which ends us in good order. */
  if (setpgid (0, 0) < 0 || prctl (PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid () != parent)
    _exit (126);
  (void)sigemptyset (&none);
  (void)sigprocmask (SIG_SETMASK, &none, NULL);
  dkms_unread_drop (0); /* the parent reports those that it made */
  gboolean ok = work (data, &ui, &error);
  if (ok)
    dkms_ui_tell (&ui, &(DkmsUiEvent){ .voice = DKMS_VOICE_RESULT });
  else
    dkms_ui_tell (&ui, &(DkmsUiEvent){ .voice = DKMS_VOICE_RESULT,
                                       .text = error->message,
                                       .more = dkms_error_get_advice (error),
                                       .path = dkms_error_get_path (error),
                                       .number = error->domain == DKMS_ERROR ? error->code : (int)DKMS_ERROR_IO,
                                       .code = dkms_error_get_status (error) });
  g_clear_error (&error);
  _exit (0); /* not exit(): what the parent had not flushed is the parent's to flush */
}

DkmsWorker *
dkms_worker_start (const DkmsUi *ui, DkmsWorkFunc work, gpointer data, GError **error)
{
  g_autoptr (DkmsWorker) self = g_new0 (DkmsWorker, 1);
  pid_t parent = getpid ();
  int ends[2];

  self->frames = -1;
  self->buffer = g_byte_array_new ();
  if (pipe2 (ends, O_CLOEXEC) < 0)
    return dkms_fail_errno (error, "create", "a pipe"), NULL;
  self->frames = ends[0];
  (void)fflush (stdout);
  self->pid = fork ();
  if (self->pid == 0)
    work_and_exit (ui, ends[1], parent, work, data);
  (void)close (ends[1]);
  if (self->pid < 0)
    return dkms_fail_errno (error, "start", "a worker process"), NULL;
  (void)setpgid (self->pid, self->pid); /* whoever of the two comes first */
  if (fcntl (self->frames, F_SETFL, O_NONBLOCK) < 0)
    return dkms_fail_errno (error, "create", "a pipe"), NULL;
  return g_steal_pointer (&self);
}

static void
take_result (DkmsWorker *self, const DkmsUiEvent *event)
{
  if (self->ended)
    return;
  self->ended = TRUE;
  self->ok = event->text == NULL;
  if (!self->ok)
    dkms_fail_full (&self->error, (DkmsError)event->number, event->code, event->path, event->more, event->text);
}

gboolean
dkms_worker_listen (DkmsWorker *self, DkmsUi *ui)
{
  guint8 chunk[65536];
  ssize_t n;
  DkmsUiEvent event;

  while ((n = read (self->frames, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR))
    if (n > 0)
      g_byte_array_append (self->buffer, chunk, (guint)n);
  gboolean more = n < 0 && errno == EAGAIN;
  for (;;)
    {
      g_autofree char *storage = NULL;
      if (!dkms_ui_event_read (self->buffer, &event, &storage))
        break;
      if (event.voice == DKMS_VOICE_RESULT)
        take_result (self, &event);
      else
        dkms_ui_tell (ui, &event);
    }
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
    dkms_fail (error, DKMS_ERROR_IO, NULL, "Run the command again; nothing was left half-done.",
               "A worker process of dkms ended before its work was done (status %d)", status);
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
  if (self->frames >= 0)
    (void)close (self->frames);
  g_byte_array_unref (self->buffer);
  g_clear_error (&self->error);
  g_free (self);
}
