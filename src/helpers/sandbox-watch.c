/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The work of process 1 of a sandbox while a command runs: it reaps processes, enforces limits that the kernel does not
 * enforce for all processes together, and kills processes that the command leaves. It checks limits five times per
 * second, which is sufficient for a disk and a terminal. The number of processes can grow faster: one hundred times per
 * second, process 1 reads how many were started, and checks the limits at once if there were many. Source: proc(5). */
#define _GNU_SOURCE
#include "sandbox-watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox-symbols.h"
#include "sandbox-world.h"

enum { TICK_MS = 10, LOOK_MS = 200, MOST_MS = 1000, GRACE_MS = 150 };

/* All processes of the namespace except this one. */
typedef struct {
  long processes, threads;
  unsigned long long memory; /* bytes of private memory */
  char name[64];             /* of one of them */
} Crowd;

static ssize_t
read_of_process (const Sandbox *self, const char *pid, const char *file, char *text, size_t size)
{
  char path[300];

  (void)snprintf (path, sizeof path, "%s/%s", pid, file);
  return sandbox_read_proc (self, path, text, size);
}

static void
count_process (const Sandbox *self, Crowd *crowd, const char *pid)
{
  char path[300];
  struct stat st;

  crowd->processes++;
  (void)snprintf (path, sizeof path, "%s/task", pid);
  crowd->threads += fstatat (self->proc, path, &st, 0) == 0 && st.st_nlink > 2 ? (long)st.st_nlink - 2 : 1;
}

static void
measure_process (const Sandbox *self, Crowd *crowd, const char *pid)
{
  char text[128];
  unsigned long resident = 0, shared = 0;

  if (read_of_process (self, pid, "statm", text, sizeof text) > 0
      && sscanf (text, "%*u %lu %lu", &resident, &shared) == 2 && resident > shared)
    crowd->memory += (unsigned long long)(resident - shared) * (unsigned long long)sysconf (_SC_PAGESIZE);
  if (*crowd->name == '\0' && read_of_process (self, pid, "comm", crowd->name, sizeof crowd->name) > 0)
    crowd->name[strcspn (crowd->name, "\n")] = '\0';
}

/* Calls @visit for each process until @most threads were counted (0: no limit), because their number may grow
 * meanwhile.
 */
static void
visit_crowd (const Sandbox *self, Crowd *crowd, long most, void (*visit) (const Sandbox *, Crowd *, const char *))
{
  int fd = openat (self->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  const struct dirent *entry;

  while (dir != NULL && (most == 0 || crowd->threads < most) && (entry = readdir (dir)) != NULL)
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && strcmp (entry->d_name, "1") != 0)
      visit (self, crowd, entry->d_name);
  if (dir != NULL)
    (void)closedir (dir);
}

static int
disk_is_full (const Sandbox *self, int dir)
{
  struct statvfs st;

  /* A file system without a number of inodes (btrfs) reports 0. */
  return dir >= 0 && fstatvfs (dir, &st) == 0
         && ((unsigned long long)st.f_bavail * st.f_frsize < self->reserve
             || (st.f_files > 0 && st.f_favail < st.f_files / 100));
}

static void
pause_ms (long ms)
{
  struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

  (void)nanosleep (&time, NULL);
}

/* Processes that the command left get a moment to end themselves, and are reported. */
static void
report_left (const Sandbox *self)
{
  pid_t pid;
  Crowd left = { 0 };

  for (int waited = 0; waited < GRACE_MS; waited += 10)
    {
      while ((pid = waitpid (-1, NULL, WNOHANG)) > 0)
        ;
      if (pid < 0)
        return;
      pause_ms (10);
    }
  visit_crowd (self, &left, 0, count_process);
  visit_crowd (self, &left, 0, measure_process);
  if (left.processes > 0)
    sandbox_report (self, "left %ld %s\n", left.processes, left.name);
}

/* Kills all processes except this one. */
static void
kill_all (void)
{
  (void)kill (-1, SIGKILL);
  while (waitpid (-1, NULL, 0) > 0 || errno == EINTR)
    ;
}

typedef struct {
  int reserve_dir; /* -1: none */
  int output;      /* a regular file; -1: none */
  off_t begin;     /* its size before the command */
  off_t written;
  long long silent; /* milliseconds since it last grew */
  int may_be_silent;
  long long looked; /* when limits were last checked; 0: not yet */
  long newest;      /* the number of the newest thread at that time */
  int is_scarce;    /* the machine has few threads left */
} Watch;

/* In milliseconds. */
static long long
now (void)
{
  struct timespec time;

  return clock_gettime (CLOCK_BOOTTIME, &time) == 0 ? time.tv_sec * 1000LL + time.tv_nsec / 1000000 : 0;
}

/* Returns: whether the limits must be checked again, because of the time or the number of new threads. The cost does
 * not depend on the number of threads: loadavg ends with the number of the newest thread of the namespace, and numbers
 * increase until they wrap. */
static int
is_time_to_look (const Sandbox *self, Watch *watch)
{
  char text[128];
  long newest = watch->newest, threads = 0;
  long long time = now ();

  if (self->processes > 0 && sandbox_read_proc (self, "loadavg", text, sizeof text) > 0)
    (void)sscanf (text, "%*s %*s %*s %*d/%ld %ld", &threads, &newest);
  watch->is_scarce = self->ceiling > 0 && threads > self->ceiling - self->ceiling / 4;
  if (watch->looked > 0 && !watch->is_scarce && time - watch->looked < LOOK_MS && newest >= watch->newest
      && newest - watch->newest <= self->processes / 8)
    return 0;
  /* A longer time passed while the machine or process 1 was stopped, and the command with it. */
  if (watch->looked > 0)
    watch->silent += time - watch->looked < MOST_MS ? time - watch->looked : MOST_MS;
  watch->looked = time;
  watch->newest = newest;
  return 1;
}

/* Returns: whether a limit is exceeded, which is reported */
static int
is_over (const Sandbox *self, Watch *watch)
{
  Crowd crowd = { 0 };
  struct stat st;

  visit_crowd (self, &crowd, self->processes, count_process);
  if (self->processes > 0 && crowd.threads >= self->processes)
    return sandbox_report (self, "processes %ld\n", self->processes), 1;
  if (watch->is_scarce
      && crowd.threads > self->processes / 8) /* several sandboxes together may use all threads of the machine */
    return sandbox_report (self, "processes %ld\n", crowd.threads), 1;
  visit_crowd (self, &crowd, 0, measure_process);
  if (self->memory > 0 && crowd.memory > self->memory)
    return sandbox_report (self, "memory\n"), 1;
  if (disk_is_full (self, watch->reserve_dir))
    return sandbox_report (self, "disk\n"), 1;
  if (watch->output < 0 || fstat (watch->output, &st) < 0)
    return 0;
  if (st.st_size != watch->written)
    {
      watch->written = st.st_size;
      watch->silent = 0;
    }
  if (self->output > 0 && st.st_size > watch->begin && (unsigned long long)(st.st_size - watch->begin) > self->output)
    return sandbox_report (self, "output %llu\n", self->output), 1;
  if (self->silence > 0 && !watch->may_be_silent && watch->silent >= self->silence * 1000LL)
    return sandbox_report (self, "silence %ld\n", self->silence), 1;
  return 0;
}

static int
watch_until_end (const Sandbox *self, pid_t command, Watch *watch)
{
  const struct timespec tick = { 0, TICK_MS * 1000000 };
  sigset_t events;

  (void)sigemptyset (&events);
  (void)sigaddset (&events, SIGCHLD);
  (void)sigaddset (&events, SIGIO);
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
          if (!sandbox_saw_symbols (self) || result != 0)
            return result;
          sandbox_report (self, "symbols\n");
          return 1;
        }
      if (is_time_to_look (self, watch) && is_over (self, watch))
        return 128 + SIGKILL;
      (void)sigtimedwait (&events, NULL, &tick);
      sandbox_release_symbols (self);
    }
}

int
sandbox_watch (const Sandbox *self, pid_t command, int output)
{
  Watch watch = { .reserve_dir = -1, .output = -1 };
  struct stat st;
  int status;

  if (self->reserve_dir != NULL)
    watch.reserve_dir = open (self->reserve_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (watch.reserve_dir >= 0 && disk_is_full (self, watch.reserve_dir))
    {
      (void)close (watch.reserve_dir); /* the limit was exceeded before the command started */
      watch.reserve_dir = -1;
    }
  if (fstat (output >= 0 ? output : STDOUT_FILENO, &st) == 0 && S_ISREG (st.st_mode))
    {
      watch.output = output >= 0 ? output : STDOUT_FILENO;
      watch.written = st.st_size;
      /* A log counts as a whole; a file of the caller only from its present size on. */
      watch.begin = output >= 0 ? 0 : st.st_size;
      watch.may_be_silent = output < 0;
    }
  status = watch_until_end (self, command, &watch);
  kill_all ();
  if (watch.reserve_dir >= 0)
    (void)close (watch.reserve_dir);
  return status;
}
