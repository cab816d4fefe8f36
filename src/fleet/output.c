/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes reports, logs and the list of jobs. */
#define _GNU_SOURCE
#include "fleet/output.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"
#include "base/unread.h"

/* The most bytes of a log; of a longer one, the end. */
enum { LONGEST_LOG = 16 << 20 };

int
dkms_fleet_output_open (const char *path, GError **error)
{
  int fd = dkms_mkdirs_at (AT_FDCWD, path, error) ? open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

  if (fd < 0 && (error == NULL || *error == NULL))
    (void)dkms_fail_errno (error, "open", path);
  return fd;
}

gboolean
dkms_fleet_output_list (int dir, const GPtrArray *jobs, GError **error)
{
  g_autofree char *text = dkms_fleet_jobs_to_text (jobs, NULL, 0, FALSE);
  gsize size = 0, length = strlen (text);
  g_autofree char *present = dkms_read_at (dir, DKMS_FLEET_LIST, length, &size, NULL);

  return (present != NULL && size == length && memcmp (present, text, length) == 0)
         || dkms_publish_at (dir, DKMS_FLEET_LIST, text, length, 0644, error);
}

/* Returns: (transfer full) (nullable): the end of the log */
static char *
read_log (int fd, gsize *size)
{
  off_t length = lseek (fd, 0, SEEK_END), start = MAX (length - LONGEST_LOG, 0);

  return length < 0 || lseek (fd, start, SEEK_SET) < 0 ? NULL : dkms_read_fd (fd, "", LONGEST_LOG, size, NULL);
}

gboolean
dkms_fleet_output_report (int dir, const DkmsJobReport *report, int log_fd, GError **error)
{
  g_autofree char *name = dkms_fleet_file_name (report->job->text, ".json");
  g_autofree char *log_name = dkms_fleet_file_name (report->job->text, ".log");
  g_autofree char *text = dkms_job_report_to_text (report);
  gsize size = 0;
  g_autofree char *log = log_fd >= 0 ? read_log (log_fd, &size) : NULL;

  if (log != NULL && !dkms_publish_at (dir, log_name, log, size, 0644, error))
    return FALSE;
  return dkms_publish_at (dir, name, text, strlen (text), 0644, error);
}

DkmsJobReport *
dkms_fleet_output_find (int dir, const char *id)
{
  g_autofree char *name = dkms_fleet_file_name (id, ".json");
  guint mark = dkms_unread_mark ();
  gsize size = 0;
  g_autofree char *text = dkms_read_at (dir, name, DKMS_JOB_REPORT_LIMIT, &size, NULL);
  g_autoptr (DkmsJobReport) report = text != NULL ? dkms_job_report_from_text (text, size) : NULL;

  dkms_unread_drop (mark); /* then the job is done again */
  return report != NULL && strcmp (report->job->text, id) == 0 ? g_steal_pointer (&report) : NULL;
}
