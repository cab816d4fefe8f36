/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds and runs the scripts of packages and administrators. */
#define _GNU_SOURCE
#include "install/script.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "conf/recipe-place.h"
#include "install/job.h"
#include "store/layout.h"
#include "store/loan.h"

enum { CANNOT_EXECUTE = 126 }; /* exit status of shells in this case */

/* Like -x of a shell: a directory passes, and fails when it is run. */
static gboolean
can_run (const DkmsRoot *root, const char *path)
{
  struct stat st;

  return dkms_root_stat (root, path, &st) == 0 && (S_ISREG (st.st_mode) || S_ISDIR (st.st_mode))
         && (st.st_mode & 0111) != 0;
}

/* The current path of the file that a script will see as @seen_as/@program: in @base, unless the name leaves it by
 * "..". */
static char *
present_path (const char *base, const char *seen_as, const char *program)
{
  g_autofree char *full = g_canonicalize_filename (program, seen_as);
  gsize n = strlen (seen_as);

  if (strncmp (full, seen_as, n) == 0 && full[n] == '/')
    return g_build_filename (base, full + n, NULL);
  return g_steal_pointer (&full);
}

/* The path of the program for its caller. For a root without a shell, it must not lead out of the root. */
static char *
program_path (const DkmsRoot *root, const char *dir, const char *program, gboolean present)
{
  g_autofree char *plain = g_build_filename (dir, program, NULL);
  g_autofree char *inside = g_canonicalize_filename (program, dir);

  return dkms_root_tool_path (root, root->has_shell || present ? plain : inside);
}

/* Reports that the script at @path cannot be run. A build has a copy of the source, which users do not know. */
static void
report_absent (const DkmsJob *job, DkmsScript script, const char *program, const char *path)
{
  const DkmsPlaces *places = &job->settings->places;
  const char *directive = dkms_script_directive (script);
  g_autofree char *link = dkms_layout_source (places, &job->id, NULL);
  g_autofree char *source = dkms_root_resolved (places->root, link);
  g_autofree char *shown = g_build_filename (source, program, NULL);
  g_autofree char *place = dkms_recipe_place (places, job->recipe, &job->id, directive, 0);
  struct stat st;

  DKMS_EMIT (job->events, BLANK);
  if (dkms_root_stat (places->root, path, &st) == 0)
    DKMS_EMIT (job->events, SCRIPT_NOT_EXECUTABLE, .name = directive, .path = shown, .place = place);
  else
    DKMS_EMIT (job->events, SCRIPT_ABSENT, .name = directive, .path = shown, .place = place);
}

char *
dkms_script_find (const DkmsJob *job, DkmsScript script, const char *base, const char *seen_as, char **cwd,
                  const char **rest)
{
  const char *text = job->recipe != NULL ? job->recipe->scripts[script] : "";
  const char *as = seen_as != NULL ? seen_as : base;
  const DkmsRoot *root = job->settings->places.root;
  g_autofree char *admin_dir = g_build_filename ("/etc/dkms", job->id.module, NULL);

  text += strspn (text, " \t\n/"); /* a leading slash does not make it absolute: it is a name below the directory */
  gsize n = strcspn (text, " \t\n");
  g_autofree char *program = g_strndup (text, n);
  g_autofree char *admin_path = g_build_filename (admin_dir, program, NULL);
  g_autofree char *path
      = seen_as != NULL ? present_path (base, seen_as, program) : g_build_filename (base, program, NULL);
  gboolean of_admin = n > 0 && can_run (root, admin_path);

  if (n == 0)
    return NULL;
  if (!of_admin && !can_run (root, path))
    return report_absent (job, script, program, path), NULL;
  *cwd = dkms_root_tool_path (root, of_admin ? admin_dir : as);
  *rest = text + n;
  return program_path (root, of_admin ? admin_dir : as, program, of_admin || seen_as == NULL);
}

/* Returns: whether every quote in @text is closed */
static gboolean
is_balanced (const char *text)
{
  char quote = '\0';

  for (; *text != '\0'; text++)
    if (*text == '\\' && quote != '\'' && (text[1] == '"' || text[1] == '\''))
      text++;
    else if (quote == '\0' && (*text == '"' || *text == '\''))
      quote = *text;
    else if (*text == quote)
      quote = '\0';
  return quote == '\0';
}

char *
dkms_script_arguments (const char *text)
{
  GString *line = g_string_new (NULL);
  gboolean quotes = is_balanced (text), literal = FALSE;
  char quote = '\0';

  for (; *text != '\0'; text++)
    {
      gboolean is_quote = quotes && (*text == '"' || *text == '\'') && (quote == '\0' || quote == *text);
      gboolean plain = !is_quote && (quote != '\0' || strchr (" \t\n*?[]!^-", *text) == NULL);

      if (is_quote && quote == '\0' && !literal)
        g_string_append (line, "''"); /* so that an empty argument is a word, too */
      if (is_quote)
        {
          quote = quote == '\0' ? *text : '\0';
          continue;
        }
      if (plain != literal)
        g_string_append_c (line, '\'');
      literal = plain;
      if (quotes && *text == '\\' && quote != '\'' && (text[1] == '"' || text[1] == '\''))
        text++;
      if (*text == '\'')
        g_string_append (line, "'\\''");
      else
        g_string_append_c (line, *text);
    }
  if (literal)
    g_string_append_c (line, '\'');
  return g_string_free (line, FALSE);
}

static gboolean
is_noexec (const DkmsRoot *root, const char *program)
{
  g_autofree char *in_root = root->has_shell ? dkms_root_host_path (root, program) : g_strdup (program);
  struct statvfs st;

  return statvfs (in_root, &st) == 0 && (st.f_flag & ST_NOEXEC) != 0;
}

/* Emits the findings about a script that ran behind the wall of another root. */
static void
emit_findings (const DkmsJob *job, DkmsScript script, const DkmsFindings *findings)
{
  const char *what = dkms_script_directive (script);

  if (findings->ended != NULL)
    DKMS_EMIT (job->events, SCRIPT_EXCEEDED, .id = job->id, .name = what, .text = findings->ended);
  if (findings->left != NULL)
    DKMS_EMIT (job->events, PROCESSES_LEFT, .id = job->id, .name = what, .text = findings->left);
}

/* The event for a script that could not be started. After a change, the script is a part of it that is missing. */
static DkmsEventKind
kind_of_failure (DkmsScript script)
{
  if (script == DKMS_SCRIPT_POST_INSTALL)
    return DKMS_EVENT_INSTALLED_ANYHOW;
  return script == DKMS_SCRIPT_POST_REMOVE ? DKMS_EVENT_UNINSTALLED_ANYHOW : DKMS_EVENT_ERROR_IGNORED;
}

int
dkms_script_run (const DkmsJob *job, DkmsScript script)
{
  g_autofree char *base = dkms_layout_source (&job->settings->places, &job->id, NULL);
  g_autofree char *cwd = NULL;
  const char *rest = NULL;
  g_autofree char *program = job->no_scripts ? NULL : dkms_script_find (job, script, base, NULL, &cwd, &rest);
  g_autofree char *arguments = program != NULL ? dkms_script_arguments (rest) : NULL;
  g_autofree char *line = g_strconcat ("exec \"$0\" ", arguments, NULL);
  g_auto (GStrv) env = dkms_job_env (job, g_get_environ ());
  g_autoptr (GError) error = NULL;
  int status;

  if (program == NULL)
    return 0;
  /* The shell expands only the remaining patterns. */
  const char *argv[] = { "/bin/bash", "-p", "-c", line, program, NULL };
  /* "match" reads a list that the caller may have on stdin. A worker is in the background, where reading from
   * the terminal would stop it. */
  gboolean no_stdin = g_strcmp0 (job->request->action, "match") == 0 || (job->events->remote && isatty (STDIN_FILENO));
  g_auto (DkmsFindings) findings = { 0 };
  DkmsCommand command = { .argv = argv,
                          .root = job->settings->places.root,
                          .cwd = cwd,
                          .output_fd = -1,
                          .null_stdin = no_stdin,
                          .findings = &findings };

  /* The name of the directory keeps the link <m>/<v>/source, so that ".." is <m>/<v>. */
  env = g_environ_setenv (env, "PWD", cwd, TRUE);
  DkmsLoan *loan
      = job->work != NULL ? dkms_loan_open (
            job->work, &(DkmsId){ .module = job->id.module, .kernel = job->kernel->release, .arch = job->kernel->arch },
            job->lends_all)
                          : NULL;
  env = g_environ_setenv (env, "DKMS_LOAN", loan != NULL ? dkms_loan_name (loan) : "none", TRUE);
  command.env = env;
  DKMS_EMIT (job->events, SCRIPT_RUNS, .name = dkms_script_directive (script));
  if (dkms_listener_release_terminal (job->events))
    status = dkms_process_run (&command, &error);
  else
    {
      g_autofree char *output = dkms_process_transcript (&command, &status, &error);
      if (output != NULL && *output != '\0')
        DKMS_EMIT (job->events, SCRIPT_PRINTED, .text = g_strchomp (output));
    }
  dkms_loan_close (loan);
  if (status == CANNOT_EXECUTE && is_noexec (job->settings->places.root, program))
    DKMS_EMIT (job->events, SCRIPT_NOEXEC, .path = program);
  if (error != NULL) /* dkms could not start the script */
    dkms_listener_hear (job->events,
                        &(const DkmsEvent){ .kind = kind_of_failure (script), .id = job->id, .error = error });
  emit_findings (job, script, &findings);
  return status;
}
