/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists, runs and merges. */
#define _GNU_SOURCE
#include "fleet/matrix.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "fleet/axes.h"
#include "fleet/merge.h"
#include "fleet/output.h"
#include "fleet/render.h"
#include "fleet/shard.h"
#include "fleet/work.h"
#include "model/event-json.h"

/* The most entries that a matrix of GitHub can have, the longest merged report, and the most names in an error. */
enum { MOST_ON_GITHUB = 256, LONGEST_REPORT = 256 << 20, MOST_NAMES = 5 };

static void
emit_text (DkmsListener *events, const char *text)
{
  gsize length = strlen (text);
  g_autofree char *line = g_strndup (text, length > 0 && text[length - 1] == '\n' ? length - 1 : length);

  DKMS_EMIT (events, MATRIX_TEXT, .text = line);
}

/* ---- shards ---- */

/* @durations: (out) (transfer full) (nullable) */
static gboolean
read_durations (const DkmsRequest *request, GHashTable **durations, GError **error)
{
  gsize size = 0;

  *durations = NULL;
  if (request->durations == NULL)
    return TRUE;
  g_autofree char *text = dkms_read_at (AT_FDCWD, request->durations, LONGEST_REPORT, &size, error);
  if (text == NULL)
    return FALSE;
  *durations = dkms_fleet_durations (text, size);
  return *durations != NULL || DKMS_FAIL (error, BAD_DURATIONS, .path = request->durations);
}

/* Returns: (transfer full) (nullable): the shard of each job */
static guint *
split (const DkmsRequest *request, const GPtrArray *jobs, guint count, GError **error)
{
  g_autoptr (GHashTable) durations = NULL;

  return read_durations (request, &durations, error) ? dkms_fleet_split (jobs, durations, count) : NULL;
}

/* ---- listing ---- */

/* Returns: (transfer full): entries of a matrix of GitHub; shards without jobs have none */
static char *
to_github (const guint *shards, guint jobs, guint count)
{
  json_t *object = json_object (), *include = json_array ();

  dkms_json_set (object, "include", include);
  for (guint s = 0; s < count; s++)
    {
      g_autofree char *name = g_strdup_printf ("%u/%u", s + 1, count);
      guint of_shard = 0;
      for (guint i = 0; i < jobs; i++)
        of_shard += shards[i] == s;
      if (of_shard == 0)
        continue;
      json_t *entry = json_object ();
      dkms_json_set_text (entry, "shard", name);
      dkms_json_set (entry, "jobs", json_integer (of_shard));
      dkms_json_append (include, entry);
    }
  return dkms_json_to_text (object, JSON_COMPACT);
}

/* Returns: (transfer full): one command per job, quoted for a shell */
static char *
to_lines (const GPtrArray *jobs)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < jobs->len; i++)
    {
      const GPtrArray *argv = ((const DkmsFleetJob *)jobs->pdata[i])->argv;
      for (guint a = 0; a < argv->len; a++)
        {
          const char *word = argv->pdata[a];
          gsize plain = strspn (word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-");
          g_autofree char *quoted = *word != '\0' && word[plain] == '\0' ? g_strdup (word) : g_shell_quote (word);
          g_string_append_printf (text, "%s%s", a > 0 ? " " : "", quoted);
        }
      g_string_append_c (text, '\n');
    }
  return g_string_free (text, FALSE);
}

static char *
to_text (const GPtrArray *jobs, const guint *shards, guint count)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < jobs->len; i++)
    {
      if (count > 1)
        g_string_append_printf (text, "%u/%u  ", shards[i] + 1, count);
      g_string_append_printf (text, "%s\n", ((const DkmsFleetJob *)jobs->pdata[i])->text);
    }
  return g_string_free (text, FALSE);
}

/* @count: (out): number of shards to list */
static gboolean
count_shards (const DkmsRequest *request, guint jobs, guint *count, GError **error)
{
  gboolean github = g_strcmp0 (request->format, "github") == 0;
  guint most = github ? MOST_ON_GITHUB : DKMS_MOST_SHARDS;
  guint64 number = github ? CLAMP (jobs, 1, most) : 1;

  if (request->shards != NULL && !g_ascii_string_to_unsigned (request->shards, 10, 1, most, &number, NULL))
    return DKMS_FAIL (error, BAD_SHARDS, .text = request->shards, .limit = most);
  *count = (guint)number;
  return TRUE;
}

static gboolean
list (const DkmsFleetAxes *axes, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  const char *format = request->format != NULL ? request->format : "text";
  g_autofree char *here = request->output != NULL ? NULL : g_canonicalize_filename (".", NULL);
  guint count = 1;
  g_autofree guint *shards
      = count_shards (request, axes->jobs->len, &count, error) ? split (request, axes->jobs, count, error) : NULL;
  g_autofree char *text = NULL;

  if (shards == NULL)
    return FALSE;
  if (request->output != NULL)
    {
      g_auto (DkmsFd) dir = dkms_fleet_output_open (request->output, error);
      if (dir < 0 || !dkms_fleet_output_list (dir, axes->jobs, error))
        return FALSE;
    }
  if (strcmp (format, "lines") == 0 || strcmp (format, "json") == 0)
    dkms_fleet_axes_command (axes, request, request->output != NULL ? request->output : here);
  text = strcmp (format, "github") == 0  ? to_github (shards, axes->jobs->len, count)
         : strcmp (format, "lines") == 0 ? to_lines (axes->jobs)
         : strcmp (format, "json") == 0
             ? dkms_fleet_jobs_to_text (axes->jobs, request->shards != NULL ? shards : NULL, count, TRUE)
             : to_text (axes->jobs, shards, count);
  for (guint i = 0; request->format == NULL && i < axes->jobs->len; i++)
    {
      const DkmsFleetJob *job = axes->jobs->pdata[i];
      DKMS_EMIT (events, MATRIX_LISTED, .id = *job->id, .place = job->root, .name = job->text);
    }
  emit_text (events, text);
  return TRUE;
}

/* ---- running ---- */

/* Does the jobs for which @shards, of the list of all jobs, is the number of @shard. */
static gboolean
run_shard (const DkmsFleetAxes *axes, DkmsFleetWork *work, const guint *shards, const DkmsShard *shard, GError **error)
{
  guint all = 0;

  for (guint p = 0; p < axes->places->len; p++)
    {
      g_autoptr (GPtrArray) jobs = g_ptr_array_new ();
      for (guint i = 0; i < axes->jobs->len; i++)
        {
          DkmsFleetJob *job = axes->jobs->pdata[i];
          if (job->place == p && shards[i] + 1 == shard->index)
            g_ptr_array_add (jobs, job);
        }
      all += jobs->len;
      if (!dkms_fleet_work (work, axes->places->pdata[p], jobs, error))
        return FALSE;
    }
  return work->bad == 0 || DKMS_FAIL (error, MATRIX_FAILED, .number = work->bad, .limit = all);
}

static gboolean
run (const DkmsFleetAxes *axes, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  const char *name = request->shard != NULL ? request->shard : "1/1";
  DkmsShard shard = { 1, 1 };
  g_autofree guint *shards
      = dkms_shard_parse (name, g_getenv, &shard, error) ? split (request, axes->jobs, shard.count, error) : NULL;
  g_auto (DkmsFd) dir = shards != NULL ? dkms_fleet_output_open (request->output, error) : -1;
  /* One job is not the whole list. */
  if (dir < 0 || (request->job == NULL && !dkms_fleet_output_list (dir, axes->jobs, error)))
    return FALSE;
  g_autofree char *shown = request->job == NULL ? g_strdup_printf ("%u/%u", shard.index, shard.count) : NULL;
  DkmsFleetWork work = { .request = request, .events = events, .shard = shown, .output = dir };
  return run_shard (axes, &work, shards, &shard, error);
}

/* Lists or runs the only job of the request. */
static gboolean
run_job (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  g_autoptr (DkmsFleetJob) job = dkms_fleet_job_parse (request->job);
  g_autoptr (GPtrArray) targets = dkms_targets_new ();
  DkmsRequest one = *request;

  if (job == NULL)
    return DKMS_FAIL (error, UNKNOWN_JOB, .name = request->job);
  dkms_targets_add (targets, job->id);
  one.targets = targets;
  g_autoptr (DkmsFleetAxes) axes = dkms_fleet_axes_new (settings, events, &one, error);
  if (axes == NULL)
    return FALSE;
  if (dkms_fleet_jobs_find (axes->jobs, request->job) == NULL)
    return DKMS_FAIL (error, UNKNOWN_JOB, .name = request->job);
  for (guint i = axes->jobs->len; i-- > 0;)
    if (strcmp (((const DkmsFleetJob *)axes->jobs->pdata[i])->text, request->job) != 0)
      g_ptr_array_remove_index (axes->jobs, i);
  return run (axes, events, request, error);
}

/* ---- merging ---- */

static void
emit_merged (const DkmsMerged *merged, DkmsListener *events)
{
  for (guint i = 0; i < merged->reports->len; i++)
    {
      g_autofree char *text = dkms_job_report_to_text (merged->reports->pdata[i]);
      DKMS_EMIT (events, MATRIX_REPORT, .text = text);
    }
  for (guint i = 0; i < merged->missing->len; i++)
    DKMS_EMIT (events, MATRIX_MISSING, .name = merged->missing->pdata[i]);
  for (guint i = 0; i < merged->unreadable->len; i++)
    DKMS_EMIT (events, MATRIX_UNREADABLE, .name = merged->unreadable->pdata[i]);
  for (guint i = 0; i < merged->pairs->len; i++)
    {
      const DkmsFleetPair *pair = merged->pairs->pdata[i];
      DKMS_EMIT (events, MATRIX_DIFFERS, .name = pair->a->job->text, .place = pair->b->job->text);
    }
}

static gboolean
fail_missing (const DkmsMerged *merged, GError **error)
{
  const GPtrArray *names = merged->missing;
  g_autofree char *text = dkms_list_names ((const char *const *)names->pdata, names->len, MOST_NAMES);

  return DKMS_FAIL (error, MATRIX_MISSING, .number = names->len, .limit = merged->jobs->len, .text = text);
}

static gboolean
merge (DkmsListener *events, const DkmsRequest *request, GError **error)
{
  g_autoptr (DkmsMerged) merged = dkms_fleet_merge (request->merge, error);
  guint good, failed, missing;

  if (merged == NULL)
    return FALSE;
  g_autofree char *text = g_strcmp0 (request->format, "markdown") == 0 ? dkms_fleet_render_markdown (merged)
                          : g_strcmp0 (request->format, "junit") == 0  ? dkms_fleet_render_junit (merged)
                                                                       : dkms_fleet_render_text (merged);
  emit_merged (merged, events);
  emit_text (events, text);
  dkms_merged_count (merged, &good, &failed, &missing);
  if (failed > 0)
    return DKMS_FAIL (error, MATRIX_FAILED, .number = failed, .limit = merged->jobs->len);
  if (missing > 0)
    return fail_missing (merged, error);
  return merged->listed || DKMS_FAIL (error, MATRIX_NO_LIST, .path = request->merge);
}

gboolean
dkms_matrix (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  if (request->merge != NULL)
    return merge (events, request, error);
  if (request->job != NULL)
    return run_job (settings, events, request, error);
  g_autoptr (DkmsFleetAxes) axes = dkms_fleet_axes_new (settings, events, request, error);
  if (axes == NULL)
    return FALSE;
  return request->output != NULL && request->format == NULL ? run (axes, events, request, error)
                                                            : list (axes, events, request, error);
}
