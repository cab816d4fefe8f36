/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: the stream from a worker to its parent, in pieces. A worker is a fork of dkms and sends complete lines; a
 * killed worker leaves a part of a line, and a defective one may send anything. The run must continue in both cases.
 * Findings: a crash; a worker that hangs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"
#include "report/sentences.h"
#include "run/worker.h"

/* Calls all functions that handle an event during a run. */
static void
hear (gpointer data, const DkmsEvent *event)
{
  g_autoptr (DkmsEvent) copy = dkms_event_copy (event);
  g_autofree char *words = dkms_sentence_for (copy);

  g_assert (words != NULL && (guint)dkms_sentence_voice (event->kind) <= DKMS_VOICE_STEP_ENDED);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static int pipe_ends[2] = { -1, -1 };
  DkmsListener listener = { .hear = hear };
  FuzzInput input = { data, size };
  g_autoptr (GError) error = NULL;

  fuzz_begin ();
  if (pipe_ends[0] < 0)
    g_assert (pipe2 (pipe_ends, O_CLOEXEC | O_NONBLOCK) == 0);
  DkmsWorker *worker = g_new0 (DkmsWorker, 1);
  worker->buffer = g_byte_array_new ();
  worker->lines = pipe_ends[0];
  while (input.size > 0 && !worker->ended)
    {
      size_t n;
      const uint8_t *piece = fuzz_piece (&input, &n);

      g_assert (write (pipe_ends[1], piece, n) == (ssize_t)n);
      (void)dkms_worker_listen (worker, &listener);
    }
  g_assert (dkms_worker_finish (worker, &error) == (error == NULL));
  worker->lines = -1; /* the descriptor stays open for the next input */
  dkms_worker_free (worker);
  return 0;
}
