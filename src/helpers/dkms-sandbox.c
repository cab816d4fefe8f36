/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms-sandbox: runs one command in a world of its own. A program by itself because it links libseccomp, and so that
 * the code that changes mounts and privileges is small and stands alone.
 *
 * Usage: dkms-sandbox [OPTION]... [-- COMMAND [ARGUMENT]...]
 *   --root DIR          what stands for "/"; all other paths but the source of --bind are paths in it
 *   --chdir DIR         where the command starts
 *   --report FD         findings go there, a line each (see below)
 *   --user UID GID      whom the command runs as
 *   --processes N       so many at once, then the command is ended
 *   --file-size BYTES   no file may grow larger
 *   --reserve DIR BYTES so much stays free on the file system of DIR, else the command is ended
 *   --tmp-size BYTES    the most that --fresh and --overlay together may take, in memory
 * and, done in the order given, on top of a root that is read-only as a whole:
 *   --fresh DIR         DIR is empty, anyone may write there, and what is written goes with the command
 *   --mask PATH         the directory PATH is empty, the file PATH cannot be read; absent is fine
 *   --expose PATH       what PATH was before any --fresh and --mask, at its place
 *   --overlay DIR       DIR may be written to; what is written goes with the command
 *   --cover DIR         new entries in DIR itself go with the command, what is there can be read
 *   --bind FROM PATH    the directory FROM (a path outside --root) can be written as PATH
 * Without a command it only tries whether all this can be had.
 *
 * The command gets namespaces for mounts, processes, IPC and network (with no device, not even a loopback that is up),
 * its own /proc and a /dev of harmless nodes, no capability, no new privileges and a filter of system calls. Whoever is
 * not root gets a user namespace for it, in which only his own uid exists. When the command ends, so does all that it
 * started, and when dkms-sandbox is killed, all of it is.
 *
 * Exit status: that of the command, 128 + signal number if one ended it; 125 when the world could not be made.
 * Findings: "setup WHAT: WHY", "processes N", "disk", "left N NAME" (so many were still running when the command had
 * ended).
 *
 * sandbox-world.c makes the world, sandbox-rights.c takes the rights away, this file starts the command and watches it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox.h"

enum { SETUP_FAILED = 125, TICK_MS = 200, GRACE_MS = 150 };

void
sandbox_report (const Sandbox *self, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  (void)vdprintf (self->report >= 0 ? self->report : STDERR_FILENO, format, args);
  va_end (args);
}

void
sandbox_die (const Sandbox *self, const char *what, const char *path)
{
  sandbox_report (self, "setup %s%s%s: %s\n", what, path != NULL ? " " : "", path != NULL ? path : "",
                  strerror (errno));
  _exit (SETUP_FAILED);
}

/* ---- arguments ---- */

static void usage (const Sandbox *self, const char *word) __attribute__ ((noreturn));

static void
usage (const Sandbox *self, const char *word)
{
  sandbox_report (self, "setup arguments: do not understand %s\n", word);
  _exit (SETUP_FAILED);
}

static void
add_change (Sandbox *self, SandboxKind kind, const char *path, const char *from)
{
  if (self->count == SANDBOX_MAX_CHANGES)
    usage (self, "so many paths");
  self->changes[self->count++] = (SandboxChange){ kind, path, from, -1 };
}

static void
parse (Sandbox *self, int argc, char **argv)
{
  static const struct {
    const char *word;
    SandboxKind kind;
  } changes[] = { { "--fresh", FRESH },     { "--mask", MASK },   { "--expose", EXPOSE },
                  { "--overlay", OVERLAY }, { "--cover", COVER }, { "--bind", BIND } };

  for (int i = 1; i < argc; i++)
    {
      const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL, *more = i + 2 < argc ? argv[i + 2] : NULL;
      int used = 1, kind = -1;

      if (strcmp (word, "--") == 0)
        {
          self->command = argv + i + 1;
          return;
        }
      for (size_t k = 0; k < sizeof changes / sizeof *changes; k++)
        if (strcmp (word, changes[k].word) == 0)
          kind = (int)changes[k].kind;
      if (value == NULL
          || ((kind == BIND || strcmp (word, "--user") == 0 || strcmp (word, "--reserve") == 0) && more == NULL))
        usage (self, word);
      if (kind >= 0)
        {
          add_change (self, (SandboxKind)kind, kind == BIND ? more : value, kind == BIND ? value : NULL);
          used = kind == BIND ? 2 : 1;
        }
      else if (strcmp (word, "--root") == 0)
        self->root = value;
      else if (strcmp (word, "--chdir") == 0)
        self->cwd = value;
      else if (strcmp (word, "--report") == 0)
        self->report = (int)strtol (value, NULL, 10);
      else if (strcmp (word, "--processes") == 0)
        self->processes = strtol (value, NULL, 10);
      else if (strcmp (word, "--file-size") == 0)
        self->file_size = strtoull (value, NULL, 10);
      else if (strcmp (word, "--tmp-size") == 0)
        self->tmp_size = value;
      else if (strcmp (word, "--reserve") == 0)
        {
          self->reserve_dir = value;
          self->reserve = strtoull (more, NULL, 10);
          used = 2;
        }
      else if (strcmp (word, "--user") == 0)
        {
          self->user = 1;
          self->uid = (uid_t)strtoul (value, NULL, 10);
          self->gid = (gid_t)strtoul (more, NULL, 10);
          used = 2;
        }
      else
        usage (self, word);
      i += used;
    }
}

/* ---- while the command runs ---- */

/* Returns: how many processes there are in the namespace, this one not counted; name: of one of them */
static long
count_processes (char name[static 64])
{
  DIR *dir = opendir ("/proc");
  const struct dirent *entry;
  long count = 0;

  *name = '\0';
  while (dir != NULL && (entry = readdir (dir)) != NULL)
    {
      char path[300];
      int fd;

      if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || strcmp (entry->d_name, "1") == 0)
        continue;
      count++;
      if (*name != '\0')
        continue;
      (void)snprintf (path, sizeof path, "/proc/%s/comm", entry->d_name);
      fd = open (path, O_RDONLY | O_CLOEXEC);
      ssize_t n = fd >= 0 ? read (fd, name, 63) : -1;
      name[n > 0 ? n - 1 : 0] = '\0';
      if (fd >= 0)
        (void)close (fd);
    }
  if (dir != NULL)
    (void)closedir (dir);
  return count;
}

static int
disk_is_full (const Sandbox *self, int dir)
{
  struct statvfs st;

  return dir >= 0 && fstatvfs (dir, &st) == 0 && (unsigned long long)st.f_bavail * st.f_frsize < self->reserve;
}

static void
pause_ms (long ms)
{
  struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

  (void)nanosleep (&time, NULL);
}

/* What the command leaves running gets a moment to end by itself. */
static void
report_left (const Sandbox *self)
{
  char name[64];
  pid_t pid;

  for (int waited = 0; waited < GRACE_MS; waited += 10)
    {
      while ((pid = waitpid (-1, NULL, WNOHANG)) > 0)
        ;
      if (pid < 0)
        return;
      pause_ms (10);
    }
  long left = count_processes (name);
  if (left > 0)
    sandbox_report (self, "left %ld %s\n", left, name);
}

/* Process 1 of the namespace: reaps, watches, and takes all others along when it ends. */
static int
watch (const Sandbox *self, pid_t command, int reserve_dir)
{
  const struct timespec tick = { 0, TICK_MS * 1000000 };
  sigset_t child;
  char name[64];

  (void)sigemptyset (&child);
  (void)sigaddset (&child, SIGCHLD);
  for (;;)
    {
      pid_t pid;
      int status, result = -1;

      while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
        if (pid == command)
          result = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
      if (result >= 0)
        {
          report_left (self);
          return result;
        }
      if (self->processes > 0 && count_processes (name) >= self->processes)
        {
          sandbox_report (self, "processes %ld\n", self->processes);
          return 128 + SIGKILL;
        }
      if (disk_is_full (self, reserve_dir))
        {
          sandbox_report (self, "disk\n");
          return 128 + SIGKILL;
        }
      (void)sigtimedwait (&child, NULL, &tick);
    }
}

/* Where the kernel schedules each session as one, it goes by the niceness of the session (sched(7), "autogroup"). */
static void
make_session_nice (void)
{
  int nice = getpriority (PRIO_PROCESS, 0);
  int fd = nice > 0 ? open ("/proc/self/autogroup", O_WRONLY | O_CLOEXEC) : -1;

  if (fd < 0)
    return;
  (void)dprintf (fd, "%d", nice);
  (void)close (fd);
}

static void
run_command (const Sandbox *self, const sigset_t *signals)
{
  (void)setsid (); /* what it sends to its process group must not reach ours */
  make_session_nice ();
  sandbox_close_proc (self);
  if (self->cwd != NULL && chdir (self->cwd) < 0)
    sandbox_die (self, "enter", self->cwd);
  sandbox_set_limits (self);
  sandbox_drop_rights (self);
  sandbox_filter_calls (self);
  (void)sigprocmask (SIG_SETMASK, signals, NULL);
  if (self->report >= 0)
    (void)close (self->report);
  (void)execvp (self->command[0], self->command);
  (void)fprintf (stderr, "%s: %s\n", self->command[0], strerror (errno));
  _exit (127);
}

static int
be_first (Sandbox *self, const sigset_t *signals)
{
  int reserve_dir = -1;
  pid_t pid;

  if (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0)
    sandbox_die (self, "tie", "the command to dkms");
  sandbox_change_world (self);
  sandbox_mount_proc (self);
  if (self->command == NULL)
    {
      sandbox_close_proc (self);
      sandbox_drop_rights (self);
      sandbox_filter_calls (self);
      return 0;
    }
  if (self->reserve_dir != NULL)
    reserve_dir = open (self->reserve_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (disk_is_full (self, reserve_dir))
    reserve_dir = -1; /* it was before: not the command's doing */
  pid = fork ();
  if (pid < 0)
    sandbox_die (self, "start", "the command");
  if (pid == 0)
    run_command (self, signals);
  (void)setpriority (PRIO_PROCESS, 0, -10); /* to keep watch in a crowd */
  return watch (self, pid, reserve_dir);
}

int
main (int argc, char **argv)
{
  Sandbox self = { .root = "/", .report = -1 };
  sigset_t child, signals;
  pid_t pid;
  int status;

  parse (&self, argc, argv);
  if (self.report >= 0 && fcntl (self.report, F_SETFD, FD_CLOEXEC) < 0)
    self.report = -1;
  (void)sigemptyset (&child);
  (void)sigaddset (&child, SIGCHLD);
  if (sigprocmask (SIG_BLOCK, &child, &signals) < 0)
    sandbox_die (&self, "block", "signals");
  sandbox_leave (&self);
  pid = fork ();
  if (pid < 0)
    sandbox_die (&self, "start", "a process namespace");
  if (pid == 0)
    _exit (be_first (&self, &signals));
  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      sandbox_die (&self, "wait for", "the command");
  _exit (WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status));
}
