/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "conf/evaluate.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "driver.bash.h"
#include "kernel/kernel.h"

#define LIMIT_FILE ((gsize)1 << 20)
#define LIMIT_INDEX 4096

DkmsQuery *
dkms_query_new (void)
{
  DkmsQuery *self = g_new0 (DkmsQuery, 1);

  self->assign = g_ptr_array_new_with_free_func (g_free);
  self->files = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
dkms_query_free (DkmsQuery *self)
{
  g_ptr_array_unref (self->assign);
  g_ptr_array_unref (self->files);
  g_free (self->shown);
  dkms_recipe_free (self->recipe);
  g_clear_error (&self->error);
  g_free (self);
}

typedef struct {
  GPtrArray *queries;
  GArray *temporary;  /* descriptors of files with normalised line ends */
  DkmsQuery *current; /* the query that runs */
  GPid pid;           /* bash, or the sandbox that it runs in */
  GPid current_pid;   /* the group of that query; means nothing to us when it is in a sandbox */
  gboolean confined;
  const char *ended; /* (nullable): why the sandbox ended it */
  gboolean done;     /* it gave all its values */
  gboolean timed_out;
  gint64 deadline; /* monotonic microseconds; 0: none */
} Session;

/* bash stumbles over CR LF; such a file is given to it with plain line ends. */
static gboolean
normalise (Session *session, GPtrArray *files, guint i, char *text, gsize size, GError **error)
{
  g_auto (DkmsFd) fd = -1;
  gsize out = 0;

  for (gsize in = 0; in < size; in++)
    if (text[in] != '\r' || (in + 1 < size && text[in + 1] != '\n'))
      text[out++] = text[in];
  fd = memfd_create ("dkms.conf", 0);
  if (fd < 0 || !dkms_write_all (fd, text, out, "memfd", NULL))
    return dkms_fail_errno (error, "normalise", files->pdata[i]);
  g_free (files->pdata[i]);
  files->pdata[i] = g_strdup_printf ("/proc/self/fd/%d", fd);
  g_array_append_val (session->temporary, fd);
  fd = -1;
  return TRUE;
}

/* Refuses what is no text before bash sees it, and mends line ends. */
static gboolean
prepare_files (const DkmsSettings *settings, Session *session, DkmsQuery *query, GError **error)
{
  for (guint i = 0; i < query->files->len; i++)
    {
      const char *shown = i == 0 && query->shown != NULL ? query->shown : query->files->pdata[i];
      g_autoptr (GError) local = NULL;
      gsize size;
      const char *path = query->files->pdata[i];
      g_autofree char *text = settings->root->has_shell
                                  ? dkms_root_read (settings->root, path, LIMIT_FILE, &size, &local)
                                  : dkms_read_at (AT_FDCWD, path, LIMIT_FILE, &size, &local);

      if (text == NULL)
        return dkms_fail (error, DKMS_ERROR_NO_CONF, shown, "Put the file there, or name another one with -c.",
                          "Cannot read the configuration %s (%s)", shown, local->message);
      if (memchr (text, '\0', size) != NULL)
        return dkms_fail (error, DKMS_ERROR_BAD_CONF, shown, "Restore the file from its package.",
                          "%s is not a text file: it contains NUL bytes", shown);
      if (memchr (text, '\r', size) != NULL && !normalise (session, query->files, i, text, size, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
is_answered (const DkmsQuery *query)
{
  return query->error != NULL || query->recipe != NULL;
}

static GPtrArray *
build_argv (Session *session, const char *fd, const char *names, const char *deprecated)
{
  GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);
  const char *fixed[] = { "/bin/bash", "-p", "-c", driver_bash, "dkms", fd, names, deprecated };

  for (gsize i = 0; i < G_N_ELEMENTS (fixed); i++)
    g_ptr_array_add (argv, g_strdup (fixed[i]));
  for (guint q = 0; q < session->queries->len; q++)
    {
      const DkmsQuery *query = session->queries->pdata[q];

      if (is_answered (query))
        continue;
      g_ptr_array_add (argv, g_strdup_printf ("%u", q));
      g_ptr_array_add (argv, g_strdup_printf ("%u", query->assign->len));
      for (guint i = 0; i < query->assign->len; i++)
        g_ptr_array_add (argv, g_strdup (query->assign->pdata[i]));
      g_ptr_array_add (argv, g_strdup_printf ("%u", query->files->len));
      for (guint i = 0; i < query->files->len; i++)
        g_ptr_array_add (argv, g_strdup (query->files->pdata[i]));
    }
  g_ptr_array_add (argv, NULL);
  return argv;
}

static void
finish_query (const DkmsSettings *settings, Session *session, int status)
{
  DkmsQuery *query = session->current;

  if (query == NULL)
    return;
  if (session->timed_out)
    dkms_fail (&query->error, DKMS_ERROR_BAD_CONF, query->shown,
               "Look for a command in it that waits; recipe_timeout in /etc/dkms/framework.conf sets the limit.",
               "Reading %s took more than %u s and was stopped", query->shown, settings->recipe_timeout);
  else if (!session->done && session->ended != NULL)
    dkms_fail (&query->error, DKMS_ERROR_BAD_CONF, query->shown, "Look for a command in it that does so.",
               "Reading %s went wrong: %s", query->shown, session->ended);
  else if (!session->done)
    dkms_fail (&query->error, DKMS_ERROR_BAD_CONF, query->shown,
               "The file is sourced: it must assign its directives and return; 'exit' and 'exec' end it too early.",
               "%s ended its shell with status %d before its directives could be read", query->shown, status);
  if (query->error != NULL)
    g_clear_pointer (&query->recipe, dkms_recipe_free);
  session->current = NULL;
  session->deadline = 0;
}

static DkmsQuery *
query_by_id (Session *session, const char *id)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (id, 10, 0, session->queries->len - 1, &number, NULL))
    return NULL;
  return session->queries->pdata[number];
}

/* Handles the message at @at. Returns: the number of fields it has, 0 if it is not complete yet, -1 if it is none. */
static int
take_message (const DkmsSettings *settings, Session *session, char **at, guint have)
{
  static const struct {
    char kind;
    guint fields;
  } shape[] = { { 'B', 3 }, { 'O', 4 }, { 'V', 4 }, { 'D', 1 }, { 'E', 3 }, { 'Z', 1 } };
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
      if (session->current == NULL || session->current->recipe != NULL)
        return session->current = NULL, -1;
      session->current->recipe = dkms_recipe_new (session->current->shown);
      session->current_pid = atoi (at[2]);
      session->done = session->timed_out = FALSE;
      session->deadline = g_get_monotonic_time () + (gint64)settings->recipe_timeout * G_USEC_PER_SEC;
      break;
    case 'O':
      if (session->current != NULL)
        dkms_recipe_add_deprecated (session->current->recipe, at[1], at[2], at[3]);
      break;
    case 'V':
      if (session->current != NULL && g_ascii_string_to_unsigned (at[2], 10, 0, LIMIT_INDEX, &number, NULL)
          && g_utf8_validate (at[3], -1, NULL))
        dkms_recipe_set_folded (session->current->recipe, at[1], (guint)number, at[3]);
      break;
    case 'D':
      session->done = TRUE;
      break;
    case 'E':
      if (query_by_id (session, at[1]) != NULL)
        finish_query (settings, session, atoi (at[2]));
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

static void
listen (const DkmsSettings *settings, Session *session, int fd)
{
  g_autoptr (GByteArray) buffer = g_byte_array_new ();
  guint8 chunk[16384];

  for (;;)
    {
      struct pollfd wait_for = { .fd = fd, .events = POLLIN };
      gint64 left = session->deadline - g_get_monotonic_time ();
      int ready = poll (&wait_for, 1, session->deadline == 0 ? -1 : (int)CLAMP (left / 1000 + 1, 0, G_MAXINT));

      if (ready < 0 && errno == EINTR)
        continue;
      if (ready == 0 && session->current != NULL)
        {
          /* One query is a group of its own; a sandbox ends as a whole, and the other queries are put again. */
          session->timed_out = TRUE;
          session->deadline = 0;
          (void)kill (session->confined ? session->pid : -session->current_pid, SIGKILL);
          continue;
        }
      ssize_t n = read (fd, chunk, sizeof chunk);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return;
      g_byte_array_append (buffer, chunk, (guint)n);
      if (!take_messages (settings, session, buffer))
        return;
    }
}

/* Puts all queries that have no answer yet to one bash. */
static gboolean
ask (const DkmsSettings *settings, const DkmsConfinement *confinement, Session *session, const char *names,
     const char *deprecated, DkmsFindings *findings, GError **error)
{
  g_autoptr (GPtrArray) argv = NULL;
  g_autoptr (GArray) keep = g_array_new (FALSE, FALSE, sizeof (int));
  g_auto (DkmsFd) read_end = -1;
  g_auto (DkmsFd) write_end = -1;
  g_auto (DkmsFd) kept = -1;
  g_auto (DkmsFd) report = confinement != NULL ? memfd_create ("findings", MFD_CLOEXEC) : -1;
  g_autofree char *number = NULL;
  gboolean started;
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) < 0)
    return dkms_fail_errno (error, "create", "a pipe");
  read_end = ends[0];
  write_end = ends[1];
  kept = dkms_fd_duplicate_high (write_end, 90); /* out of the way of what recipes use */
  if (kept < 0 || (confinement != NULL && report < 0))
    return dkms_fail_errno (error, "duplicate", "a pipe");
  number = g_strdup_printf ("%d", kept);
  argv = build_argv (session, number, names, deprecated);
  session->confined = confinement != NULL;
  if (session->confined)
    {
      g_autoptr (GPtrArray) plain = g_steal_pointer (&argv);
      argv = dkms_sandbox_wrap (confinement, (const char *const *)plain->pdata, "/", report);
      g_array_append_val (keep, report);
    }
  g_array_append_vals (keep, session->temporary->data, session->temporary->len);

  DkmsCommand command = { .argv = (const char *const *)argv->pdata,
                          .root = session->confined ? NULL : settings->root,
                          .output_fd = -1,
                          .pass_fd = kept,
                          .keep = keep,
                          .null_stdin = TRUE };
  started = dkms_process_start (&command, &session->pid, error);
  (void)close (dkms_fd_steal (&write_end));
  (void)close (dkms_fd_steal (&kept));
  if (!started)
    return FALSE;
  listen (settings, session, read_end);
  int status = dkms_process_wait (session->pid);
  if (session->confined)
    dkms_findings_read (findings, report);
  session->ended = findings->ended;
  finish_query (settings, session, status); /* the one that its sandbox ended with */
  session->ended = NULL;
  return TRUE;
}

static guint
count_answers (const GPtrArray *queries)
{
  guint count = 0;

  for (guint q = 0; q < queries->len; q++)
    count += is_answered (queries->pdata[q]);
  return count;
}

/* What is left unanswered has no answer. */
static void
give_up (GPtrArray *queries, DkmsError code, const char *why)
{
  for (guint q = 0; q < queries->len; q++)
    {
      DkmsQuery *query = queries->pdata[q];
      if (!is_answered (query))
        dkms_fail (&query->error, code, query->shown,
                   why != NULL ? "See sandbox in /etc/dkms/framework.conf (dkms-framework.conf(5))." : NULL,
                   "%s could not be evaluated%s%s", query->shown, why != NULL ? ": " : "", why != NULL ? why : "");
    }
}

gboolean
dkms_evaluate (const DkmsSettings *settings, const DkmsConfinement *confinement, GPtrArray *queries, const char *names,
               const char *deprecated, GError **error)
{
  g_autoptr (GArray) temporary = g_array_new (FALSE, FALSE, sizeof (int));
  Session session = { .queries = queries, .temporary = temporary };
  gboolean ok = TRUE;

  if (settings->sandbox == DKMS_SANDBOX_OFF)
    confinement = NULL;
  for (guint q = 0; q < queries->len; q++)
    {
      DkmsQuery *query = queries->pdata[q];
      (void)prepare_files (settings, &session, query, &query->error);
    }
  while (ok && count_answers (queries) < queries->len)
    {
      g_auto (DkmsFindings) findings = { 0 };
      guint before = count_answers (queries);

      ok = ask (settings, confinement, &session, names, deprecated, &findings, error);
      if (ok && findings.failure != NULL && settings->sandbox == DKMS_SANDBOX_STRICT)
        give_up (queries, DKMS_ERROR_SANDBOX, findings.failure);
      else if (ok && findings.failure != NULL)
        confinement = NULL; /* builds say so, if there are any */
      else if (ok && count_answers (queries) == before)
        give_up (queries, DKMS_ERROR_BAD_CONF, findings.ended);
    }
  for (guint i = 0; i < temporary->len; i++)
    (void)close (g_array_index (temporary, int, i));
  return ok;
}
