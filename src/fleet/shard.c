/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which shard is this one, and which jobs belong to it. */
#include "fleet/shard.h"

#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "fleet/job.h"

/* ---- which shard ---- */

/* The variables of an engine. */
typedef struct {
  const char *index;
  const char *first; /* (nullable): of the first shard; NULL: @base is its index */
  const char *last;  /* (nullable): of the last shard */
  const char *count; /* (nullable): number of shards, if there is no @last */
  const char *step;  /* (nullable): distance of indexes, 1 if it is not set */
  guint base;
} Engine;

static const Engine engines[] = {
  { "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", NULL, "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_STEP", 0 },
  { "SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_LAST", NULL, "SGE_TASK_STEPSIZE", 0 },
  { "JOB_COMPLETION_INDEX", NULL, NULL, "DKMS_SHARDS", NULL, 0 },
  { "CI_NODE_INDEX", NULL, NULL, "CI_NODE_TOTAL", NULL, 1 },
  { "BUILDKITE_PARALLEL_JOB", NULL, NULL, "BUILDKITE_PARALLEL_JOB_COUNT", NULL, 0 },
  { "CIRCLE_NODE_INDEX", NULL, NULL, "CIRCLE_NODE_TOTAL", NULL, 0 },
  { "PARALLEL_SEQ", NULL, NULL, "DKMS_SHARDS", NULL, 1 },
};

/* @text: (nullable) */
static gboolean
to_number (const char *text, guint64 *number)
{
  return text != NULL && g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT32, number, NULL);
}

/* Whether the variables of @engine are set; some engines set the word "undefined". */
static gboolean
is_set (const Engine *engine, const char *(*variable) (const char *))
{
  guint64 number;

  return to_number (variable (engine->index), &number)
         && to_number (variable (engine->last != NULL ? engine->last : engine->count), &number);
}

static gboolean
fail_range (const char *index, const char *count, GError **error)
{
  return DKMS_FAIL (error, BAD_SHARD, .name = index, .text = count);
}

static gboolean
read_engine (const Engine *engine, const char *(*variable) (const char *), DkmsShard *self, GError **error)
{
  guint64 index = 0, first = engine->base, end = 0, step = 1;
  const char *end_name = engine->last != NULL ? engine->last : engine->count;

  (void)to_number (variable (engine->index), &index);
  (void)to_number (variable (end_name), &end);
  if (engine->step != NULL && (!to_number (variable (engine->step), &step) || step == 0))
    step = 1;
  if (engine->first != NULL && !to_number (variable (engine->first), &first))
    return fail_range (engine->first, variable (engine->first), error);
  if (index < first || (index - first) % step != 0)
    return fail_range (engine->index, variable (engine->index), error);
  guint64 number = (index - first) / step + 1,
          count = engine->last != NULL ? (end < first ? 0 : (end - first) / step + 1) : end;
  if (count > DKMS_MOST_SHARDS || number > count)
    return fail_range (engine->index, variable (engine->index), error);
  *self = (DkmsShard){ (guint)number, (guint)count };
  return TRUE;
}

gboolean
dkms_shard_parse (const char *text, const char *(*variable) (const char *), DkmsShard *self, GError **error)
{
  const char *slash = strchr (text, '/');
  guint64 index, count;

  if (strcmp (text, "auto") == 0)
    {
      for (gsize i = 0; i < G_N_ELEMENTS (engines); i++)
        if (is_set (&engines[i], variable))
          return read_engine (&engines[i], variable, self, error);
      return DKMS_FAIL (error, NO_ENGINE);
    }
  g_autofree char *first = slash != NULL ? g_strndup (text, (gsize)(slash - text)) : NULL;
  if (!to_number (first, &index) || !to_number (slash + 1, &count) || index < 1 || index > count
      || count > DKMS_MOST_SHARDS)
    return fail_range ("--shard", text, error);
  *self = (DkmsShard){ (guint)index, (guint)count };
  return TRUE;
}

/* ---- the split ---- */

typedef struct {
  guint job;
  double seconds;
} Weight;

/* Longest first, then in the order of the list. */
static int
compare (gconstpointer a, gconstpointer b)
{
  const Weight *x = a, *y = b;

  if (x->seconds != y->seconds)
    return x->seconds > y->seconds ? -1 : 1;
  return x->job < y->job ? -1 : x->job > y->job;
}

/* Returns: (transfer full): the durations of @jobs, longest first */
static Weight *
weigh (const GPtrArray *jobs, GHashTable *durations)
{
  Weight *weights = g_new0 (Weight, jobs->len + 1);
  double sum = 0;
  guint known = 0;

  for (guint i = 0; i < jobs->len; i++)
    {
      const double *seconds = g_hash_table_lookup (durations, ((const DkmsFleetJob *)jobs->pdata[i])->text);
      weights[i] = (Weight){ i, seconds != NULL ? *seconds : -1 };
      sum += seconds != NULL ? *seconds : 0;
      known += seconds != NULL;
    }
  for (guint i = 0; i < jobs->len; i++)
    if (weights[i].seconds < 0)
      weights[i].seconds = known > 0 ? sum / known : 1;
  qsort (weights, jobs->len, sizeof *weights, compare);
  return weights;
}

guint *
dkms_fleet_split (const GPtrArray *jobs, GHashTable *durations, guint count)
{
  guint *shards = g_new0 (guint, jobs->len + 1);

  if (durations == NULL)
    {
      for (guint i = 0; i < jobs->len; i++)
        shards[i] = i % count;
      return shards;
    }
  g_autofree Weight *weights = weigh (jobs, durations);
  g_autofree double *loads = g_new0 (double, count);
  for (guint i = 0; i < jobs->len; i++)
    {
      guint least = 0;
      for (guint s = 1; s < count; s++)
        if (loads[s] < loads[least])
          least = s;
      shards[weights[i].job] = least;
      /* Jobs without a duration are distributed, too. */
      loads[least] += MAX (weights[i].seconds, 1e-3);
    }
  return shards;
}

GHashTable *
dkms_fleet_durations (const char *text, gsize size)
{
  json_t *document = json_loadb (text, size, JSON_REJECT_DUPLICATES, NULL);
  const json_t *jobs = json_object_get (document, "jobs");
  GHashTable *durations = NULL;

  if (json_is_array (jobs))
    durations = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (gsize i = 0; durations != NULL && i < json_array_size (jobs); i++)
    {
      const json_t *job = json_array_get (jobs, i), *seconds = json_object_get (job, "seconds");
      const char *id = json_string_value (json_object_get (job, "id"));
      double value = json_number_value (seconds);
      if (id != NULL && json_is_number (seconds) && value >= 0 && value < 1e9)
        g_hash_table_insert (durations, g_strdup (id), g_memdup2 (&value, sizeof value));
    }
  json_decref (document);
  return durations;
}
