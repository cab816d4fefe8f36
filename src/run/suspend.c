/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stops and continues processes. */
#include "run/suspend.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* A process that was not stopped yet may have started others, so the search is repeated until it finds no more. A
 * process that waits for a disk stops later. */
enum { MOST_ROUNDS = 50, ROUND_MS = 5 };

typedef struct {
  pid_t pid, parent;
  char state;
} Process;

static gboolean
read_process (const char *name, Process *process)
{
  g_autofree char *path = g_build_filename ("/proc", name, "stat", NULL);
  g_autofree char *text = NULL;
  const char *end;

  /* A process may end at any time. Its name may contain parentheses. */
  if (!g_file_get_contents (path, &text, NULL, NULL) || (end = strrchr (text, ')')) == NULL)
    return FALSE;
  process->pid = (pid_t)strtol (name, NULL, 10);
  return sscanf (end + 1, " %c %d", &process->state, &process->parent) == 2;
}

/* Returns: (transfer full) (element-type Process): all processes */
static GArray *
list_processes (void)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (Process));
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name;
  Process process;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_ascii_isdigit (*name) && read_process (name, &process))
      g_array_append_val (all, process);
  return all;
}

/* Sends @number to each descendant of this process, parents first: to those that are stopped, or to those that are not.
 * Returns: to how many */
static guint
send_to_all (int number, gboolean to_stopped)
{
  g_autoptr (GArray) all = list_processes (), family = g_array_new (FALSE, FALSE, sizeof (pid_t));
  pid_t self = getpid ();
  guint sent = 0;

  g_array_append_val (family, self);
  for (guint done = 0; done < family->len; done++)
    {
      pid_t pid = g_array_index (family, pid_t, done);
      for (guint i = 0; i < all->len; i++)
        {
          const Process *process = &g_array_index (all, Process, i);
          if (process->parent == pid)
            g_array_append_val (family, process->pid);
          if (process->pid != pid || pid == self || strchr ("ZX", process->state) != NULL
              || (process->state == 'T') != to_stopped)
            continue;
          sent += kill (pid, number) == 0;
        }
    }
  return sent;
}

/* Stops this process until SIGCONT arrives. */
static void
stop_here (void)
{
  sigset_t stop, before;

  (void)sigemptyset (&stop);
  (void)sigaddset (&stop, SIGTSTP);
  (void)raise (SIGTSTP);
  if (sigprocmask (SIG_UNBLOCK, &stop, &before) == 0)
    (void)sigprocmask (SIG_SETMASK, &before, NULL);
}

void
dkms_suspend (DkmsListener *events)
{
  DKMS_EMIT (events, WORK_PAUSED);
  for (guint round = 0; round < MOST_ROUNDS && send_to_all (SIGSTOP, FALSE) > 0; round++)
    g_usleep (ROUND_MS * 1000);
  gint64 begin = g_get_monotonic_time ();
  stop_here ();
  dkms_clock_omit (g_get_monotonic_time () - begin);
  (void)send_to_all (SIGCONT, TRUE);
}
