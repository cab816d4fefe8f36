/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens and diagnoses logs of builds. */
#define _GNU_SOURCE
#include "store/logs.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/template.h"
#include "base/unread.h"
#include "check/explain.h"
#include "store/attempts.h"

char *
dkms_logs_command (const char *verb, const DkmsId *id)
{
  return g_strdup_printf ("%s %s %s/%s -k %s", dkms_template_program (), verb, id->module, id->version, id->kernel);
}

DkmsDiagnosis *
dkms_logs_diagnose (int fd, const char *kernel)
{
  enum { PIECE = 1 << 17 };
  DkmsLogScan *scan = dkms_log_scan_new (kernel);
  g_autofree char *piece = g_malloc (PIECE);
  off_t at = 0;

  for (;;)
    {
      ssize_t n = pread (fd, piece, PIECE, at);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        dkms_unread_note (fd, "", errno);
      if (n <= 0)
        break;
      dkms_log_scan_feed (scan, piece, (gsize)n);
      at += n;
    }
  return dkms_log_scan_end (scan);
}

int
dkms_logs_open (const DkmsPlaces *places, const char *path, GError **error)
{
  int fd = dkms_root_openat (places->root, path, DKMS_READ_FLAGS, 0);
  g_autofree char *shown = dkms_root_host_path (places->root, path);

  if (fd < 0)
    (void)dkms_fail_errno (error, "read", shown);
  return fd;
}

char *
dkms_logs_sentence (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *path = dkms_attempts_failed_log (places, id, 0);

  return dkms_logs_sentence_of (places, path, id);
}

char *
dkms_logs_sentence_of (const DkmsPlaces *places, const char *path, const DkmsId *id)
{
  g_auto (DkmsFd) fd = path != NULL ? dkms_root_openat (places->root, path, DKMS_READ_FLAGS, 0) : -1;
  g_autoptr (DkmsDiagnosis) diagnosis = fd >= 0 ? dkms_logs_diagnose (fd, id->kernel) : NULL;
  const DkmsCause *cause = diagnosis != NULL ? dkms_diagnosis_cause (diagnosis) : NULL;
  const DkmsCauseFacts facts = { .module = id->module, .version = id->version, .kernel = id->kernel };

  if (cause == NULL || strcmp (cause->info->id, "unknown") == 0)
    return NULL;
  g_autoptr (DkmsExplanation) shown = dkms_cause_explain (cause, diagnosis, &facts);
  return g_steal_pointer (&shown->sentence);
}
