/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms-sandbox: runs one command in a world of its own. A program by itself so that the code
 * that changes mounts and privileges is small and stands alone.
 *
 * Usage: dkms-sandbox [OPTION]... [-- COMMAND [ARGUMENT]...]
 *   --root DIR          what stands for "/"; all other paths but the source of --bind are paths in it
 *   --chdir DIR         where the command starts
 *   --report FD         findings go there, a line each (see below)
 *   --serve FD          runs the commands that arrive on the socket FD, one after the other (see below)
 *   --user UID GID      whom the command runs as
 *   --processes N       so many threads at once, in all processes together, then the command is ended
 *   --file-size BYTES   no file may grow larger
 *   --reserve DIR BYTES so much stays free on the file system of DIR, and a hundredth of its inodes, else the command
 * is ended
 *   --memory BYTES      all processes together have no more of their own in memory, else the command is ended
 *   --silence SECONDS   a command whose output is a file is ended when it writes nothing for so long
 *   --output BYTES      and when it writes more than that
 *   --tmp-size BYTES    the most that --fresh and --overlay together may take, in memory
 * and, done in the order given, on top of a root that is read-only as a whole and has no devices:
 *   --fresh DIR         DIR is empty, anyone may write there, and what is written goes with the command; its parents
 *                       may be in a --mask
 *   --mask PATH         the directory PATH is empty, the file PATH cannot be read; absent is fine. "/" is empty but for
 *                       /dev and /proc
 *   --home DIR          DIR is empty, belongs to the command's user, and is $HOME; its parents may be in a --mask
 *   --link TEXT PATH    PATH, in a directory that is empty, is a link
 *   --expose PATH       what PATH was before any --fresh and --mask, at its place; absent is fine
 *   --write DIR         DIR, a path without links, can be written as outside, but no mount below it; "/" is the root
 *   --overlay DIR       DIR may be written to; what is written goes with the command. Where the kernel cannot do that,
 *                       DIR stays read-only
 *   --claim DIR         what the command's user could not read in DIR, which lies in an --overlay, is his
 *   --cover DIR         new entries in DIR itself go with the command, what is there can be read; absent is fine
 *   --bind FROM PATH    the directory FROM (a path outside --root) can be written as PATH
 * Without a command or --serve it only tries whether all this can be had.
 *
 * The command gets namespaces for mounts, processes, IPC and network (with no device, not even a loopback that is up),
 * its own /proc and a /dev of harmless nodes, no capability, no new privileges and a filter of system calls. Whoever is
 * not root gets a user namespace for it, in which only his own uid exists. When the command ends, so does all that it
 * started, and when dkms-sandbox is killed, all of it is.
 *
 * With --serve, what one command writes is there for the next one, but nothing that it started is. FD is a socket of
 * type SOCK_SEQPACKET. A request is a message of any text with three descriptors: a file that holds, each ended by a
 * NUL, the working directory, the number of arguments, the arguments and the environment; standard input; standard
 * output and error. The answer is the exit status as a decimal number. The sandbox ends when the socket is closed.
 *
 * Exit status: that of the command, 128 + signal number if one ended it; 125 when the world could not be made.
 * Findings: "missing WHAT: WHY" (this machine has no sandbox to give, for want of permission or of a feature of the
 * kernel), "setup WHAT: WHY" (it could not be made for another reason), "processes N", "disk", "memory", "silence N",
 * "output BYTES", "symbols" (it ended well but looked for addresses of kernel symbols, which it is not shown), "left N
 * NAME" (so many were still running when the command had ended), "note TEXT".
 *
 * sandbox-world.c makes the world, sandbox-changes.c and sandbox-overlay.c what is different in it, sandbox-rights.c
 * takes the rights away, sandbox-watch.c and sandbox-symbols.c watch the command, this file starts it.
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
                  { "--expose", EXPOSE }, { "--write", WRITE }, { "--overlay", OVERLAY }, { "--claim", CLAIM },
                  { "--cover", COVER },   { "--bind", BIND } };

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

/* Where the kernel schedules each session as one, it goes by the niceness of the session (sched(7), "autogroup"). It
 * takes one change in a tenth of a second, of the whole machine, from processes without privilege: several builds that
 * start at once take turns, and one that does not get its turn for a second goes on without. */
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
  const char *cwd; /* NULL: stay */
  char **argv;
  char **env;        /* NULL: that of this process */
  int input, output; /* -1: those of this process */
} Command;

/* When the machine runs out of memory, this is what the kernel ends first. */
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
  (void)setsid (); /* what it sends to its process group must not reach ours */
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

/* Runs @command, and ends what it leaves running. Returns: its exit status */
static int
run (const Sandbox *self, const Command *command, const sigset_t *signals)
{
  pid_t pid;

  (void)sandbox_saw_symbols (self); /* the command did not cause these; it may read the file before fork returns */
  pid = fork ();
  if (pid < 0)
    sandbox_die (self, "start", "the command");
  if (pid == 0)
    start (self, command, signals);
  return sandbox_watch (self, pid, command->output);
}

/* The next request. Returns: the descriptors that came with it in @fds; 0 when there will be none any more */
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

/* The text of a request, with its words in @words, which ends with NULL. Both are the caller's to free. */
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

/* In a crowd, process 1 runs first. It mostly sleeps. What it starts has the policy of others. */
static void
keep_ahead (void)
{
  const struct sched_param first = { .sched_priority = 1 };

  if (sched_setscheduler (0, SCHED_RR | SCHED_RESET_ON_FORK, &first) < 0)
    (void)setpriority (PRIO_PROCESS, 0, -10);
}

/* Process 1 of the namespace: when it ends, so do all others. */
static int
be_first (Sandbox *self, const sigset_t *signals)
{
  struct pollfd parent = { .fd = self->parent, .events = POLLIN };

  if (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0)
    sandbox_die (self, "tie", "the command to dkms");
  if (poll (&parent, 1, 0) > 0)
    return 128 + SIGKILL; /* the parent died before it was tied */
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
  sandbox_leave (&self);
  self.parent = (int)syscall (SYS_pidfd_open, getpid (), 0);
  if (self.parent < 0 || fcntl (self.parent, F_SETFD, FD_CLOEXEC) < 0)
    sandbox_die (&self, "open", "a process");
  pid = fork ();
  if (pid < 0)
    sandbox_die (&self, "start", "a process namespace");
  if (pid == 0)
    _exit (be_first (&self, &signals));
  if (self.serve >= 0)
    (void)close (self.serve); /* dkms notices the end of process 1 by the end of the socket */
  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      sandbox_die (&self, "wait for", "the command");
  _exit (WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status));
}
