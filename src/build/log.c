/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sections of make.log. */
#define _GNU_SOURCE
#include "build/log.h"

#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "build/area.h"
#include "conf/sandbox.h"
#include "config.h"
#include "install/job.h"

/* Returns: (transfer full): the time as date(1) prints it in the caller's locale. */
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
  g_autofree char *shown = dkms_root_host_path (job->settings->places.root, path);

  if (!dkms_remove_tree_at (area->fd, "make.log", error)) /* a make.log that came with the source */
    return FALSE;
  area->log_fd = openat (area->fd, "make.log", O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (area->log_fd < 0)
    return dkms_fail_errno (error, "create", shown);
  DKMS_EMIT (job->events, LOG_GROWS, .path = shown);
  return append (area->log_fd, error, "DKMS (%s) make.log for %s/%s for kernel %s (%s)\n%s\n", DKMS_VERSION,
                 job->id.module, job->id.version, job->kernel->release, job->kernel->arch, date);
}

gboolean
dkms_log_copy (const DkmsWorkArea *area, int dir, const char *name, GError **error)
{
  g_autofree char *magic = g_strdup_printf ("/proc/self/fd/%d", area->log_fd);

  return dkms_copy_file_at (AT_FDCWD, magic, &(DkmsNewFile){ dir, name, 0644, FALSE }, error);
}

int
dkms_log_section (DkmsListener *events, int log_fd, const DkmsSection *section, GError **error)
{
  gint64 start = dkms_clock_now ();
  int status;

  if (!append (log_fd, error, "\n%s\n# command: %s\n", section->title, section->command_line))
    return -1;
  DKMS_EMIT (events, STEP_BEGUN, .name = section->title, .text = section->command_line);
  status = section->run (section->data, error);
  double seconds = dkms_clock_since (start);
  int whole = (int)seconds;
  DKMS_EMIT (events, STEP_ENDED, .number = status < 0 ? 127 : status, .seconds = seconds);
  if (status < 0
      || !append (log_fd, error,
                  "\n# exit code: %d\n# elapsed time: %02d:%02d:%02d\n"
                  "----------------------------------------------------------------\n",
                  status, whole / 3600, whole / 60 % 60, whole % 60))
    return -1;
  return status;
}

void
dkms_log_note (const DkmsWorkArea *area, const char *who, const char *text)
{
  g_autoptr (GError) error = NULL;

  if (!append (area->log_fd, &error, "\n%s: %s\n", who, text))
    g_debug ("%s", error->message); /* the error of the build reports it, too */
}
