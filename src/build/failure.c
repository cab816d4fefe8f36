/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps the files of a failed build, and reports its first error, cause, remedy and log. This file examines the machine
 * to find out whether the sandbox or the directory of the build caused the failure; all other facts come from the log
 * (check/log-scan.h). */
#define _GNU_SOURCE
#include "build/failure.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "build/area.h"
#include "build/log.h"
#include "check/explain.h"
#include "check/line.h"
#include "install/job.h"
#include "store/attempts.h"
#include "store/layout.h"
#include "store/logs.h"
#include "store/transaction.h"

enum { MOST_SCRIPT = 1 << 16 };

/* ---- files and logs that are kept ---- */

/* Notifies Ubuntu's crash reporter of the failed build. @sentence: (nullable): about the cause */
static void
notify_apport (const DkmsJob *job, const char *sentence)
{
  const DkmsAttempt *attempt = job->attempt;
  static const char reporter[] = "/usr/share/apport/apport";
  const char *argv[] = { "python3", "/usr/share/apport/package-hooks/dkms_packages.py",
                         "-m",      job->id.module,
                         "-v",      job->id.version,
                         "-k",      job->kernel->release,
                         "--cause", attempt->cause != NULL ? attempt->cause : "",
                         "--name",  attempt->cause_name != NULL ? attempt->cause_name : "",
                         "--text",  sentence != NULL ? sentence : "",
                         NULL };
  DkmsCommand command = { .argv = argv, .root = job->settings->places.root, .output_fd = -1, .null_stdin = TRUE };
  struct stat st;

  /* The crash reporter of the host must not be used for a root without a shell. */
  if (job->settings->places.root->has_shell && dkms_root_stat (job->settings->places.root, reporter, &st) == 0
      && (st.st_mode & 0111) != 0)
    dkms_process_try (&command);
}

/* @cause: (nullable): the cause that the log shows */
static void
set_cause (DkmsAttempt *attempt, const char *id, const DkmsCause *cause)
{
  attempt->cause = g_strdup (id);
  attempt->cause_name = cause != NULL ? g_strdup (cause->name) : NULL;
  attempt->cause_file = cause != NULL ? g_strdup (cause->file) : NULL;
  attempt->cause_line = cause != NULL ? cause->line_number : 0;
}

void
dkms_failure_note (DkmsWorkArea *area, const char *cause, GError *error)
{
  g_autofree char *text = g_strdup_printf ("%s: %s", cause, error != NULL ? error->message : "");

  dkms_log_note (area, "dkms", text);
  area->log_matters = TRUE;
  dkms_error_set_failure (error, cause, NULL);
  set_cause (area->job->attempt, cause, NULL);
  notify_apport (area->job, NULL);
}

static void
keep_area (DkmsWorkArea *area)
{
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (&area->job->settings->places);
  g_autoptr (GError) error = NULL;

  if (strcmp (area->dir, area->place) == 0 || area->fd < 0 || area->log_fd < 0)
    return;
  if (!dkms_restrict_tree_at (area->fd, ".", &error))
    {
      DKMS_EMIT (area->job->events, FAILED_BUILD_NOT_KEPT, .error = error);
      return;
    }
  /* The log is copied from the descriptor, because the build may have replaced the file. */
  dkms_discard_tree_at (area->fd, "make.log");
  if (!dkms_log_copy (area, area->fd, "make.log", &error))
    DKMS_EMIT (area->job->events, ERROR_IGNORED, .error = error);
  g_clear_error (&error);
  dkms_transaction_move (tx, area->dir, area->place);
  if (!dkms_transaction_commit (tx, area->job->events, &error))
    DKMS_EMIT (area->job->events, FAILED_BUILD_NOT_KEPT, .error = error);
}

/* Adds the command that prints the stored log to the advice. */
static void
add_command (const DkmsJob *job, GError *error)
{
  g_autofree char *command = dkms_logs_command ("explain", &job->id);
  g_autofree char *line = DKMS_SAY (EXPLANATION, .text = command);

  dkms_error_add_advice (error, line);
}

/* Returns: (transfer full) (nullable): the log, inside the root: that of the attempt or, if it cannot be stored, the
 * one in the work area, which the next build of this version overwrites */
static char *
keep_attempt (DkmsWorkArea *area, gint64 start, const GError *error, gboolean *kept)
{
  const DkmsJob *job = area->job;
  DkmsAttempt *attempt = job->attempt;
  g_autofree char *placed = g_build_filename (area->place, "make.log", NULL);
  g_autofree char *dir = dkms_layout_logs (&job->settings->places, &job->id);
  g_autoptr (GError) local = NULL;
  char *path;

  attempt->outcome = DKMS_OUTCOME_FAILED;
  attempt->seconds = dkms_clock_since (start);
  if (error != NULL && attempt->error == NULL)
    attempt->error = g_error_copy (error);
  path = dkms_attempts_fail (&job->settings->places, attempt, job->work->fd, area->log_fd, &local);
  *kept = path != NULL;
  if (local != NULL)
    DKMS_EMIT (job->events, LOG_NOT_COPIED, .path = dir, .error = local);
  if (path == NULL && dkms_root_is_file (job->settings->places.root, placed))
    path = g_steal_pointer (&placed);
  return path;
}

void
dkms_failure_end (DkmsWorkArea *area, gint64 start, GError *error)
{
  const DkmsJob *job = area->job;
  gboolean kept;
  g_autofree char *log = keep_attempt (area, start, error, &kept);

  keep_area (area);
  if (!area->log_matters)
    return;
  g_autofree char *shown = log != NULL ? dkms_root_host_path (job->settings->places.root, log) : NULL;
  g_autofree char *line = log != NULL ? DKMS_SAY (LOG_KEPT, .log = shown) : DKMS_SAY (LOG_LOST);
  dkms_error_add_advice (error, line);
  dkms_error_set_failure (error, NULL, shown);
  if (kept)
    add_command (job, error);
}

/* ---- the error message ---- */

/* Whether @path, as tools name it, belongs to this build, and so is never hidden. */
static gboolean
is_own (const DkmsWorkArea *area, const char *path)
{
  g_autofree char *version_dir = g_path_get_dirname (area->tool_dir);

  return dkms_path_is_in (path, version_dir);
}

/* Returns: (transfer full): @path as a path of the host. */
static char *
host_path (const DkmsWorkArea *area, const char *path)
{
  const DkmsRoot *root = area->job->settings->places.root;

  if (is_own (area, path) && g_str_has_prefix (path, area->tool_dir))
    {
      g_autofree char *inside = g_strconcat (area->dir, path + strlen (area->tool_dir), NULL);
      return dkms_root_host_path (root, inside);
    }
  return root->has_shell ? dkms_root_host_path (root, path) : g_strdup (path);
}

/* Whether @path is the same inside of the sandbox. A file that exists there, and was not found, was not hidden. */
static gboolean
is_visible_place (const char *path)
{
  static const char *const places[] = { "/usr/", "/opt/", "/bin/", "/sbin/", "/lib", "/proc/", "/sys/" };

  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    if (g_str_has_prefix (path, places[i]))
      return TRUE;
  return FALSE;
}

/* Returns: (transfer full) (nullable): the first path in @line that exists, but is hidden from the build */
static char *
find_hidden (const DkmsWorkArea *area, const char *line, gboolean anywhere)
{
  g_auto (GStrv) paths = dkms_line_paths (line);

  for (char **path = paths; *path != NULL; path++)
    {
      g_autofree char *host = host_path (area, *path);
      struct stat st;

      if (!is_own (area, *path) && (anywhere || !is_visible_place (*path)) && lstat (host, &st) == 0)
        return g_strdup (*path);
    }
  return NULL;
}

/* Returns: (transfer full) (nullable): the directory in which @line could not create a file, if it is hidden */
static char *
find_hidden_parent (const DkmsWorkArea *area, const char *line)
{
  g_auto (GStrv) paths = dkms_line_creates (line) ? dkms_line_paths (line) : NULL;
  guint n = paths != NULL ? g_strv_length (paths) : 0;
  g_autofree char *parent = n > 0 ? g_path_get_dirname (paths[n - 1]) : NULL;
  g_autofree char *slash = parent != NULL ? g_strconcat (parent, "/", NULL) : NULL;
  g_autofree char *host = parent != NULL ? host_path (area, parent) : NULL;
  struct stat st;

  return host != NULL && !is_own (area, parent) && !is_visible_place (slash) && stat (host, &st) == 0
                 && S_ISDIR (st.st_mode)
             ? g_steal_pointer (&parent)
             : NULL;
}

/* Returns: (transfer full) (nullable): the path of the command that is missing in @line, in a directory that builds do
 * not see */
static char *
find_command (const DkmsWorkArea *area, const char *line)
{
  g_autofree char *name = dkms_line_command (line);
  const char *path = g_environ_getenv (area->env, "PATH");
  g_auto (GStrv) dirs = g_strsplit (path != NULL ? path : "", ":", -1);

  if (name == NULL || strchr (name, '/') != NULL)
    return NULL;
  for (char **dir = dirs; *dir != NULL; dir++)
    {
      g_autofree char *file = g_build_filename (*dir, name, NULL);
      g_autofree char *host = host_path (area, file);
      struct stat st;

      if (**dir == '/' && !is_visible_place (file) && stat (host, &st) == 0 && S_ISREG (st.st_mode)
          && (st.st_mode & 0111) != 0)
        return g_steal_pointer (&file);
    }
  return NULL;
}

/* Why an unconfined build might have succeeded. Returns: (transfer full) (nullable): a sentence */
static char *
blame_line (const DkmsWorkArea *area, const char *line)
{
  const DkmsId id = area->job->id;
  g_autofree char *path = NULL;

  switch (dkms_line_topic (line))
    {
    case DKMS_TOPIC_NETWORK:
      return DKMS_SAY (NO_NETWORK, .id = id);
    case DKMS_TOPIC_READ_ONLY:
      return DKMS_SAY (READ_ONLY, .id = id);
    case DKMS_TOPIC_OWNER:
      return DKMS_SAY (NO_OWNERS, .id = id);
    case DKMS_TOPIC_ADDRESSES:
      return DKMS_SAY (NO_ADDRESSES, .id = id);
    case DKMS_TOPIC_RIGHTS:
      return DKMS_SAY (NO_RIGHTS, .id = id);
    case DKMS_TOPIC_DENIED:
      path = find_hidden (area, line, TRUE);
      return path != NULL ? DKMS_SAY (NOT_PUBLIC, .id = id, .path = path) : NULL;
    case DKMS_TOPIC_ABSENT:
      path = find_hidden (area, line, FALSE);
      if (path == NULL)
        path = find_hidden_parent (area, line);
      if (path == NULL)
        path = find_command (area, line);
      return path != NULL ? DKMS_SAY (NOT_SEEN, .id = id, .path = path) : NULL;
    default:
      return NULL;
    }
}

/* Programs that download may fail without a message, long before the error that follows from the missing file. */
static char *
blame_downloader (const DkmsWorkArea *area, const DkmsDiagnosis *diagnosis, const char *script)
{
  g_autofree char *text = NULL;
  const char *tool;

  if (script != NULL && is_own (area, script))
    {
      const char *name = script + strlen (area->tool_dir);
      text = dkms_read_at (area->fd, name + strspn (name, "/"), MOST_SCRIPT, NULL, NULL);
    }
  else if (script != NULL)
    text = dkms_root_read (area->job->settings->places.root, script, MOST_SCRIPT, NULL, NULL);
  tool = text != NULL ? dkms_downloader_in (text) : NULL;
  if (tool == NULL)
    tool = diagnosis->downloader;
  return tool != NULL ? DKMS_SAY (DOWNLOADS, .id = area->job->id, .name = tool) : NULL;
}

static char *
blame_confinement (const DkmsWorkArea *area, const DkmsDiagnosis *diagnosis, const char *cause, const char *script)
{
  const DkmsJob *job = area->job;
  g_autofree char *why = NULL;

  /* Limits also apply to unconfined builds. */
  if (!job->confined || (area->ended != NULL && dkms_line_topic (area->ended) != DKMS_TOPIC_ADDRESSES))
    return NULL;
  if (cause != NULL)
    why = blame_line (area, cause);
  if (why == NULL && (cause == NULL || dkms_line_topic (cause) == DKMS_TOPIC_ABSENT))
    why = blame_downloader (area, diagnosis, script);
  return g_steal_pointer (&why);
}

static gboolean
is_noexec (const char *host)
{
  struct statvfs st;

  return statvfs (host, &st) == 0 && (st.f_flag & ST_NOEXEC) != 0;
}

/* Explains the failure of a program that cannot run because its file system is mounted noexec. */
static char *
blame_noexec (const DkmsWorkArea *area, const char *cause)
{
  g_autofree char *own = dkms_root_host_path (area->job->settings->places.root, area->dir);
  g_auto (GStrv) paths = dkms_line_paths (cause != NULL ? cause : "");
  g_autofree char *found = NULL;

  if (cause == NULL || dkms_line_topic (cause) != DKMS_TOPIC_DENIED)
    return NULL;
  for (char **path = paths; *path != NULL && found == NULL; path++)
    {
      g_autofree char *host = host_path (area, *path);
      found = is_noexec (host) ? g_strdup (*path) : NULL;
    }
  if (found == NULL && is_noexec (own)) /* a relative path */
    found = g_strdup (area->tool_dir);
  return found != NULL ? DKMS_SAY (NOEXEC, .path = found) : NULL;
}

/* make and the kernel's build system cannot work in a directory with certain characters. */
static char *
blame_version (const DkmsWorkArea *area, DkmsError kind)
{
  static const char bad[] = "#:$%\\@*?[]{}()<>|&;'\"`=~ ";
  const char *at = strpbrk (area->tool_dir, bad);

  if (kind != DKMS_ERROR_MAKE_FAILED || at == NULL || *at == '~')
    return NULL;
  const char character[] = { *at, '\0' };
  return DKMS_SAY (BAD_DIRECTORY, .id = area->job->id, .path = area->tool_dir, .name = character);
}

/* Adds @line (nullable) to @text: (inout) (nullable) (transfer full). */
static void
add_line (char **text, const char *line)
{
  g_autofree char *before = *text;

  *text = before == NULL || line == NULL ? g_strdup (before != NULL ? before : line)
                                         : DKMS_SAY (TWO_LINES, .text = before, .advice = line);
}

/* Returns: (transfer full): the first error, or the end of the log */
static char *
show_log (const DkmsDiagnosis *diagnosis, const char *first_error, const char *who)
{
  const char *tail = diagnosis->tail;
  g_auto (GStrv) lines = g_strsplit (tail != NULL ? tail : "", "\n", -1);
  g_autofree char *shown = g_strjoinv ("\n  ", lines);

  return first_error != NULL ? DKMS_SAY (FIRST_ERROR, .text = first_error)
         : tail != NULL      ? DKMS_SAY (LOG_ENDS, .text = shown)
                             : DKMS_SAY (LOG_EMPTY, .name = who);
}

/* Returns: (transfer full) (nullable): the explanation of the cause; NULL if it is unknown */
static DkmsExplanation *
explain (const DkmsJob *job, const DkmsDiagnosis *diagnosis)
{
  const DkmsCause *cause = dkms_diagnosis_cause (diagnosis);
  const DkmsCauseFacts facts = { .module = job->id.module,
                                 .version = job->id.version,
                                 .kernel = job->kernel->release,
                                 .package = dkms_distro_name_package,
                                 .install = dkms_distro_name_install,
                                 .distro = job->settings->policy.distro };

  return cause != NULL && strcmp (cause->info->id, "unknown") != 0 ? dkms_cause_explain (cause, diagnosis, &facts)
                                                                   : NULL;
}

gboolean
dkms_step_failed (DkmsWorkArea *area, const DkmsStepFailure *step, GError **error)
{
  const DkmsJob *job = area->job;
  g_autoptr (DkmsDiagnosis) diagnosis = dkms_logs_diagnose (area->log_fd, job->kernel->release);
  const char *first_error = area->ended != NULL ? area->ended : diagnosis->first_error;
  const DkmsCause *cause = dkms_diagnosis_cause (diagnosis);
  g_autofree char *path = g_build_filename (area->place, "make.log", NULL);
  g_autofree char *shown = dkms_root_host_path (job->settings->places.root, path);
  g_autofree char *log = show_log (diagnosis, first_error, step->who);
  g_autofree char *noexec = blame_noexec (area, first_error);
  g_autofree char *confinement = noexec == NULL ? blame_confinement (area, diagnosis, first_error, step->script) : NULL;
  g_autofree char *version = blame_version (area, step->kind);
  g_autoptr (DkmsExplanation) explanation = explain (job, diagnosis);
  g_autofree char *advice = NULL;

  add_line (&advice, log);
  add_line (&advice, noexec);
  add_line (&advice, confinement);
  add_line (&advice, version);
  if (noexec == NULL && confinement == NULL && version == NULL && explanation != NULL)
    {
      add_line (&advice, explanation->sentence);
      add_line (&advice, explanation->next);
    }
  area->log_matters = TRUE;
  job->attempt->first_error = g_strdup (first_error);
  if (cause != NULL)
    set_cause (job->attempt, cause->info->id, cause);
  if (step->kind != DKMS_ERROR_SCRIPT_FAILED)
    notify_apport (job, explanation != NULL ? explanation->sentence : NULL);
  return dkms_fail_with (error, &(const DkmsErrorInfo){ .kind = step->kind,
                                                        .id = job->id,
                                                        .path = shown,
                                                        .name = step->who,
                                                        .text = step->patch,
                                                        .step = step->step,
                                                        .cause = cause != NULL ? cause->info->id : "unknown",
                                                        .advice = advice,
                                                        .status = step->status });
}
