/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Evaluates recipes with one bash for each package, and one sandbox if the system allows it. */
#define _GNU_SOURCE
#include "conf/evaluate.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "conf/answer.h"
#include "driver.bash.h"
#include "kernel/kernel.h"

/* Limits for one bash: bytes of arguments (the kernel allows 2 MiB including the environment), and descriptors. */
enum { LIMIT_ARGUMENTS = 1 << 20, LIMIT_DESCRIPTORS = 32 };
/* Limits for what one bash prints, in bytes, and for the time that it may take to terminate after its answer. */
enum { LIMIT_PRINTED = 64 << 10, GRACE_SECONDS = 2 };
/* The longest wait at once in milliseconds, and the most bashes at once. */
enum { TICK_MS = 100, MOST_SESSIONS = 16 };

/* One call of dkms_evaluate(). */
typedef struct {
  const DkmsEvaluation *how;
  const DkmsConfinement *confinement; /* (nullable): of the next bash */
  GPtrArray *queries;
  GPtrArray *running;   /* (element-type Session) */
  gboolean is_confined; /* a bash was started in a sandbox */
  gboolean is_printed;  /* the files write to a file, not to the stderr of dkms */
  char **printed;       /* (nullable): what bash for the package of each query printed */
} Work;

/* One bash. */
typedef struct {
  const Work *work;
  DkmsAnswer *answer;
  int report;   /* findings of the sandbox; -1: none */
  int printed;  /* destination of stderr; -1: that of dkms */
  guint before; /* number of its queries that had a result when it started */
} Session;

static DkmsAnswer *
answer_of (const Work *work, guint i)
{
  return ((const Session *)work->running->pdata[i])->answer;
}

/* Whether a bash for the package of @query is running. */
static gboolean
is_running (const Work *work, const DkmsQuery *query)
{
  for (guint i = 0; i < work->running->len; i++)
    if (dkms_answer_is_for (answer_of (work, i), query))
      return TRUE;
  return FALSE;
}

/* Returns: the number of the first query that has no result and of whose package no bash is running; if there is none,
 * the number of all */
static guint
next_query (const Work *work)
{
  guint q = 0;

  while (q < work->queries->len
         && (dkms_query_is_answered (work->queries->pdata[q]) || is_running (work, work->queries->pdata[q])))
    q++;
  return q;
}

/* The number of queries for this bash that have a result. */
static guint
count_answers (const DkmsAnswer *answer)
{
  guint count = 0;

  for (guint q = 0; q < answer->queries->len; q++)
    count
        += dkms_answer_is_for (answer, answer->queries->pdata[q]) && dkms_query_is_answered (answer->queries->pdata[q]);
  return count;
}

/* The files of all queries for this bash, except the recipe. Returns: (transfer container) */
static GPtrArray *
list_overrides (const DkmsAnswer *answer)
{
  GPtrArray *files = g_ptr_array_new ();

  for (guint q = 0; q < answer->queries->len; q++)
    {
      const DkmsQuery *query = answer->queries->pdata[q];
      for (guint i = 1; dkms_answer_is_for (answer, query) && i < query->files->len; i++)
        g_ptr_array_add (files, query->files->pdata[i]);
    }
  return files;
}

/* The command that evaluates the queries of a package that have no result. If they exceed a limit, another bash is
 * needed. @given: (out): descriptors that bash inherits. Returns: (transfer full) (nullable): NULL with an error */
static GPtrArray *
build_argv (const Session *session, const char *fd, GArray *given, GError **error)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  const DkmsEvaluation *how = session->work->how;
  const char *deprecated = how->deprecated != NULL ? how->deprecated : "";
  const char *fixed[] = { "/bin/bash", "-p", "-c", driver_bash, "dkms", fd, how->names, deprecated };
  DkmsAnswer *answer = session->answer;
  guint count = 0;
  gsize bytes = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (fixed); i++)
    g_ptr_array_add (argv, g_strdup (fixed[i]));
  for (guint q = 0; q < answer->queries->len && bytes < LIMIT_ARGUMENTS && given->len < LIMIT_DESCRIPTORS; q++)
    {
      guint before = argv->len;

      const DkmsQuery *query = answer->queries->pdata[q];
      if (dkms_query_is_answered (query) || !dkms_answer_is_for (answer, query))
        continue;
      count++;
      if (!dkms_query_add_words (query, q, argv, given, error))
        return NULL;
      for (guint i = before; i < argv->len; i++)
        bytes += strlen (argv->pdata[i]) + 1 + sizeof (char *);
    }
  g_ptr_array_add (argv, NULL);
  answer->end = ((gint64)answer->policy->recipe_timeout * count + GRACE_SECONDS) * G_USEC_PER_SEC;
  return g_steal_pointer (&argv);
}

/* Waits until a running bash answers, a tick at most, and takes what they answer. A longer time passed only while dkms
 * was stopped, and bash perhaps with it, so it does not count.
 * @before: (inout): when the last call ended */
static void
listen (const Work *work, gint64 *before)
{
  struct pollfd fds[MOST_SESSIONS];
  guint count = work->running->len;

  for (guint i = 0; i < count; i++)
    fds[i] = (struct pollfd){ .fd = answer_of (work, i)->fd, .events = POLLIN };
  int ready = poll (fds, count, TICK_MS);
  gint64 now = g_get_monotonic_time (), passed = CLAMP (now - *before, 0, TICK_MS * 1000);
  *before = now;
  for (guint i = 0; i < count; i++)
    if (!dkms_answer_pass_time (answer_of (work, i), passed) && ready > 0 && fds[i].revents != 0)
      dkms_answer_read (answer_of (work, i));
}

/* Waits for the end of bash, which has sent its last message. */
static int
wait_for_end (GPid pid)
{
  struct pollfd end = { .fd = (int)syscall (SYS_pidfd_open, pid, 0), .events = POLLIN };

  if (end.fd >= 0)
    {
      int ready = 0;
      for (int waited = 0; waited < GRACE_SECONDS * 1000 && ready == 0; waited += TICK_MS)
        ready = poll (&end, 1, TICK_MS);
      if (ready == 0)
        (void)kill (pid, SIGKILL);
      (void)close (end.fd);
    }
  return dkms_process_wait (pid);
}

static void
close_descriptor (gpointer data)
{
  (void)close (*(int *)data);
}

/* A memory file of fixed size, so that endless output fills only this file. */
static int
open_printed (GError **error)
{
  g_auto (DkmsFd) fd = memfd_create ("stderr", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd < 0 || ftruncate (fd, LIMIT_PRINTED) < 0 || fcntl (fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0)
    return dkms_fail_errno (error, "create", "a memory file"), -1;
  return dkms_fd_steal (&fd);
}

/* Returns: (transfer full) (nullable): the content of that file */
static char *
read_printed (int fd)
{
  g_autofree char *text = g_malloc0 (LIMIT_PRINTED + 1);
  ssize_t n = pread (fd, text, LIMIT_PRINTED, 0);

  return n > 0 && *g_strchomp (text) != '\0' ? g_steal_pointer (&text) : NULL;
}

static void
free_session (gpointer data)
{
  Session *session = data;

  if (session->report >= 0)
    (void)close (session->report);
  if (session->printed >= 0)
    (void)close (session->printed);
  dkms_answer_free (session->answer);
  g_free (session);
}

/* Starts bash with the command for @session. @kept: the end of its pipe on which it answers */
static gboolean
start_bash (const Session *session, int kept, GError **error)
{
  const DkmsRoot *root = session->work->how->settings->places.root;
  const DkmsConfinement *confinement = session->work->confinement;
  const DkmsQuery *first = session->answer->first;
  g_autoptr (GArray) given = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr (GArray) keep = g_array_new (FALSE, FALSE, sizeof (int));
  g_autofree char *number = g_strdup_printf ("%d", kept);
  g_auto (GStrv) env = confinement != NULL ? dkms_sandbox_env (root, g_get_environ ()) : NULL;

  g_array_set_clear_func (given, close_descriptor);
  g_autoptr (GPtrArray) argv = build_argv (session, number, given, error);
  if (argv == NULL)
    return FALSE;
  if (confinement != NULL)
    {
      g_autoptr (GPtrArray) plain = g_steal_pointer (&argv);
      DkmsConfinement own = *confinement; /* the files of another package are not shown */
      g_autoptr (GPtrArray) overrides = list_overrides (session->answer);
      own.recipe = first->files->len > 0 ? first->files->pdata[0] : NULL;
      own.overrides = overrides;
      argv = dkms_sandbox_wrap (&own, (const char *const *)plain->pdata, "/", session->report);
      g_array_append_val (keep, session->report);
    }
  g_array_append_vals (keep, given->data, given->len);
  const DkmsCommand command = { .argv = (const char *const *)argv->pdata,
                                .env = env,
                                .root = confinement != NULL ? NULL : root,
                                .output_fd = session->printed,
                                .pass_fd = kept,
                                .keep = keep,
                                .null_stdin = TRUE };
  return dkms_process_start (&command, &session->answer->pid, error);
}

/* Starts a bash for query @number and the others of its package, or as many as the limits allow. */
static gboolean
start (Work *work, guint number, GError **error)
{
  Session *session = g_new0 (Session, 1);
  DkmsAnswer *answer = dkms_answer_new ();
  g_auto (DkmsFd) write_end = -1;
  g_auto (DkmsFd) kept = -1;
  int ends[2];

  *session = (Session){ .work = work, .answer = answer, .report = -1, .printed = -1 };
  g_ptr_array_add (work->running, session);
  answer->policy = &work->how->settings->policy;
  answer->root = work->how->settings->places.root;
  answer->queries = work->queries;
  answer->first = work->queries->pdata[number];
  answer->number = number;
  answer->confined = work->confinement != NULL;
  work->is_confined |= answer->confined;
  session->before = count_answers (answer);
  if (work->is_printed && (session->printed = open_printed (error)) < 0)
    return FALSE;
  if (pipe2 (ends, O_CLOEXEC) < 0)
    return dkms_fail_errno (error, "create", "a pipe");
  answer->fd = ends[0];
  write_end = ends[1];
  kept = dkms_fd_duplicate_high (write_end, 90); /* recipes do not use such high numbers */
  if (answer->confined)
    session->report = memfd_create ("findings", MFD_CLOEXEC);
  if (kept < 0 || (answer->confined && session->report < 0))
    return dkms_fail_errno (error, "duplicate", "a pipe");
  return start_bash (session, kept, error);
}

/* Fails every query that bash did not answer.
 * @why: (nullable): NULL if unknown
 * @status: of bash */
static void
give_up (const DkmsAnswer *answer, DkmsError kind, const char *why, int status)
{
  for (guint q = 0; q < answer->queries->len; q++)
    {
      DkmsQuery *query = answer->queries->pdata[q];
      if (!dkms_query_is_answered (query) && dkms_answer_is_for (answer, query))
        dkms_fail_with (&query->error,
                        &(const DkmsErrorInfo){ .kind = kind, .path = query->shown, .text = why, .status = status });
    }
}

/* Takes what bash printed. */
static void
take_printed (const Work *work, const Session *session)
{
  char **printed = &work->printed[session->answer->number];

  if (session->printed < 0)
    return;
  g_autofree char *before = *printed, *now = read_printed (session->printed);
  *printed = before != NULL && now != NULL ? g_strconcat (before, "\n", now, NULL)
                                           : g_strdup (before != NULL ? before : now);
}

/* Takes the results of a bash that has answered. @unconfined: (out): why the sandbox could not be created, if queries
 * without a result are to be evaluated without one */
static void
finish (Work *work, const Session *session, char **unconfined)
{
  const DkmsSandboxMode mode = work->how->settings->policy.sandbox;
  DkmsAnswer *answer = session->answer;
  g_auto (DkmsFindings) findings = { 0 };
  const int status = wait_for_end (answer->pid);

  if (answer->confined)
    dkms_findings_read (&findings, session->report);
  if (findings.ended != NULL)
    {
      g_free (answer->ended);
      answer->ended = g_strdup (findings.ended);
    }
  /* The query that was running when the sandbox ended. */
  dkms_answer_end_query (answer, status);
  take_printed (work, session);
  if (findings.failure != NULL && (mode == DKMS_SANDBOX_STRICT || !findings.missing))
    give_up (answer, DKMS_ERROR_CONF_NOT_CONFINED, findings.failure, status);
  else if (findings.failure != NULL)
    {
      work->confinement = NULL;
      g_free (*unconfined);
      *unconfined = g_steal_pointer (&findings.failure);
    }
  else if (count_answers (answer) + answer->handed == session->before)
    give_up (answer, findings.ended != NULL ? DKMS_ERROR_CONF_KILLED : DKMS_ERROR_CONF_NOT_EVALUATED, findings.ended,
             status);
}

static gboolean
has_values (const GPtrArray *queries)
{
  for (guint q = 0; q < queries->len; q++)
    if (((const DkmsQuery *)queries->pdata[q])->vars != NULL)
      return TRUE;
  return FALSE;
}

void
dkms_remarks_clear (DkmsRemarks *self)
{
  g_clear_pointer (&self->unconfined, g_free);
  g_clear_pointer (&self->printed, g_free);
}

/* Returns: (transfer full) (nullable): what all files printed, in the order of the queries */
static char *
join_printed (const Work *work)
{
  g_autoptr (GString) all = g_string_new (NULL);

  for (guint q = 0; q < work->queries->len; q++)
    if (work->printed[q] != NULL)
      g_string_append_printf (all, "%s%s", all->len > 0 ? "\n" : "", work->printed[q]);
  g_string_truncate (all, MIN (all->len, LIMIT_PRINTED));
  return all->len > 0 ? g_string_free (g_steal_pointer (&all), FALSE) : NULL;
}

/* Returns: the number of packages to evaluate at the same time. Files that write to the stderr of dkms are evaluated
 * one after the other. */
static guint
count_sessions (const Work *work)
{
  const char *jobs = work->how->settings->policy.jobs;
  guint64 number = 0;

  if (!work->is_printed)
    return 1;
  if (jobs == NULL || !g_ascii_string_to_unsigned (jobs, 10, 0, G_MAXUINT, &number, NULL) || number == 0)
    number = g_get_num_processors ();
  return (guint)CLAMP (number, 1, MOST_SESSIONS);
}

/* Ends all bashes after an error. */
static void
kill_all (const Work *work)
{
  for (guint i = 0; i < work->running->len; i++)
    {
      GPid pid = answer_of (work, i)->pid;
      if (pid <= 0)
        continue;
      (void)kill (pid, SIGKILL);
      (void)dkms_process_wait (pid);
    }
}

/* Runs until each query has a result. */
static gboolean
work_off (Work *work, char **unconfined, GError **error)
{
  const guint most = count_sessions (work);
  gint64 before = g_get_monotonic_time ();

  for (;;)
    {
      guint next = next_query (work);

      while (work->running->len < most && next < work->queries->len)
        {
          if (!start (work, next, error))
            return FALSE;
          next = next_query (work);
        }
      if (work->running->len == 0)
        return TRUE;
      listen (work, &before);
      for (guint i = work->running->len; i-- > 0;)
        if (answer_of (work, i)->is_over)
          {
            finish (work, work->running->pdata[i], unconfined);
            g_ptr_array_remove_index (work->running, i);
          }
    }
}

gboolean
dkms_evaluate (const DkmsEvaluation *how, GPtrArray *queries, DkmsRemarks *remarks, GError **error)
{
  const DkmsSettings *settings = how->settings;
  const DkmsConfinement of_root = { .settings = settings };
  g_autoptr (GPtrArray) running = g_ptr_array_new_with_free_func (free_session);
  g_autofree char *unconfined = NULL;
  Work work = { .how = how,
                .confinement = how->confinement,
                .queries = queries,
                .running = running,
                .is_printed = remarks != NULL,
                .printed = g_new0 (char *, queries->len + 1) };

  if (work.confinement == NULL && !dkms_root_is_host (settings->places.root))
    work.confinement = &of_root; /* the author of that system is not trusted */
  if (settings->policy.sandbox == DKMS_SANDBOX_OFF)
    work.confinement = NULL;
  for (guint q = 0; q < queries->len; q++)
    dkms_query_read_files (queries->pdata[q], settings->places.root, how->names, how->deprecated);
  gboolean ok = work_off (&work, &unconfined, error);
  if (!ok)
    kill_all (&work);
  if (remarks != NULL)
    {
      remarks->confined = ok && work.is_confined && work.confinement != NULL && has_values (queries);
      remarks->printed = join_printed (&work);
      remarks->unconfined = g_steal_pointer (&unconfined);
    }
  for (guint q = 0; q < queries->len; q++)
    g_free (work.printed[q]);
  g_free (work.printed);
  return ok;
}
