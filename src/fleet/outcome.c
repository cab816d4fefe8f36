/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the record, the attempt and the files of a build. */
#define _GNU_SOURCE
#include "fleet/outcome.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "check/causes.h"
#include "forecast/shadow.h"
#include "share/payload.h"
#include "store/layout.h"

/* Exit statuses of docs/interface/cli.md §9. */
enum { EXIT_EXCLUDED = 77 };

gboolean
dkms_outcome_is_of_machine (const GError *error)
{
  static const DkmsError kinds[] = { DKMS_ERROR_IO,
                                     DKMS_ERROR_NOT_COPIED,
                                     DKMS_ERROR_OUTPUT_FAILED,
                                     DKMS_ERROR_INTERRUPTED,
                                     DKMS_ERROR_WORKER_ENDED,
                                     DKMS_ERROR_SANDBOX_ENDED,
                                     DKMS_ERROR_NO_SANDBOX,
                                     DKMS_ERROR_NO_SANDBOX_IN_ROOT,
                                     DKMS_ERROR_PROGRAM_NOT_STARTED,
                                     DKMS_ERROR_PROGRAM_NOT_CONFINED,
                                     DKMS_ERROR_HELPER_FAILED,
                                     DKMS_ERROR_FEW_DESCRIPTORS,
                                     DKMS_ERROR_BUILD_NOT_KEPT,
                                     DKMS_ERROR_CONF_TIMEOUT,
                                     DKMS_ERROR_CONF_KILLED };
  const char *name = dkms_error_info (error)->cause;
  const DkmsCauseInfo *cause = name != NULL ? dkms_cause_find (name) : NULL;

  if (cause != NULL)
    return cause->class == DKMS_CLASS_SYSTEM;
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_error_matches (error, DKMS_ERROR, (int)kinds[i]))
      return TRUE;
  return FALSE;
}

static DkmsJobResult
result_of (const GError *error)
{
  return g_error_matches (error, DKMS_ERROR, DKMS_ERROR_EXCLUDED)     ? DKMS_JOB_EXCLUDED
         : g_error_matches (error, DKMS_ERROR, DKMS_ERROR_NO_HEADERS) ? DKMS_JOB_NO_HEADERS
         : dkms_outcome_is_of_machine (error)                         ? DKMS_JOB_ERROR
                                                                      : DKMS_JOB_FAILED;
}

static void
close_file (gpointer fd)
{
  (void)close (*(int *)fd);
}

GArray *
dkms_outcome_open (const DkmsPlaces *places, const DkmsId *id, const DkmsRecord *record, GPtrArray *modules)
{
  GArray *fds = g_array_new (FALSE, FALSE, sizeof (int));

  g_array_set_clear_func (fds, close_file);
  for (guint i = 0; i < record->modules->len; i++)
    {
      const DkmsRecordModule *module = record->modules->pdata[i];
      g_autofree char *below = module->file != NULL ? g_build_filename ("module", module->file, NULL) : NULL;
      g_autofree char *path = below != NULL ? dkms_layout_build (places, id, below) : NULL;
      int fd = path != NULL ? dkms_root_openat (places->root, path, DKMS_READ_FLAGS | O_NOFOLLOW, 0) : -1;
      if (fd < 0)
        continue;
      g_array_append_val (fds, fd);
      g_ptr_array_add (modules, (gpointer)module);
    }
  return fds;
}

/* Adds the module files of a build. Their payload is unknown if it depends on the machine and the place. */
static void
add_files (DkmsJobReport *report, const DkmsPlaces *places, const DkmsId *id, const DkmsTried *tried)
{
  g_autoptr (GPtrArray) modules = g_ptr_array_new ();
  g_autoptr (GArray) fds = dkms_outcome_open (places, id, tried->record, modules);
  gboolean comparable = tried->attempt != NULL && tried->attempt->reproducible;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) payloads = comparable ? dkms_payloads_read (fds, &error) : NULL;

  if (error != NULL)
    g_debug ("%s", error->message); /* the report has no payloads */
  for (guint i = 0; i < modules->len; i++)
    {
      const DkmsRecordModule *module = modules->pdata[i];
      const DkmsPayload *payload = payloads != NULL ? payloads->pdata[i] : NULL;
      const char *digest = payload == NULL ? NULL : payload->payload != NULL ? payload->payload : payload->content;
      g_autofree char *name = g_build_filename (module->dest_location, module->file, NULL);
      struct stat st;
      if (module->sha256 != NULL && fstat (g_array_index (fds, int, i), &st) == 0)
        dkms_job_report_add_file (report, name + strspn (name, "/"), st.st_size, module->sha256, digest);
    }
}

/* Returns: (transfer full): the first line of @text, in UTF-8 */
static char *
first_line (const char *text)
{
  g_autofree char *line = g_strndup (text, strcspn (text, "\n"));

  return g_utf8_make_valid (line, -1);
}

static int
open_log (const DkmsPlaces *places, const DkmsTried *tried)
{
  return tried->log != NULL ? dkms_root_openat (places->root, tried->log, DKMS_READ_FLAGS, 0) : -1;
}

DkmsJobReport *
dkms_outcome_read (const DkmsPlaces *places, const DkmsFleetJob *job, const GError *error,
                   int (*exit_code) (const char *, const GError *), int *log_fd)
{
  guint mark = dkms_unread_mark ();
  g_auto (DkmsTried) tried = { 0 };
  DkmsJobReport *report;

  dkms_tried_read (places, job->id, &tried);
  report = dkms_job_report_new (job->text, tried.record != NULL ? DKMS_JOB_BUILT : result_of (error));
  *log_fd = open_log (places, &tried);
  if (tried.attempt != NULL)
    {
      report->seconds = tried.attempt->seconds;
      report->start = dkms_attempt_time (tried.attempt);
    }
  if (tried.record != NULL)
    add_files (report, places, job->id, &tried);
  else
    {
      const char *text = tried.attempt != NULL && tried.attempt->first_error != NULL ? tried.attempt->first_error
                         : error != NULL                                             ? error->message
                                                                                     : "";
      report->error = first_line (text);
      report->exit_code = report->result == DKMS_JOB_EXCLUDED ? EXIT_EXCLUDED
                          : error != NULL                     ? exit_code ("build", error)
                                                              : 1;
    }
  if (tried.attempt != NULL && tried.attempt->inputs != NULL)
    report->key = dkms_inputs_identity (tried.attempt->inputs);
  dkms_unread_drop (mark); /* the report shows what could not be read */
  return report;
}
