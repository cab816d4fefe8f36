/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts programs, waits for them, and reads their output; prepares this process. */
#define _GNU_SOURCE
#include "base/process.h"

#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/proc.h"
#include "config.h"

enum { WALL_FAILED = 125 }; /* exit status of dkms-sandbox if it did not start the command */
/* Enough for dkms. Some programs close every possible descriptor one by one, which takes long with higher limits. */
enum { MOST_DESCRIPTORS = 65536, PLENTY_OF_DESCRIPTORS = 16384, USUAL_DESCRIPTORS = 1024 };
/* A worker sends it in one line (run/worker.c), in which escapes take six times the space. */
enum { MOST_TRANSCRIPT = 4 << 20 };

static const char system_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
static struct rlimit limit_of_children; /* of open files; rlim_max is 0 before dkms_process_begin() */
static gboolean stdout_was_closed;
static void (*on_stop) (gpointer data); /* (nullable) */
static gpointer stop_data;

/* ---- this process ---- */

/* Otherwise a file that dkms opens could become the standard output of a program that it runs. */
static void
open_standard_streams (void)
{
  for (int fd = 0; fd <= 2; fd++)
    {
      if (fcntl (fd, F_GETFD) >= 0 || errno != EBADF)
        continue;
      stdout_was_closed |= fd == STDOUT_FILENO;
      /* open() returns the lowest free number. The root of an image may have an empty /dev. */
      if (open ("/dev/null", O_RDWR) < 0)
        (void)memfd_create ("null", 0);
    }
}

/* Without PATH, bash searches a default path that other programs do not see. Without /sbin (su, cron), depmod is not
 * found. */
static void
complete_path (void)
{
  const char *path = g_getenv ("PATH");
  g_auto (GStrv) dirs = g_strsplit (path != NULL ? path : "", ":", -1);

  if (path == NULL || *path == '\0')
    (void)g_setenv ("PATH", system_path, TRUE);
  else if (!g_strv_contains ((const char *const *)dirs, "/usr/sbin")
           && !g_strv_contains ((const char *const *)dirs, "/sbin"))
    {
      g_autofree char *longer = g_strconcat (path, ":/usr/sbin:/sbin", NULL);
      (void)g_setenv ("PATH", longer, TRUE);
    }
}

static void
raise_descriptor_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
    return;
  limit_of_children = limit;
  limit_of_children.rlim_cur = MAX (limit.rlim_cur, MIN (limit.rlim_max, USUAL_DESCRIPTORS));
  limit.rlim_cur = MAX (limit.rlim_cur, MIN (limit.rlim_max, MOST_DESCRIPTORS));
  (void)setrlimit (RLIMIT_NOFILE, &limit);
}

/* Variables for the caller's own builds would change the builds of modules. */
static void
clean_environment (void)
{
  static const char *const names[] = { "CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS" };

  umask (022);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    g_unsetenv (names[i]);
}

void
dkms_process_begin (void)
{
  sigset_t none;

  open_standard_streams ();
  (void)signal (SIGCHLD, SIG_DFL); /* if SIGCHLD is ignored, the exit status of children is lost */
  (void)signal (SIGPIPE, SIG_IGN);
  (void)sigemptyset (&none);
  (void)sigprocmask (SIG_SETMASK, &none, NULL);
  clean_environment ();
  complete_path ();
  raise_descriptor_limit ();
}

gboolean
dkms_process_stdout_was_closed (void)
{
  return stdout_was_closed;
}

guint
dkms_process_free_descriptors (void)
{
  struct rlimit limit;
  guint open_now = 0;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > PLENTY_OF_DESCRIPTORS)
    return PLENTY_OF_DESCRIPTORS;
  for (int fd = 0; fd < (int)MIN (limit.rlim_cur, 256); fd++) /* more than a few of them do not matter */
    open_now += fcntl (fd, F_GETFD) >= 0;
  return (guint)limit.rlim_cur - open_now;
}

/* ---- other programs ---- */

char **
dkms_process_speak_english (char **env)
{
  g_auto (GStrv) before = g_strdupv (env);
  locale_t utf8 = newlocale (LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);

  for (char **pair = before; *pair != NULL; pair++)
    {
      g_autofree char *name = g_strndup (*pair, strcspn (*pair, "="));
      if (g_str_has_prefix (name, "LC_") || strcmp (name, "LANGUAGE") == 0)
        env = g_environ_unsetenv (env, name);
    }
  env = g_environ_setenv (env, "LANG", utf8 != (locale_t)0 ? "C.UTF-8" : "C", TRUE);
  if (utf8 != (locale_t)0)
    freelocale (utf8);
  return g_environ_setenv (env, "LC_MESSAGES", "C", TRUE);
}

/* Whether the variable @name holds a secret, such as a token of a CI job or the passphrase of the signing key. */
static gboolean
is_secret (const char *name)
{
  static const char *const words[]
      = { "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY" };
  g_autofree char *upper = g_ascii_strup (name, -1);
  gboolean found = strcmp (upper, "KBUILD_SIGN_PIN") == 0;

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    found |= strstr (upper, words[i]) != NULL;
  return found;
}

char **
dkms_process_forget_secrets (char **env)
{
  g_auto (GStrv) given = g_strdupv (env);

  for (char **variable = given; *variable != NULL; variable++)
    {
      g_autofree char *name = g_strndup (*variable, strcspn (*variable, "="));
      if (is_secret (name))
        env = g_environ_unsetenv (env, name);
    }
  return env;
}

static gboolean
has_wall (const DkmsCommand *command)
{
  return command->root != NULL && command->root->wall != NULL;
}

/* Whether @command is code of another root that runs behind a wall. */
static gboolean
is_walled_in (const DkmsCommand *command)
{
  return has_wall (command) && !command->of_machine;
}

/* Such code must not get a terminal, a file or a directory of the machine as standard input, only pipes. */
static gboolean
may_have_stdin (const DkmsCommand *command)
{
  struct stat st;

  return !command->null_stdin && (!is_walled_in (command) || (fstat (STDIN_FILENO, &st) == 0 && S_ISFIFO (st.st_mode)));
}

typedef struct {
  const DkmsCommand *command;
  int null_fd;
  int report; /* of dkms-sandbox; -1: none */
} ChildSetup;

/* Runs in the child between fork and exec: system calls only. A failure causes exit status 126. */
static void
child_setup (gpointer data)
{
  const ChildSetup *setup = data;
  const DkmsCommand *command = setup->command;
  int out = command->output_fd == -2 ? setup->null_fd : command->output_fd;
  gboolean walled = has_wall (command);

  sigset_t none;

  /* The child stays in our process group, so that Ctrl-C reaches it, and ends if dkms is killed. */
  if (prctl (PR_SET_PDEATHSIG, SIGTERM) < 0 || sigemptyset (&none) < 0 || sigprocmask (SIG_SETMASK, &none, NULL) < 0
      || signal (SIGPIPE, SIG_DFL) == SIG_ERR)
    _exit (126);
  if (limit_of_children.rlim_max > 0)
    (void)setrlimit (RLIMIT_NOFILE, &limit_of_children);
  if (!walled && command->root != NULL && command->root->has_shell && !command->of_machine
      && !dkms_root_is_host (command->root))
    if (fchdir (command->root->fd) < 0 || chroot (".") < 0 || chdir ("/") < 0)
      _exit (126);
  if (!walled && command->cwd != NULL && chdir (command->cwd) < 0)
    _exit (126);
  if ((command->input_fd > 0 || !may_have_stdin (command))
      && dup2 (command->input_fd > 0 ? command->input_fd : setup->null_fd, 0) < 0)
    _exit (126);
  if (out >= 0 && (dup2 (out, 1) < 0 || dup2 (command->discard_errors ? setup->null_fd : out, 2) < 0))
    _exit (126);
  if (setup->report >= 0 && fcntl (setup->report, F_SETFD, 0) < 0)
    _exit (126);
  if (command->pass_fd > 0 && fcntl (command->pass_fd, F_SETFD, 0) < 0)
    _exit (126);
  for (guint i = 0; command->keep != NULL && i < command->keep->len; i++)
    if (fcntl (g_array_index (command->keep, int, i), F_SETFD, 0) < 0)
      _exit (126);
}

/* Returns: (transfer full) (element-type utf8): the words of @command with those of its wall before them */
static GPtrArray *
add_wall (const DkmsCommand *command, int report)
{
  GPtrArray *argv = command->root->wall (command->root, command->of_machine);

  g_ptr_array_add (argv, g_strdup ("--report"));
  g_ptr_array_add (argv, g_strdup_printf ("%d", report));
  if (command->cwd != NULL)
    {
      g_ptr_array_add (argv, g_strdup ("--chdir"));
      g_ptr_array_add (argv, g_strdup (command->cwd));
    }
  g_ptr_array_add (argv, g_strdup ("--"));
  for (const char *const *word = command->argv; *word != NULL; word++)
    g_ptr_array_add (argv, g_strdup (*word));
  g_ptr_array_add (argv, NULL);
  return argv;
}

/* The environment of a command behind a wall. */
static char **
wall_env (const DkmsCommand *command)
{
  char **env = g_strdupv (command->env != NULL ? (char **)command->env : environ);

  /* A dkms that the command calls reads this. */
  env = g_environ_setenv (env, DKMS_WALL_VARIABLE, command->root->host_path, TRUE);
  return command->of_machine ? env : dkms_process_forget_secrets (env);
}

/* @report: descriptor for the report of dkms-sandbox, if the command has a wall */
static gboolean
start (const DkmsCommand *command, int report, GPid *pid, GError **error)
{
  g_auto (DkmsFd) null_fd = dkms_null_open ();
  g_autoptr (GPtrArray) argv = has_wall (command) ? add_wall (command, report) : NULL;
  g_auto (GStrv) env = has_wall (command) ? wall_env (command) : NULL;
  ChildSetup setup = { command, null_fd, report };
  g_autoptr (GError) local = NULL;
  g_autofree char *line = NULL;

  if (null_fd < 0)
    return dkms_fail_errno (error, "open", "/dev/null");
  (void)fflush (stdout); /* our output precedes the output of the child */
  if (!g_spawn_async (NULL, argv != NULL ? (char **)argv->pdata : (char **)command->argv,
                      env != NULL ? env : (char **)command->env,
                      G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CHILD_INHERITS_STDIN, child_setup,
                      &setup, pid, &local))
    return DKMS_FAIL (error, PROGRAM_NOT_STARTED, .path = command->argv[0], .error = local);
  line = g_strjoinv (" ", (char **)command->argv);
  g_debug ("process %d: %s", *pid, line);
  return TRUE;
}

void
dkms_process_set_stop (void (*stop) (gpointer data), gpointer data)
{
  on_stop = stop;
  stop_data = data;
}

/* Takes a pending SIGTSTP. */
static void
obey_stop (const sigset_t *pending)
{
  const struct timespec no_time = { 0, 0 };
  sigset_t stop;

  if (on_stop == NULL || sigismember (pending, SIGTSTP) != 1 || sigemptyset (&stop) < 0
      || sigaddset (&stop, SIGTSTP) < 0)
    return;
  if (sigtimedwait (&stop, NULL, &no_time) == SIGTSTP)
    on_stop (stop_data);
}

int
dkms_process_interrupted_by (void)
{
  static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
  sigset_t mask, pending;

  if (sigprocmask (SIG_BLOCK, NULL, &mask) < 0 || sigpending (&pending) < 0)
    return 0;
  obey_stop (&pending);
  for (gsize i = 0; i < G_N_ELEMENTS (ends); i++)
    if (sigismember (&mask, ends[i]) == 1 && sigismember (&pending, ends[i]) == 1)
      return ends[i];
  return 0;
}

gboolean
dkms_process_start (const DkmsCommand *command, GPid *pid, GError **error)
{
  return start (command, -1, pid, error);
}

gboolean
dkms_process_is_interrupted (void)
{
  return dkms_process_interrupted_by () != 0;
}

/* A run blocks SIGINT and SIGTERM, and forwards them to the process that it waits for. */
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

/* @status: exit status of the command, or of a dkms-sandbox that did not start it. Returns: @status, or -1 with an
 * error */
static int
judge (const DkmsCommand *command, const DkmsFindings *findings, int status, GError **error)
{
  const char *root = command->root->host_path;

  if (status == WALL_FAILED && findings->failure != NULL)
    return DKMS_FAIL (error, PROGRAM_NOT_CONFINED, .name = command->argv[0], .path = root, .text = findings->failure),
           -1;
  if (findings->ended != NULL && command->findings == NULL)
    return DKMS_FAIL (error, PROGRAM_EXCEEDED, .name = command->argv[0], .path = root, .text = findings->ended), -1;
  return status;
}

static int
run_walled (const DkmsCommand *command, GError **error)
{
  g_auto (DkmsFd) report = memfd_create ("findings", MFD_CLOEXEC);
  g_auto (DkmsFindings) own = { 0 };
  DkmsFindings *findings = command->findings != NULL ? command->findings : &own;
  GPid pid = 0;
  int status;

  if (report < 0)
    return dkms_fail_errno (error, "create", "a memory file"), -1;
  if (!start (command, report, &pid, error))
    return -1;
  status = dkms_process_wait (pid);
  dkms_findings_read (findings, report);
  return judge (command, findings, status, error);
}

/* Output of code of another root is escaped, because a terminal would interpret it. */
static int
run_and_print (const DkmsCommand *command, GError **error)
{
  int status = -1;
  g_autoptr (GError) failure = NULL;
  g_autofree char *text = dkms_process_transcript (command, &status, &failure);

  if (status < 0)
    return g_propagate_error (error, g_steal_pointer (&failure)), -1;
  g_autofree char *shown = dkms_process_printable (text != NULL ? text : failure->message);
  (void)fputs (shown, stdout);
  (void)fflush (stdout);
  return status;
}

int
dkms_process_run (const DkmsCommand *command, GError **error)
{
  GPid pid = 0;

  if (is_walled_in (command) && command->output_fd == -1)
    return run_and_print (command, error);
  if (has_wall (command))
    return run_walled (command, error);
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
dkms_process_printable (const char *text)
{
  GString *result = g_string_new (NULL);

  for (const guchar *c = (const guchar *)text; *c != '\0'; c++)
    if (c[0] == 0xC2 && c[1] >= 0x80 && c[1] <= 0x9F)
      g_string_append_printf (result, "\\x%02x", *++c);
    else if ((*c < 0x20 && *c != '\n' && *c != '\t') || *c == 0x7F)
      g_string_append_printf (result, "\\x%02x", *c);
    else
      g_string_append_c (result, (char)*c);
  return g_string_free (result, FALSE);
}

/* Runs @command with its output in a new memory file, whose descriptor is @answer. Returns: its exit status, or -1 */
static int
run_into_memory (DkmsCommand *command, gboolean with_errors, int *answer, GError **error)
{
  *answer = memfd_create (command->argv[0], MFD_CLOEXEC);
  if (*answer < 0)
    return dkms_fail_errno (error, "create", "a memory file"), -1;
  command->output_fd = *answer;
  command->discard_errors = !with_errors;
  return dkms_process_run (command, error);
}

char *
dkms_process_capture (const DkmsCommand *command, gsize *size, int *status, GError **error)
{
  DkmsCommand copy = *command;
  g_auto (DkmsFd) answer = -1;

  *status = run_into_memory (&copy, FALSE, &answer, error);
  if (*status < 0)
    return NULL;
  if (lseek (answer, 0, SEEK_SET) < 0)
    return dkms_fail_errno (error, "read", "a memory file"), NULL;
  return dkms_read_fd (answer, command->argv[0], 16 << 20, size, error);
}

/* Appends @size bytes from @at on. Bytes that are not allowed in texts become blanks. */
static gboolean
append_part (GString *text, int fd, off_t at, gsize size)
{
  gsize begin = text->len, have = 0;
  ssize_t n = 1;

  g_string_set_size (text, begin + size);
  while (have < size && n > 0)
    {
      n = pread (fd, text->str + begin + have, size - have, at + (off_t)have);
      have += n > 0 ? (gsize)n : 0;
    }
  g_string_truncate (text, begin + have);
  for (gsize i = begin; i < text->len; i++)
    if (text->str[i] == '\0')
      text->str[i] = ' ';
  return n >= 0;
}

char *
dkms_process_transcript (const DkmsCommand *command, int *status, GError **error)
{
  DkmsCommand copy = *command;
  g_auto (DkmsFd) answer = -1;
  g_autoptr (GString) text = g_string_new (NULL);
  const off_t part = MOST_TRANSCRIPT / 2;
  gboolean whole;
  struct stat st;

  *status = run_into_memory (&copy, TRUE, &answer, error);
  if (*status < 0)
    return NULL;
  if (fstat (answer, &st) < 0)
    return dkms_fail_errno (error, "read", "a memory file"), NULL;
  whole = st.st_size <= MOST_TRANSCRIPT;
  if (!append_part (text, answer, 0, (gsize)(whole ? st.st_size : part)))
    return dkms_fail_errno (error, "read", "a memory file"), NULL;
  if (whole)
    return g_string_free (g_steal_pointer (&text), FALSE);
  g_autofree char *omitted = DKMS_SAY (OUTPUT_OMITTED, .number = (gint64)(st.st_size - 2 * part));
  g_string_append_printf (text, "\n[%s]\n", omitted);
  if (!append_part (text, answer, st.st_size - part, (gsize)part))
    return dkms_fail_errno (error, "read", "a memory file"), NULL;
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Returns: (transfer full): the path of this program */
static char *
find_self (void)
{
  g_autofree char *link = dkms_read_link_at (AT_FDCWD, "/proc/self/exe");
  g_autofree char *named = NULL;

  if (link != NULL && dkms_is_file_at (AT_FDCWD, link))
    return g_steal_pointer (&link);
  /* In another mount namespace (base/proc.c) the kernel does not know the path. */
  named = realpath ((const char *)getauxval (AT_EXECFN), NULL);
  return g_strdup (named);
}

/* Returns: (transfer full): the path of @name in the directory of this program */
static char *
beside_self (const char *name)
{
  g_autofree char *self = find_self ();
  g_autofree char *dir = g_path_get_dirname (self != NULL ? self : "/");

  return g_build_filename (dir, name, NULL);
}

char *
dkms_process_helper (const char *name)
{
  g_autofree char *inner = g_build_filename ("helpers", name, NULL);
  g_autofree char *beside = beside_self (inner);

  if (dkms_is_file_at (AT_FDCWD, beside))
    return g_steal_pointer (&beside);
  return g_build_filename (DKMS_HELPER_DIR, name, NULL);
}

char *
dkms_process_locales (void)
{
  g_autofree char *helpers = beside_self ("helpers");

  return g_file_test (helpers, G_FILE_TEST_IS_DIR) ? beside_self ("../po") : g_strdup (DKMS_LOCALE_DIR);
}
