/* SPDX-License-Identifier: GPL-2.0-or-later */
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
#include "config.h"

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

  area->log_fd = openat (area->fd, "make.log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (area->log_fd < 0)
    return dkms_fail_errno (error, "create", "make.log");
  return append (area->log_fd, error, "DKMS (%s) make.log for %s/%s for kernel %s (%s)\n%s\n", DKMS_VERSION,
                 job->module, job->version, job->kernel->release, job->kernel->arch, date);
}

int
dkms_log_section (DkmsUi *ui, const char *title, const DkmsCommand *command, const char *command_line, GError **error)
{
  gint64 start = g_get_monotonic_time ();
  int status;

  if (!append (command->output_fd, error, "\n%s\n# command: %s\n", title, command_line))
    return -1;
  dkms_ui_step_begin (ui, title, command_line);
  status = dkms_process_run (command, error);
  double seconds = dkms_job_seconds (start);
  int whole = (int)seconds;
  dkms_ui_step_end (ui, status < 0 ? 127 : status, seconds);
  if (status < 0
      || !append (command->output_fd, error,
                  "\n# exit code: %d\n# elapsed time: %02d:%02d:%02d\n"
                  "----------------------------------------------------------------\n",
                  status, whole / 3600, whole / 60 % 60, whole % 60))
    return -1;
  return status;
}

int
dkms_log_step (DkmsWorkArea *area, const char *title, const char *command_line, GError **error)
{
  const char *argv[] = { "/bin/bash", "-p", "-c", command_line, NULL };
  DkmsCommand command = { .argv = argv,
                          .env = area->env,
                          .root = area->job->settings->root,
                          .cwd = area->tool_dir,
                          .output_fd = area->log_fd,
                          .null_stdin = TRUE };

  return dkms_log_section (area->job->ui, title, &command, command_line, error);
}
