/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The distribution of jobs to workers: every worker computes the same one. Without disk, clock and output. */
#pragma once

#include <glib.h>

/* Shard number @index of @count. */
typedef struct {
  guint index; /* from 1 */
  guint count;
} DkmsShard;

/* More workers than any list has jobs are an error of the caller. */
enum { DKMS_MOST_SHARDS = 100000 };

/**
 * dkms_shard_parse:
 * @text: "I/N", or "auto" for the environment variables of the engine that runs the worker
 * @variable: returns the value of an environment variable, as g_getenv()
 * @self: (out caller-allocates)
 */
gboolean dkms_shard_parse (const char *text, const char *(*variable) (const char *name), DkmsShard *self,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_fleet_split:
 * @jobs: (element-type DkmsFleetJob): sorted
 * @durations: (nullable): id -> double *, seconds. Jobs without one count as the mean of the others
 * @count: number of shards
 *
 * Without durations, job n belongs to shard n mod @count. With durations, the longest jobs are distributed first, each
 * to the shard with the least work; jobs of the same duration by their ids.
 *
 * Returns: (transfer full): the shard of each job, from 0
 */
guint *dkms_fleet_split (const GPtrArray *jobs, GHashTable *durations, guint count);

/**
 * dkms_fleet_durations:
 * @text: @size bytes of any content: the merged report of an earlier run in JSON
 *
 * Returns: (transfer full) (nullable): id -> double *; NULL if @text is not a merged report
 */
GHashTable *dkms_fleet_durations (const char *text, gsize size);
