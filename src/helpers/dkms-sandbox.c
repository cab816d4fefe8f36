/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms-sandbox: runs commands in a sandbox. A separate program, so that the code that changes mounts and privileges is
 * small.
 *
 * Usage: dkms-sandbox [OPTION]... [-- COMMAND [ARGUMENT]...]
 *
 *   --root DIR          the root of the command; all other paths except the source of --bind are paths in it
 *   --chdir DIR         working directory of the command
 *   --report FD         write findings to FD, one per line (see below)
 *   --serve FD          run the commands that arrive on the socket FD, one after the other (see below)
 *   --user UID GID      the user of the command
 *   --processes N       kill the command if all its processes together have more threads
 *   --file-size BYTES   limit of the size of a file
 *   --reserve DIR BYTES kill the command if less is free on the file system of DIR, or a hundredth of its inodes
 *   --memory BYTES      kill the command if all its processes together use more private memory
 *   --silence SECONDS   kill a command whose output is a file if it writes nothing for so long
 *   --output BYTES      kill such a command if it writes more
 *   --tmp-size BYTES    limit of --fresh and --overlay together, in memory
 *
 * These options change the root, in the order in which they are given; otherwise it is read-only and without devices:
 *
 *   --fresh DIR         DIR is empty and writable for all users; its files are discarded; its parents may be in a
 *                       --mask
 *   --mask PATH         the directory PATH is empty, the file PATH is unreadable; PATH need not exist. "/" is empty
 *                       except for /dev and /proc
 *   --home DIR          DIR is empty, belongs to the user of the command, and is $HOME; its parents may be in a --mask
 *   --link TEXT PATH    PATH, in an empty directory, is a link
 *   --expose PATH       show the original PATH at its place, even in a --fresh or --mask; PATH need not exist
 *   --write DIR         DIR, a path without links, is writable with the usual permissions, except mounts below it;
 *                       "/" is the root
 *   --overlay DIR       DIR is writable, and changes are discarded. If the kernel does not support that, DIR is
 *                       read-only
 *   --exchange DIR      files of DIR's owner in DIR, inside an --overlay, belong to the user of the command, and the
 *                       other way round. If the kernel does not support that for this file system, like --claim
 *   --claim DIR         files in DIR, inside an --overlay, that the user of the command cannot read belong to that
 *                       user; all files of DIR are examined for that
 *   --cover DIR         new entries in DIR are discarded, existing ones are readable; DIR need not exist
 *   --bind FROM PATH    the directory FROM (a path outside of --root) is writable at PATH
 *
 * Without a command and without --serve it only checks whether such a sandbox can be created.
 *
 * The command gets namespaces for mounts, processes, IPC and network (without any device, and with the loopback device
 * down), its own /proc, a /dev with harmless devices, no capabilities, no new privileges, and a filter of system calls.
 * For a caller that is not root, a user namespace is created that contains only its own uid. When the command ends, all
 * its processes are killed. When dkms-sandbox is killed, all processes in the sandbox are killed.
 *
 * With --serve, each command sees the files of the previous ones, but their processes are killed. FD is a socket of
 * type SOCK_SEQPACKET. A request is a message of any text with three descriptors: a file that contains, each ended by a
 * NUL, the working directory, the number of arguments, the arguments and the environment; standard input; standard
 * output and error. The answer is the exit status as a decimal number. The sandbox ends when the socket is closed.
 *
 * Exit status: that of the command, 128 + signal number if a signal ended it; 125 if the sandbox could not be created.
 * Findings: "missing WHAT: WHY" (the system lacks a permission or a feature of the kernel), "setup WHAT: WHY" (the
 * sandbox could not be created for another reason), "processes N", "disk", "memory", "silence N", "output BYTES",
 * "symbols" (it succeeded, but read addresses of kernel symbols, which are hidden), "left N NAME" (N processes were
 * running when the command had ended), "note TEXT".
 *
 * sandbox-world.c creates the namespaces and mounts, sandbox-changes.c and sandbox-overlay.c change the root,
 * sandbox-rights.c drops privileges, sandbox-watch.c and sandbox-symbols.c watch the command, and this file starts it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox-filter.h"
#include "sandbox-rights.h"
#include "sandbox-symbols.h"
#include "sandbox-watch.h"
#include "sandbox-world.h"
#include "sandbox.h"

enum { SETUP_FAILED = 125 };

void
sandbox_report (const Sandbox *self, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  (void)vdprintf (self->report >= 0 ? self->report : STDERR_FILENO, format, args);
  va_end (args);
}

static void fail (const Sandbox *self, const char *kind, const char *what, const char *path) __attribute__ ((noreturn));

static void
fail (const Sandbox *self, const char *kind, const char *what, const char *path)
{
  sandbox_report (self, "%s %s%s%s: %s\n", kind, what, path != NULL ? " " : "", path != NULL ? path : "",
                  strerror (errno));
  _exit (SETUP_FAILED);
}

void
sandbox_die (const Sandbox *self, const char *what, const char *path)
{
  fail (self, errno == ENOSYS ? "missing" : "setup", what, path);
}

void
sandbox_lack (const Sandbox *self, const char *what, const char *path)
{
  const int reasons[] = { EPERM, EACCES, ENOSYS, EINVAL, EUSERS, ENOSPC };

  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
    if (errno == reasons[i])
      fail (self, "missing", what, path);
  sandbox_die (self, what, path);
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
  SandboxChange *more = realloc (self->changes, (self->count + 1) * sizeof *more);

  if (more == NULL)
    sandbox_die (self, "remember", path);
  self->changes = more;
  self->changes[self->count++] = (SandboxChange){ .kind = kind, .path = path, .from = from, .tree = -1 };
}

static void
parse (Sandbox *self, int argc, char **argv)
{
  static const struct {
    const char *word;
    SandboxKind kind;
  } changes[] = { { "--fresh", FRESH },   { "--mask", MASK },   { "--home", HOME },       { "--link", LINK },
                  { "--expose", EXPOSE }, { "--write", WRITE }, { "--overlay", OVERLAY }, { "--exchange", EXCHANGE },
                  { "--claim", CLAIM },   { "--cover", COVER }, { "--bind", BIND } };

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
          || ((kind == BIND || kind == LINK || strcmp (word, "--user") == 0 || strcmp (word, "--reserve") == 0)
              && more == NULL))
        usage (self, word);
      if (kind == BIND || kind == LINK)
        {
          add_change (self, (SandboxKind)kind, more, value);
          used = 2;
        }
      else if (kind >= 0)
        add_change (self, (SandboxKind)kind, value, NULL);
      else if (strcmp (word, "--root") == 0)
        self->root = value;
      else if (strcmp (word, "--chdir") == 0)
        self->cwd = value;
      else if (strcmp (word, "--report") == 0)
        self->report = (int)strtol (value, NULL, 10);
      else if (strcmp (word, "--serve") == 0)
        self->serve = (int)strtol (value, NULL, 10);
      else if (strcmp (word, "--processes") == 0)
        self->processes = strtol (value, NULL, 10);
      else if (strcmp (word, "--file-size") == 0)
        self->file_size = strtoull (value, NULL, 10);
      else if (strcmp (word, "--memory") == 0)
        self->memory = strtoull (value, NULL, 10);
      else if (strcmp (word, "--silence") == 0)
        self->silence = strtol (value, NULL, 10);
      else if (strcmp (word, "--output") == 0)
        self->output = strtoull (value, NULL, 10);
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

/* ---- the commands ---- */

/* If the kernel schedules each session as a unit, the niceness of the session counts (sched(7), "autogroup"). The
 * kernel accepts one such change per tenth of a second, for the whole machine, from unprivileged processes. If several
 * builds start at once, each tries again, and continues without the change after a second. */
static void
make_session_nice (const Sandbox *self)
{
  int fd = self->nice > 0 ? openat (self->proc, "self/autogroup", O_WRONLY | O_CLOEXEC) : -1;
  struct timespec turn = { .tv_nsec = 25000000 };

  if (fd < 0)
    return;
  for (int tries = 40; dprintf (fd, "%d", self->nice) < 0 && errno == EAGAIN && tries > 0; tries--)
    (void)nanosleep (&turn, NULL);
  (void)close (fd);
}

typedef struct {
  const char *cwd; /* NULL: unchanged */
  char **argv;
  char **env;        /* NULL: that of this process */
  int input, output; /* -1: those of this process */
} Command;

/* If the machine runs out of memory, the kernel kills this process first. */
static void
be_first_victim (const Sandbox *self)
{
  int fd = openat (self->proc, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);

  if (fd < 0)
    return;
  (void)!write (fd, "500", 3);
  (void)close (fd);
}

static void
start (const Sandbox *self, const Command *command, const sigset_t *signals)
{
  (void)setsid (); /* so that signals to its process group do not reach this process */
  (void)setpriority (PRIO_PROCESS, 0, self->nice);
  be_first_victim (self);
  make_session_nice (self);
  if (command->cwd != NULL && chdir (command->cwd) < 0)
    sandbox_die (self, "enter", command->cwd);
  if ((command->input >= 0 && dup2 (command->input, STDIN_FILENO) < 0)
      || (command->output >= 0
          && (dup2 (command->output, STDOUT_FILENO) < 0 || dup2 (command->output, STDERR_FILENO) < 0)))
    sandbox_die (self, "connect", "the command");
  sandbox_set_limits (self);
  sandbox_drop_rights (self);
  sandbox_filter_calls (self);
  (void)sigprocmask (SIG_SETMASK, signals, NULL);
  if (command->env != NULL)
    environ = command->env;
  if (self->home != NULL && setenv ("HOME", self->home, 1) < 0)
    sandbox_die (self, "set", "HOME");
  (void)execvp (command->argv[0], command->argv);
  (void)fprintf (stderr, "%s: %s\n", command->argv[0], strerror (errno));
  _exit (127);
}

/* Runs @command, and kills processes that it leaves. Returns: its exit status */
static int
run (const Sandbox *self, const Command *command, const sigset_t *signals)
{
  pid_t pid;

  sandbox_forget_symbols (self); /* discards events before the command; it may read the file before fork returns */
  pid = fork ();
  if (pid < 0)
    sandbox_die (self, "start", "the command");
  if (pid == 0)
    start (self, command, signals);
  return sandbox_watch (self, pid, command->output);
}

/* Receives the next request. Returns: the number of descriptors in @fds; 0 at the end */
static int
receive (const Sandbox *self, int fds[static 3])
{
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE (3 * sizeof (int))];
  } control;
  char text[16];
  struct iovec data = { text, sizeof text };
  struct msghdr message
      = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
  const struct cmsghdr *part;
  ssize_t n;

  do
    n = recvmsg (self->serve, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n <= 0)
    return 0;
  part = CMSG_FIRSTHDR (&message);
  if (part == NULL || part->cmsg_type != SCM_RIGHTS || part->cmsg_len != CMSG_LEN (3 * sizeof (int)))
    sandbox_die (self, "understand", "a request");
  memcpy (fds, CMSG_DATA (part), 3 * sizeof (int));
  return 1;
}

/* Returns the text of a request; @words: (out): its words, ended by NULL. The caller frees both. */
static char *
read_request (const Sandbox *self, int fd, char ***words)
{
  struct stat st;
  char *text;
  size_t have = 0, count = 0;

  if (fstat (fd, &st) < 0 || (text = malloc ((size_t)st.st_size + 1)) == NULL)
    sandbox_die (self, "read", "a request");
  while (have < (size_t)st.st_size)
    {
      ssize_t n = pread (fd, text + have, (size_t)st.st_size - have, (off_t)have);
      if (n <= 0)
        sandbox_die (self, "read", "a request");
      have += (size_t)n;
    }
  text[have] = '\0';
  for (size_t i = 0; i < have; i++)
    count += text[i] == '\0';
  *words = calloc (count + 1, sizeof **words);
  if (*words == NULL)
    sandbox_die (self, "read", "a request");
  count = 0;
  for (size_t i = 0; i < have; i += strlen (text + i) + 1)
    (*words)[count++] = text + i;
  return text;
}

/* The words are the working directory, the number of arguments, the arguments, and the environment. */
static int
run_request (const Sandbox *self, const int fds[static 3], const sigset_t *signals)
{
  char **words, **argv, *text = read_request (self, fds[0], &words);
  size_t count = 0, have = 0;
  int status;

  while (words[have] != NULL)
    have++;
  if (have > 2)
    count = strtoul (words[1], NULL, 10);
  if (count == 0 || count > have - 2 || (argv = calloc (count + 1, sizeof *argv)) == NULL)
    sandbox_die (self, "understand", "a request");
  memcpy (argv, words + 2, count * sizeof *argv);
  status = run (self, &(Command){ words[0], argv, words + 2 + count, fds[1], fds[2] }, signals);
  free (argv);
  free (words);
  free (text);
  return status;
}

static void
serve (const Sandbox *self, const sigset_t *signals)
{
  int fds[3];

  while (receive (self, fds))
    {
      char answer[16];
      int n = snprintf (answer, sizeof answer, "%d", run_request (self, fds, signals));

      for (int i = 0; i < 3; i++)
        (void)close (fds[i]);
      if (send (self->serve, answer, (size_t)n, MSG_NOSIGNAL) < 0)
        return;
    }
}

/* Process 1 runs first among many processes. It mostly sleeps. Its children have the usual policy. */
static void
keep_ahead (void)
{
  const struct sched_param first = { .sched_priority = 1 };

  if (sched_setscheduler (0, SCHED_RR | SCHED_RESET_ON_FORK, &first) < 0)
    (void)setpriority (PRIO_PROCESS, 0, -10);
}

/* Runs process 1 of the namespace: when it ends, all others are killed. */
static int
run_init (Sandbox *self, const sigset_t *signals)
{
  struct pollfd parent = { .fd = self->parent, .events = POLLIN };

  if (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0)
    sandbox_die (self, "tie", "the command to dkms");
  if (poll (&parent, 1, 0) > 0)
    return 128 + SIGKILL; /* the parent terminated before the pidfd existed */
  sandbox_change_world (self);
  sandbox_mount_proc (self);
  if (self->command == NULL && self->serve < 0)
    {
      sandbox_drop_rights (self);
      sandbox_filter_calls (self);
      return 0;
    }
  sandbox_watch_symbols (self);
  sandbox_keep_few_rights (self);
  self->nice = getpriority (PRIO_PROCESS, 0);
  keep_ahead ();
  if (self->command != NULL)
    return run (self, &(Command){ self->cwd, self->command, NULL, -1, -1 }, signals);
  serve (self, signals);
  return 0;
}

int
main (int argc, char **argv)
{
  Sandbox self = { .root = "/",
                   .report = -1,
                   .serve = -1,
                   .proc = -1,
                   .symbols = -1,
                   .outside = -1,
                   .uid = geteuid (),
                   .gid = getegid () };
  sigset_t child, signals;
  pid_t pid;
  int status;

  parse (&self, argc, argv);
  if (self.report >= 0 && fcntl (self.report, F_SETFD, FD_CLOEXEC) < 0)
    self.report = -1;
  if (self.serve >= 0 && fcntl (self.serve, F_SETFD, FD_CLOEXEC) < 0)
    sandbox_die (&self, "use", "the socket of --serve");
  (void)sigemptyset (&child);
  (void)sigaddset (&child, SIGCHLD);
  if (sigprocmask (SIG_BLOCK, &child, &signals) < 0)
    sandbox_die (&self, "block", "signals");
  sandbox_unshare (&self);
  self.parent = (int)syscall (SYS_pidfd_open, getpid (), 0);
  if (self.parent < 0 || fcntl (self.parent, F_SETFD, FD_CLOEXEC) < 0)
    sandbox_die (&self, "open", "a process");
  pid = fork ();
  if (pid < 0)
    sandbox_die (&self, "start", "a process namespace");
  if (pid == 0)
    _exit (run_init (&self, &signals));
  if (self.serve >= 0)
    (void)close (self.serve); /* the end of the socket shows dkms that process 1 has ended */
  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      sandbox_die (&self, "wait for", "the command");
  _exit (WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status));
}
