/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "config.h"

typedef struct {
  const DkmsCommand *command;
  int null_fd;
} ChildSetup;

/* Runs in the child between fork and exec: system calls only. A failure shows as status 126. */
static void
child_setup (gpointer data)
{
  const ChildSetup *setup = data;
  const DkmsCommand *command = setup->command;
  int out = command->output_fd == -2 ? setup->null_fd : command->output_fd;

  sigset_t none;

  /* It stays in our process group, so that Ctrl-C reaches it, and ends when we are killed. */
  if (prctl (PR_SET_PDEATHSIG, SIGTERM) < 0 || sigemptyset (&none) < 0 || sigprocmask (SIG_SETMASK, &none, NULL) < 0)
    _exit (126);
  if (command->root != NULL && command->root->has_shell && !dkms_root_is_host (command->root))
    if (fchdir (command->root->fd) < 0 || chroot (".") < 0 || chdir ("/") < 0)
      _exit (126);
  if (command->cwd != NULL && chdir (command->cwd) < 0)
    _exit (126);
  if ((command->input_fd > 0 || command->null_stdin)
      && dup2 (command->input_fd > 0 ? command->input_fd : setup->null_fd, 0) < 0)
    _exit (126);
  if (out >= 0 && (dup2 (out, 1) < 0 || dup2 (out, 2) < 0))
    _exit (126);
  if (command->pass_fd > 0 && fcntl (command->pass_fd, F_SETFD, 0) < 0)
    _exit (126);
  for (guint i = 0; command->keep != NULL && i < command->keep->len; i++)
    if (fcntl (g_array_index (command->keep, int, i), F_SETFD, 0) < 0)
      _exit (126);
}

gboolean
dkms_process_start (const DkmsCommand *command, GPid *pid, GError **error)
{
  g_auto (DkmsFd) null_fd = open ("/dev/null", O_RDWR | O_CLOEXEC);
  ChildSetup setup = { command, null_fd };
  g_autoptr (GError) local = NULL;

  if (null_fd < 0)
    return dkms_fail_errno (error, "open", "/dev/null");
  (void)fflush (stdout); /* what we said comes before what the child says */
  if (!g_spawn_async (NULL, (char **)command->argv, (char **)command->env,
                      G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CHILD_INHERITS_STDIN, child_setup,
                      &setup, pid, &local))
    return dkms_fail (error, DKMS_ERROR_IO, command->argv[0], "Install the program, or correct PATH.",
                      "Cannot run %s: %s", command->argv[0], local->message);
  return TRUE;
}

gboolean
dkms_process_is_interrupted (void)
{
  sigset_t mask, pending;

  return sigprocmask (SIG_BLOCK, NULL, &mask) == 0 && sigismember (&mask, SIGTERM) == 1 && sigpending (&pending) == 0
         && (sigismember (&pending, SIGINT) == 1 || sigismember (&pending, SIGTERM) == 1);
}

/* A run that blocks SIGINT and SIGTERM passes them on to what it waits for. */
static void
pass_signals_on (GPid pid)
{
  struct pollfd end = { .fd = (int)syscall (SYS_pidfd_open, pid, 0), .events = POLLIN };
  sigset_t mask;

  if (end.fd < 0)
    return;
  while (sigprocmask (SIG_BLOCK, NULL, &mask) == 0 && sigismember (&mask, SIGTERM) == 1 && poll (&end, 1, 100) == 0)
    if (dkms_process_is_interrupted ())
      {
        (void)kill (pid, SIGTERM);
        break;
      }
  (void)close (end.fd);
}

int
dkms_process_wait (GPid pid)
{
  int status = 0;

  pass_signals_on (pid);
  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      return 127;
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

int
dkms_process_run (const DkmsCommand *command, GError **error)
{
  GPid pid = 0;

  return dkms_process_start (command, &pid, error) ? dkms_process_wait (pid) : -1;
}

void
dkms_process_try (const DkmsCommand *command)
{
  g_autoptr (GError) error = NULL;
  int status = dkms_process_run (command, &error);

  if (status != 0)
    g_debug ("%s: %s (%d)", command->argv[0], error != NULL ? error->message : "failed", status);
}

char *
dkms_process_capture (const DkmsCommand *command, gsize *size, int *status, GError **error)
{
  g_auto (DkmsFd) answer = memfd_create (command->argv[0], MFD_CLOEXEC);
  DkmsCommand copy = *command;

  if (answer < 0)
    return dkms_fail_errno (error, "create", "a memory file"), NULL;
  copy.output_fd = answer;
  *status = dkms_process_run (&copy, error);
  if (*status < 0)
    return NULL;
  if (lseek (answer, 0, SEEK_SET) < 0)
    return dkms_fail_errno (error, "read", "a memory file"), NULL;
  return dkms_read_fd (answer, command->argv[0], 16 << 20, size, error);
}

char *
dkms_process_helper (const char *name)
{
  g_autofree char *self = dkms_read_link_at (AT_FDCWD, "/proc/self/exe");
  g_autofree char *dir = g_path_get_dirname (self != NULL ? self : "/");
  g_autofree char *beside = g_build_filename (dir, "helpers", name, NULL);

  if (dkms_is_file_at (AT_FDCWD, beside))
    return g_steal_pointer (&beside);
  return g_build_filename (DKMS_HELPER_DIR, name, NULL);
}
