/* SPDX-License-Identifier: GPL-2.0-or-later */
/* make.log, and running commands in the work area whose output goes there. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "build/build.h"
#include "conf/sandbox.h"
#include "config.h"
#include "install/job.h"

/* What date(1) prints in the caller's locale. */
static char *
now_in_words (void)
{
  locale_t locale = newlocale (LC_TIME_MASK, "", (locale_t)0);
  time_t now = time (NULL);
  struct tm local;
  char text[256] = "";

  localtime_r (&now, &local);
  if (locale != (locale_t)0)
    {
      const char *format = nl_langinfo_l (_DATE_FMT, locale);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
      (void)strftime_l (text, sizeof text, format, &local, locale);
#pragma GCC diagnostic pop
      freelocale (locale);
    }
  return g_strdup (text);
}

static gboolean append (int fd, GError **error, const char *format, ...) G_GNUC_PRINTF (3, 4);

static gboolean
append (int fd, GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  return dkms_write_all (fd, text, strlen (text), "the log", error);
}

gboolean
dkms_log_begin (DkmsWorkArea *area, GError **error)
{
  const DkmsJob *job = area->job;
  g_autofree char *date = now_in_words ();

  g_autofree char *path = g_build_filename (area->dir, "make.log", NULL);
  g_autofree char *shown = dkms_root_host_path (job->settings->root, path);

  if (!dkms_remove_tree_at (area->fd, "make.log", error)) /* one that came with the source */
    return FALSE;
  area->log_fd = openat (area->fd, "make.log", O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (area->log_fd < 0)
    return dkms_fail_errno (error, "create", shown);
  dkms_ui_follow (job->ui, shown);
  return append (area->log_fd, error, "DKMS (%s) make.log for %s/%s for kernel %s (%s)\n%s\n", DKMS_VERSION,
                 job->id.module, job->id.version, job->kernel->release, job->kernel->arch, date);
}

int
dkms_log_section (DkmsUi *ui, int log_fd, const char *title, const char *command_line, DkmsRunFunc run, gpointer data,
                  GError **error)
{
  gint64 start = g_get_monotonic_time ();
  int status;

  if (!append (log_fd, error, "\n%s\n# command: %s\n", title, command_line))
    return -1;
  dkms_ui_step_begin (ui, title, command_line);
  status = run (data, error);
  double seconds = dkms_job_seconds (start);
  int whole = (int)seconds;
  dkms_ui_step_end (ui, status < 0 ? 127 : status, seconds);
  if (status < 0
      || !append (log_fd, error,
                  "\n# exit code: %d\n# elapsed time: %02d:%02d:%02d\n"
                  "----------------------------------------------------------------\n",
                  status, whole / 3600, whole / 60 % 60, whole % 60))
    return -1;
  return status;
}

/* ---- commands in the work area ---- */

static gboolean
open_sandbox (DkmsWorkArea *area, GError **error)
{
  const DkmsJob *job = area->job;
  const DkmsRoot *root = job->settings->root;
  g_autofree char *version_dir = g_path_get_dirname (area->tool_dir);
  g_autofree char *scratch = dkms_root_host_path (root, area->dir);
  g_autofree char *view = area->view != NULL ? dkms_root_host_path (root, area->view) : NULL;
  g_autoptr (GPtrArray) releases = g_ptr_array_new ();
  g_autoptr (GPtrArray) keys = NULL;

  g_ptr_array_add (releases, job->kernel->release);
  /* Modules may stay unsigned: nobody may see the key all the same. */
  keys = dkms_settings_key_files (job->settings, releases, error);
  if (keys == NULL)
    return FALSE;
  if (job->signer != NULL && job->signer->key != NULL)
    g_ptr_array_add (keys, dkms_root_tool_path (root, job->signer->key));
  const DkmsConfinement confinement = { .settings = job->settings,
                                        .kernel_source_dir = job->kernel->source_dir,
                                        .version_dir = version_dir,
                                        .scratch = scratch,
                                        .result_dir = area->result_dir,
                                        .result = view,
                                        .make_flags = job->make_flags,
                                        .keys = keys };

  area->sandbox = dkms_sandbox_open (&confinement, job->keep, error);
  return area->sandbox != NULL;
}

/* The log of a command that the sandbox ended says so: nothing that the command printed does. */
static void
note_end (const DkmsWorkArea *area)
{
  g_autoptr (GError) error = NULL;

  if (!append (area->log_fd, &error, "\ndkms-sandbox: %s\n", area->ended))
    g_debug ("%s", error->message); /* the error of the build says it, too */
}

static int
run_confined (DkmsWorkArea *area, const DkmsCommand *command, const char *what, GError **error)
{
  const DkmsJob *job = area->job;
  g_auto (DkmsFindings) findings = { 0 };
  int status;

  if (area->sandbox == NULL && !open_sandbox (area, error))
    return -1;
  status = dkms_sandbox_run (area->sandbox, command, &findings, error);
  if (status < 0)
    return -1;
  g_free (area->ended);
  area->ended = g_steal_pointer (&findings.ended);
  if (area->ended != NULL && command->output_fd == area->log_fd)
    note_end (area);
  if (findings.left != NULL)
    dkms_ui_warn (job->ui, "%s of %s/%s left %s running; that was ended.", what, job->id.module, job->id.version,
                  findings.left);
  if (findings.failure != NULL)
    return dkms_fail (error, DKMS_ERROR_SANDBOX, NULL, "sandbox=off in /etc/dkms/framework.conf builds without it.",
                      "Cannot confine the build of %s/%s: %s", job->id.module, job->id.version, findings.failure),
           -1;
  return status;
}

typedef struct {
  DkmsWorkArea *area;
  const DkmsCommand *command;
  const char *what;
} AreaRun;

static int
run_in_area (gpointer data, GError **error)
{
  const AreaRun *run = data;

  return run->area->job->confined ? run_confined (run->area, run->command, run->what, error)
                                  : dkms_process_run (run->command, error);
}

int
dkms_area_exec (DkmsWorkArea *area, const char *const *argv, int output_fd, const char *section, const char *line,
                GError **error)
{
  const DkmsCommand command = { .argv = argv,
                                .env = area->env,
                                .root = area->job->settings->root,
                                .cwd = area->tool_dir,
                                .output_fd = output_fd,
                                .keep = area->job->keep,
                                .null_stdin = TRUE };
  AreaRun run = { area, &command, section != NULL ? section : argv[0] };

  return section != NULL ? dkms_log_section (area->job->ui, output_fd, section, line, run_in_area, &run, error)
                         : run_in_area (&run, error);
}

int
dkms_log_step (DkmsWorkArea *area, const char *title, const char *command_line, GError **error)
{
  const char *argv[] = { "/bin/bash", "-p", "-c", command_line, NULL };

  return dkms_area_exec (area, argv, area->log_fd, title, command_line, error);
}
