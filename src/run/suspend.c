/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stops and continues processes. */
#include "run/suspend.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

/* Returns: (transfer full) (element-type Process): the descendants of this process, parents first */
static GArray *
list_family (void)
{
  g_autoptr (GArray) all = list_processes ();
  GArray *family = g_array_new (FALSE, FALSE, sizeof (Process));
  pid_t parent = getpid ();

  for (guint done = 0;; done++)
    {
      for (guint i = 0; i < all->len; i++)
        if (g_array_index (all, Process, i).parent == parent)
          g_array_append_val (family, g_array_index (all, Process, i));
      if (done == family->len)
        return family;
      parent = g_array_index (family, Process, done).pid;
    }
}

/* Sends @number to each descendant of this process: to those that are stopped, or to those that are not. Returns: to
 * how many */
static guint
send_to_all (int number, gboolean to_stopped)
{
  g_autoptr (GArray) family = list_family ();
  guint sent = 0;

  for (guint i = 0; i < family->len; i++)
    {
      const Process *process = &g_array_index (family, Process, i);
      if (strchr ("ZX", process->state) == NULL && (process->state == 'T') == to_stopped)
        sent += kill (process->pid, number) == 0;
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

/* Gives a process, and the session that a sandbox has made for it (sched(7), "autogroup"), the niceness @nice. A
 * failure costs time only. */
static void
set_nice (pid_t pid, int nice)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/autogroup", (int)pid);
  FILE *group = fopen (path, "we");

  (void)setpriority (PRIO_PROCESS, (id_t)pid, nice);
  if (group == NULL)
    return;
  (void)fprintf (group, "%d", nice);
  (void)fclose (group);
}

void
dkms_hurry (void)
{
  enum { ROUNDS = 2 }; /* a process that was late may have started another one */
  int nice = getpriority (PRIO_PROCESS, 0);

  for (guint round = 0; round < ROUNDS; round++)
    {
      g_autoptr (GArray) family = list_family ();
      for (guint i = 0; i < family->len; i++)
        set_nice (g_array_index (family, Process, i).pid, nice);
    }
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
