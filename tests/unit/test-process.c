/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state in which a process begins, whatever state its caller has left. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"

/* Returns: whether @check holds in a child process after @spoil and then dkms_process_begin() were called in it */
static gboolean
holds_after (void (*spoil) (void), gboolean (*check) (void))
{
  int status = -1;
  pid_t pid = fork ();

  if (pid == 0)
    {
      spoil ();
      dkms_process_begin ();
      _exit (check () ? 0 : 1);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  return status == 0;
}

static void
close_streams (void)
{
  for (int fd = 0; fd <= 2; fd++)
    (void)close (fd);
}

/* The next opened file must not become a standard stream of a child process. */
static gboolean
opens_above_streams (void)
{
  return open ("/", O_RDONLY) > 2;
}

static void
ignore_and_block (void)
{
  sigset_t all;

  (void)signal (SIGCHLD, SIG_IGN);
  (void)sigfillset (&all);
  (void)sigprocmask (SIG_SETMASK, &all, NULL);
  umask (0);
}

static gboolean
is_at_default (void)
{
  struct sigaction action;
  sigset_t now;

  return sigaction (SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_DFL
         && sigprocmask (SIG_SETMASK, NULL, &now) == 0 && sigismember (&now, SIGTERM) == 0 && umask (0) == 022;
}

static void
test_streams (void)
{
  g_assert_true (holds_after (close_streams, opens_above_streams));
}

static void
test_signals_and_mask (void)
{
  g_assert_true (holds_after (ignore_and_block, is_at_default));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/process/streams", test_streams);
  g_test_add_func ("/process/signals-and-mask", test_signals_and_mask);
  return g_test_run ();
}
