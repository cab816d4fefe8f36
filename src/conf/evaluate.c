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
#include "driver.bash.h"
#include "kernel/kernel.h"

#define LIMIT_INDEX 4096
/* Limits for one bash: bytes of arguments (the kernel allows 2 MiB including the environment), and descriptors. */
enum { LIMIT_ARGUMENTS = 1 << 20, LIMIT_DESCRIPTORS = 32 };
/* Limits for the answer of one bash in bytes, and for the time that it may take to terminate afterwards. */
enum { LIMIT_ANSWER = 16 << 20, LIMIT_PRINTED = 64 << 10, GRACE_SECONDS = 2 };
/* The longest wait at once, in milliseconds. */
enum { TICK_MS = 100 };

typedef struct {
  const DkmsEvaluation *how;
  const DkmsSettings *settings;
  const DkmsConfinement *confinement; /* (nullable): of the next bash */
  GPtrArray *queries;
  const DkmsQuery *first; /* the first query for the running bash */
  DkmsQuery *current;     /* the query that is being evaluated */
  GPid pid;               /* bash, or its sandbox */
  GPid current_pid;       /* the process group of that query; not meaningful in a sandbox */
  guint handed;           /* number of files that bash could not read, and whose text it will get */
  int printed;            /* destination of stderr; -1: that of dkms */
  gboolean confined;
  char *ended;   /* (nullable): which limit of the sandbox killed it */
  int status;    /* its exit status, or 128 and the number of a signal */
  gboolean done; /* all values were returned */
  gboolean timed_out;
  gint64 clock;    /* microseconds for which dkms has waited; it stands still while dkms is stopped (SIGSTOP) */
  gint64 deadline; /* of the current query, on that clock; 0: none */
  gint64 end;      /* of this bash, on that clock */
} Session;

/* The first query without a result. */
static const DkmsQuery *
next_query (const Session *session)
{
  for (guint q = 0; q < session->queries->len; q++)
    if (!dkms_query_is_answered (session->queries->pdata[q]))
      return session->queries->pdata[q];
  return NULL;
}

/* Whether @query is one of those for the running bash. */
static gboolean
is_asked (const Session *session, const DkmsQuery *query)
{
  return query == session->first || dkms_query_same_package (query, session->first);
}

/* The files of all queries for this bash, except the recipe. Returns: (transfer container) */
static GPtrArray *
list_overrides (const Session *session)
{
  GPtrArray *files = g_ptr_array_new ();

  for (guint q = 0; q < session->queries->len; q++)
    {
      const DkmsQuery *query = session->queries->pdata[q];
      for (guint i = 1; is_asked (session, query) && i < query->files->len; i++)
        g_ptr_array_add (files, query->files->pdata[i]);
    }
  return files;
}

/* The command that evaluates the next queries without a result. If they exceed a limit, another bash is needed. @given:
 * (out): descriptors that bash inherits. Returns: (transfer full) (nullable): NULL with an error */
static GPtrArray *
build_argv (Session *session, const char *fd, GArray *given, GError **error)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  const char *deprecated = session->how->deprecated != NULL ? session->how->deprecated : "";
  const char *fixed[] = { "/bin/bash", "-p", "-c", driver_bash, "dkms", fd, session->how->names, deprecated };
  guint count = 0;
  gsize bytes = 0;

  session->first = next_query (session);
  for (gsize i = 0; i < G_N_ELEMENTS (fixed); i++)
    g_ptr_array_add (argv, g_strdup (fixed[i]));
  for (guint q = 0; q < session->queries->len && bytes < LIMIT_ARGUMENTS && given->len < LIMIT_DESCRIPTORS; q++)
    {
      guint before = argv->len;

      const DkmsQuery *query = session->queries->pdata[q];
      if (dkms_query_is_answered (query) || !is_asked (session, query))
        continue;
      count++;
      if (!dkms_query_add_words (query, q, argv, given, error))
        return NULL;
      for (guint i = before; i < argv->len; i++)
        bytes += strlen (argv->pdata[i]) + 1 + sizeof (char *);
    }
  g_ptr_array_add (argv, NULL);
  session->end
      = session->clock + ((gint64)session->settings->policy.recipe_timeout * count + GRACE_SECONDS) * G_USEC_PER_SEC;
  return g_steal_pointer (&argv);
}

static void
finish_query (const DkmsPolicy *policy, Session *session, int status)
{
  DkmsQuery *query = session->current;

  if (query == NULL)
    return;
  if (session->timed_out)
    DKMS_FAIL (&query->error, CONF_TIMEOUT, .path = query->shown, .number = policy->recipe_timeout);
  else if (!session->done && session->ended != NULL)
    DKMS_FAIL (&query->error, CONF_EXCEEDED, .path = query->shown, .text = session->ended);
  else if (!session->done)
    query->ended = !DKMS_FAIL (&query->error, CONF_ENDED_EARLY, .path = query->shown, .status = status);
  if (query->error != NULL)
    g_clear_pointer (&query->vars, dkms_vars_free);
  session->current = NULL;
  session->deadline = 0;
}

static DkmsQuery *
query_by_id (Session *session, const char *id)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (id, 10, 0, session->queries->len - 1, &number, NULL))
    return NULL;
  DkmsQuery *query = session->queries->pdata[number];
  return is_asked (session, query) ? query : NULL;
}

/* Handles the message at @at. Returns: the number of fields it has, 0 if it is incomplete, -1 if it is not a message.
 */
static int
take_message (const DkmsSettings *settings, Session *session, char **at, guint have)
{
  static const struct {
    char kind;
    guint fields;
  } shape[] = { { 'B', 3 }, { 'U', 3 }, { 'O', 4 }, { 'V', 4 }, { 'D', 1 }, { 'E', 3 }, { 'Z', 1 } };
  guint need = 0;
  guint64 number;

  for (gsize i = 0; i < G_N_ELEMENTS (shape); i++)
    if (at[0][0] == shape[i].kind && at[0][1] == '\0')
      need = shape[i].fields;
  if (need == 0)
    return -1;
  if (have < need)
    return 0;

  switch (at[0][0])
    {
    case 'B':
      session->current = query_by_id (session, at[1]);
      if (session->current == NULL || dkms_query_is_answered (session->current))
        return session->current = NULL, -1;
      session->current->vars = dkms_vars_new (session->current->shown);
      session->current_pid = MAX (atoi (at[2]), 2); /* a recipe must not name process 1 */
      session->done = session->timed_out = FALSE;
      session->deadline = session->clock + (gint64)settings->policy.recipe_timeout * G_USEC_PER_SEC;
      break;
    case 'U':
      if (query_by_id (session, at[1]) != NULL && g_ascii_string_to_unsigned (at[2], 10, 0, LIMIT_INDEX, &number, NULL))
        session->handed += dkms_query_give_text (query_by_id (session, at[1]), session->settings->places.root, number);
      break;
    case 'O':
      if (session->current != NULL)
        dkms_vars_add_deprecated (session->current->vars, at[1], at[2], at[3]);
      break;
    case 'V':
      if (session->current != NULL && g_ascii_string_to_unsigned (at[2], 10, 0, LIMIT_INDEX, &number, NULL)
          && g_utf8_validate (at[3], -1, NULL))
        dkms_vars_set_folded (session->current->vars, at[1], (guint)number, at[3]);
      break;
    case 'D':
      session->done = TRUE;
      break;
    case 'E':
      if (query_by_id (session, at[1]) != NULL)
        finish_query (&settings->policy, session, atoi (at[2]));
      break;
    default:
      break;
    }
  return (int)need;
}

/* Takes all complete messages out of @buffer. Returns: FALSE at the end of the answer */
static gboolean
take_messages (const DkmsSettings *settings, Session *session, GByteArray *buffer)
{
  g_autoptr (GPtrArray) fields = g_ptr_array_new ();
  gsize start = 0, used = 0;

  for (gsize i = 0; i < buffer->len; i++)
    if (buffer->data[i] == '\0')
      {
        g_ptr_array_add (fields, buffer->data + start);
        start = i + 1;
      }
  for (guint f = 0; f < fields->len;)
    {
      char **at = (char **)fields->pdata + f;
      gboolean last = strcmp (at[0], "Z") == 0;
      int n = take_message (settings, session, at, fields->len - f);

      if (n == 0)
        break;
      f += n > 0 ? (guint)n : 1;
      used = f < fields->len ? (gsize)((guint8 *)fields->pdata[f] - buffer->data) : start;
      if (last)
        return FALSE;
    }
  g_byte_array_remove_range (buffer, 0, (guint)used);
  return TRUE;
}

/* Ends the current query, or the whole bash if it takes too long. A query is a process group of its own. A sandbox is
 * ended completely, and the remaining queries are tried again. */
static void
end_late (Session *session)
{
  gboolean whole = session->confined || session->clock >= session->end;

  session->timed_out = session->current != NULL;
  session->deadline = 0;
  if (session->current_pid > 1 && !session->confined)
    (void)kill (-session->current_pid, SIGKILL);
  if (whole)
    (void)kill (session->pid, SIGKILL);
}

/* Waits until @fd is readable, a tick at most. A longer time passed only while dkms was stopped, and bash perhaps with
 * it, so it does not count. Returns: as poll(2) */
static int
wait_a_tick (Session *session, int fd, gint64 *before)
{
  struct pollfd wait_for = { .fd = fd, .events = POLLIN };
  int ready = poll (&wait_for, 1, TICK_MS);
  gint64 now = g_get_monotonic_time ();

  session->clock += CLAMP (now - *before, 0, TICK_MS * 1000);
  *before = now;
  return ready;
}

static void
listen (const DkmsSettings *settings, Session *session, int fd)
{
  g_autoptr (GByteArray) buffer = g_byte_array_new ();
  gint64 before = g_get_monotonic_time ();
  gsize answered = 0;
  guint8 chunk[65536];

  for (;;)
    {
      int ready = wait_a_tick (session, fd, &before);

      /* Also if bash continues to write. */
      if (session->clock >= session->end || (session->deadline != 0 && session->clock >= session->deadline))
        {
          gboolean over = session->clock >= session->end;
          end_late (session);
          if (over)
            return;
          continue;
        }
      if (ready == 0 || (ready < 0 && errno == EINTR))
        continue;
      ssize_t n = read (fd, chunk, sizeof chunk);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return;
      answered += (gsize)n;
      if (answered > LIMIT_ANSWER)
        {
          session->ended = DKMS_SAY (LIMIT_VALUES, 0);
          (void)kill (session->pid, SIGKILL);
          return;
        }
      g_byte_array_append (buffer, chunk, (guint)n);
      if (memchr (chunk, '\0', (gsize)n) != NULL && !take_messages (settings, session, buffer))
        return;
    }
}

/* Waits for the end of bash, which has sent its last message. */
static int
wait_for_end (const Session *session)
{
  struct pollfd end = { .fd = (int)syscall (SYS_pidfd_open, session->pid, 0), .events = POLLIN };

  if (end.fd >= 0)
    {
      int ready = 0;
      for (int waited = 0; waited < GRACE_SECONDS * 1000 && ready == 0; waited += TICK_MS)
        ready = poll (&end, 1, TICK_MS);
      if (ready == 0)
        (void)kill (session->pid, SIGKILL);
      (void)close (end.fd);
    }
  return dkms_process_wait (session->pid);
}

static void
close_descriptor (gpointer data)
{
  (void)close (*(int *)data);
}

/* Evaluates the queries without a result, or as many as the limits allow, with one bash. */
static gboolean
ask (Session *session, DkmsFindings *findings, GError **error)
{
  const DkmsConfinement *confinement = session->confinement;
  g_autoptr (GPtrArray) argv = NULL;
  g_autoptr (GArray) given = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr (GArray) keep = g_array_new (FALSE, FALSE, sizeof (int));
  g_auto (DkmsFd) read_end = -1;
  g_auto (DkmsFd) write_end = -1;
  g_auto (DkmsFd) kept = -1;
  g_auto (DkmsFd) report = confinement != NULL ? memfd_create ("findings", MFD_CLOEXEC) : -1;
  g_autofree char *number = NULL;
  g_auto (GStrv) env = confinement != NULL ? dkms_sandbox_env (session->settings->places.root, g_get_environ ()) : NULL;
  gboolean started;
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) < 0)
    return dkms_fail_errno (error, "create", "a pipe");
  read_end = ends[0];
  write_end = ends[1];
  kept = dkms_fd_duplicate_high (write_end, 90); /* recipes do not use such high numbers */
  if (kept < 0 || (confinement != NULL && report < 0))
    return dkms_fail_errno (error, "duplicate", "a pipe");
  number = g_strdup_printf ("%d", kept);
  g_array_set_clear_func (given, close_descriptor);
  argv = build_argv (session, number, given, error);
  if (argv == NULL)
    return FALSE;
  session->confined = confinement != NULL;
  if (session->confined)
    {
      g_autoptr (GPtrArray) plain = g_steal_pointer (&argv);
      DkmsConfinement own = *confinement; /* the files of another package are not shown */
      g_autoptr (GPtrArray) overrides = list_overrides (session);
      own.recipe = session->first->files->len > 0 ? session->first->files->pdata[0] : NULL;
      own.overrides = overrides;
      argv = dkms_sandbox_wrap (&own, (const char *const *)plain->pdata, "/", report);
      g_array_append_val (keep, report);
    }
  g_array_append_vals (keep, given->data, given->len);

  DkmsCommand command = { .argv = (const char *const *)argv->pdata,
                          .env = env,
                          .root = session->confined ? NULL : session->settings->places.root,
                          .output_fd = session->printed,
                          .pass_fd = kept,
                          .keep = keep,
                          .null_stdin = TRUE };
  started = dkms_process_start (&command, &session->pid, error);
  (void)close (dkms_fd_steal (&write_end));
  (void)close (dkms_fd_steal (&kept));
  if (!started)
    return FALSE;
  listen (session->settings, session, read_end);
  session->status = wait_for_end (session);
  if (session->confined)
    dkms_findings_read (findings, report);
  if (findings->ended != NULL)
    {
      g_free (session->ended);
      session->ended = g_strdup (findings->ended);
    }
  /* The query that was running when the sandbox ended. */
  finish_query (&session->settings->policy, session, session->status);
  g_clear_pointer (&session->ended, g_free);
  return TRUE;
}

static guint
count_answers (const GPtrArray *queries)
{
  guint count = 0;

  for (guint q = 0; q < queries->len; q++)
    count += dkms_query_is_answered (queries->pdata[q]);
  return count;
}

static gboolean
has_values (const GPtrArray *queries)
{
  for (guint q = 0; q < queries->len; q++)
    if (((const DkmsQuery *)queries->pdata[q])->vars != NULL)
      return TRUE;
  return FALSE;
}

/* Fails every query that the last bash did not answer.
 * @why: (nullable): NULL if unknown */
static void
give_up (const Session *session, DkmsError kind, const char *why)
{
  for (guint q = 0; q < session->queries->len; q++)
    {
      DkmsQuery *query = session->queries->pdata[q];
      if (!dkms_query_is_answered (query) && is_asked (session, query))
        dkms_fail_with (
            &query->error,
            &(const DkmsErrorInfo){ .kind = kind, .path = query->shown, .text = why, .status = session->status });
    }
}

void
dkms_remarks_clear (DkmsRemarks *self)
{
  g_clear_pointer (&self->unconfined, g_free);
  g_clear_pointer (&self->printed, g_free);
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

gboolean
dkms_evaluate (const DkmsEvaluation *how, GPtrArray *queries, DkmsRemarks *remarks, GError **error)
{
  const DkmsSettings *settings = how->settings;
  g_auto (DkmsFd) printed = remarks != NULL ? open_printed (error) : -1;
  Session session
      = { .how = how, .settings = settings, .confinement = how->confinement, .queries = queries, .printed = printed };
  gboolean ok = remarks == NULL || printed >= 0;

  const DkmsConfinement of_root = { .settings = settings };
  if (session.confinement == NULL && !dkms_root_is_host (settings->places.root))
    session.confinement = &of_root; /* the author of that system is not trusted */
  if (settings->policy.sandbox == DKMS_SANDBOX_OFF)
    session.confinement = NULL;
  for (guint q = 0; q < queries->len; q++)
    {
      DkmsQuery *query = queries->pdata[q];
      dkms_query_read_files (query, settings->places.root, how->names, how->deprecated);
    }
  while (ok && count_answers (queries) < queries->len)
    {
      g_auto (DkmsFindings) findings = { 0 };
      guint before = count_answers (queries) + session.handed;

      ok = ask (&session, &findings, error);
      if (ok && findings.failure != NULL && (settings->policy.sandbox == DKMS_SANDBOX_STRICT || !findings.missing))
        give_up (&session, DKMS_ERROR_CONF_NOT_CONFINED, findings.failure);
      else if (ok && findings.failure != NULL)
        {
          session.confinement = NULL;
          if (remarks != NULL)
            remarks->unconfined = g_steal_pointer (&findings.failure);
        }
      else if (ok && count_answers (queries) + session.handed == before)
        give_up (&session, findings.ended != NULL ? DKMS_ERROR_CONF_KILLED : DKMS_ERROR_CONF_NOT_EVALUATED,
                 findings.ended);
    }
  if (remarks != NULL && printed >= 0)
    {
      remarks->confined = ok && session.confined && session.confinement != NULL && has_values (queries);
      remarks->printed = read_printed (printed);
    }
  return ok;
}
