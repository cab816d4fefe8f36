/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks where logs are kept: beside the builds, and in .dkms/logs. */
#define _GNU_SOURCE
#include "store/logs.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "check/explain.h"
#include "store/layout.h"
#include "store/scan.h"

static void
log_file_free (gpointer data)
{
  DkmsLogFile *self = data;

  dkms_id_free (self->id);
  g_free (self->path);
  g_free (self);
}

/* A log that is not there is none. Takes @path. */
static void
add_log (const DkmsPlaces *places, GPtrArray *logs, const DkmsId *id, char *path, gboolean failed)
{
  DkmsLogFile *log;
  struct stat st;

  if (dkms_root_stat (places->root, path, &st) < 0 || !S_ISREG (st.st_mode))
    {
      g_free (path);
      return;
    }
  log = g_new0 (DkmsLogFile, 1);
  log->id = dkms_id_copy (id);
  log->path = path;
  log->failed = failed;
  /* The log of an archive has the time of its build, and came here later. */
  log->time = (gint64)st.st_ctim.tv_sec * G_USEC_PER_SEC + st.st_ctim.tv_nsec / 1000;
  g_ptr_array_add (logs, log);
}

/* Names in the directory @path that can be @wanted (nullable: any). */
static GPtrArray *
list (const DkmsPlaces *places, const char *path, const char *wanted)
{
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, path, O_RDONLY | O_DIRECTORY, 0);
  GPtrArray *names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  if (names == NULL)
    names = g_ptr_array_new_with_free_func (g_free);
  for (guint i = names->len; wanted != NULL && i-- > 0;)
    if (strcmp (names->pdata[i], wanted) != 0)
      g_ptr_array_remove_index (names, i);
  return names;
}

/* <m>/<v>/<k>/<a> below .dkms/logs: @parts are the names so far. */
static void
add_failed (const DkmsPlaces *places, GPtrArray *logs, const char *dir, const DkmsId *filter,
            const char *const parts[4], guint depth)
{
  const char *const wanted[] = { filter->module, filter->version, filter->kernel, filter->arch };

  if (depth == G_N_ELEMENTS (wanted))
    {
      const DkmsId id = { parts[0], parts[1], parts[2], parts[3] };
      add_log (places, logs, &id, dkms_layout_failed_log (places, &id), TRUE);
      return;
    }
  g_autoptr (GPtrArray) names = list (places, dir, wanted[depth]);
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *below = g_build_filename (dir, names->pdata[i], NULL);
      const char *with[4] = { parts[0], parts[1], parts[2], parts[3] };
      with[depth] = names->pdata[i];
      add_failed (places, logs, below, filter, with, depth + 1);
    }
}

static void
add_built (const DkmsPlaces *places, GPtrArray *logs, const DkmsId *filter)
{
  g_autoptr (DkmsState) state = dkms_state_read_most (places, filter, NULL);

  for (guint i = 0; state != NULL && i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      for (guint k = 0; k < v->builds->len; k++)
        {
          const DkmsBuild *build = v->builds->pdata[k];
          const DkmsId id = dkms_build_id (v, build);
          if (dkms_id_passes (&id, filter))
            add_log (places, logs, &id, dkms_layout_build (places, &id, "log/make.log"), FALSE);
        }
    }
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const DkmsLogFile *x = *(const DkmsLogFile *const *)a, *y = *(const DkmsLogFile *const *)b;

  return x->time != y->time ? (x->time < y->time ? 1 : -1) : strcmp (x->path, y->path);
}

GPtrArray *
dkms_logs_list (const DkmsPlaces *places, const DkmsId *filter)
{
  static const char *const none[4];
  GPtrArray *logs = g_ptr_array_new_with_free_func (log_file_free);
  g_autofree char *dir = dkms_layout_own (places, "logs", NULL);

  add_failed (places, logs, dir, filter, none, 0);
  add_built (places, logs, filter);
  g_ptr_array_sort (logs, compare);
  return logs;
}

/* ---- what is in them ---- */

char *
dkms_logs_command (const DkmsPlaces *places, const char *verb, const DkmsId *id)
{
  gboolean host = dkms_root_is_host (places->root);

  return g_strdup_printf ("dkms%s%s %s %s/%s -k %s", host ? "" : " --root ", places->root->host_path, verb, id->module,
                          id->version, id->kernel);
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
dkms_logs_open (const DkmsPlaces *places, const DkmsLogFile *log, GError **error)
{
  int fd = dkms_root_openat (places->root, log->path, DKMS_READ_FLAGS, 0);
  g_autofree char *shown = dkms_root_host_path (places->root, log->path);

  if (fd < 0)
    (void)dkms_fail_errno (error, "read", shown);
  return fd;
}

char *
dkms_logs_sentence (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *path = dkms_layout_failed_log (places, id);
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, path, DKMS_READ_FLAGS, 0);
  g_autoptr (DkmsDiagnosis) diagnosis = fd >= 0 ? dkms_logs_diagnose (fd, id->kernel) : NULL;
  const DkmsCause *cause = diagnosis != NULL ? dkms_diagnosis_cause (diagnosis) : NULL;
  const DkmsCauseFacts facts = { .module = id->module, .version = id->version, .kernel = id->kernel };

  if (cause == NULL || strcmp (cause->info->id, "unknown") == 0)
    return NULL;
  g_autoptr (DkmsExplanation) shown = dkms_cause_explain (cause, diagnosis, &facts);
  return g_steal_pointer (&shown->sentence);
}
