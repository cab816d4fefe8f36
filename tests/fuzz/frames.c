/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: what a worker writes to its parent, in pieces as they arrive. A worker is forked from dkms itself and sends
 * whole frames; one that is killed leaves a part, one with a fault may send anything, and must not take the run along.
 * A finding: a crash, or a worker that hangs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "run/worker.h"
#include "ui/board.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static int pipe_ends[2] = { -1, -1 };
  DkmsWorker *worker;
  DkmsUi printing = { 0 }, ui = { 0 };
  DkmsBoard *board;
  FuzzInput input = { data, size };
  g_autoptr (GError) error = NULL;

  fuzz_begin ();
  if (pipe_ends[0] < 0)
    g_assert (pipe2 (pipe_ends, O_CLOEXEC | O_NONBLOCK) == 0);
  printing.verbose = fuzz_byte (&input) % 2;
  worker = g_new0 (DkmsWorker, 1);
  worker->buffer = g_byte_array_new ();
  worker->frames = pipe_ends[0];
  board = dkms_board_new (&printing, 2);
  ui.channel = dkms_board_open (board, "m/1 k");
  dkms_channel_set_busy (ui.channel, TRUE);
  while (input.size > 0 && !worker->ended)
    {
      size_t n;
      const uint8_t *piece = fuzz_piece (&input, &n);

      g_assert (write (pipe_ends[1], piece, n) == (ssize_t)n);
      (void)dkms_worker_listen (worker, &ui);
      dkms_board_tick (board);
    }
  g_assert (dkms_worker_finish (worker, &error) == (error == NULL));
  dkms_channel_close (ui.channel, NULL, error == NULL);
  dkms_board_free (board);
  worker->frames = -1; /* it stays open for the next one */
  dkms_worker_free (worker);
  return 0;
}
