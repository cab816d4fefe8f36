/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verb about many modules and kernels: matrix. */
#include "cli/verbs.h"

#include <string.h>

#include "base/error.h"
#include "fleet/matrix.h"

static gboolean
check_format (const char *format, const char *const *formats, GError **error)
{
  g_autofree char *list = NULL;

  if (format == NULL || g_strv_contains (formats, format))
    return TRUE;
  list = g_strjoinv (", ", (char **)formats);
  return DKMS_FAIL (error, BAD_FORMAT, .text = format, .name = list);
}

/* Merging needs nothing but the reports. */
static gboolean
check_merge (const DkmsOptions *options, GError **error)
{
  static const char *const formats[] = { "text", "markdown", "junit", NULL };
  const char *other = options->shard != NULL       ? "--shard"
                      : options->shards != NULL    ? "--shards"
                      : options->job != NULL       ? "--job"
                      : options->output != NULL    ? "--output"
                      : options->durations != NULL ? "--durations"
                                                   : NULL;

  if (other != NULL)
    return DKMS_FAIL (error, MATRIX_OPTIONS, .name = other, .text = "--merge");
  if (options->sources->len > 0)
    return DKMS_FAIL (error, MATRIX_OPTIONS, .name = options->words->pdata[options->words->len - 1], .text = "--merge");
  return check_format (options->format, formats, error);
}

static gboolean
check_matrix (const DkmsOptions *options, GError **error)
{
  static const char *const formats[] = { "text", "lines", "json", "github", NULL };
  const char *runs = options->shard != NULL ? "--shard" : options->job != NULL ? "--job" : NULL;

  if (options->merge != NULL)
    return check_merge (options, error);
  if (options->sources->len == 0)
    return DKMS_FAIL (error, MATRIX_NO_SOURCE);
  if (runs != NULL && options->format != NULL)
    return DKMS_FAIL (error, MATRIX_OPTIONS, .name = runs, .text = "--format");
  if (runs != NULL && options->shards != NULL)
    return DKMS_FAIL (error, MATRIX_OPTIONS, .name = runs, .text = "--shards");
  if (options->shard != NULL && options->job != NULL)
    return DKMS_FAIL (error, MATRIX_OPTIONS, .name = "--shard", .text = "--job");
  if (options->shards != NULL && g_strcmp0 (options->format, "lines") == 0)
    return DKMS_FAIL (error, MATRIX_OPTIONS, .name = "--shards", .text = "--format lines");
  if (options->durations != NULL && options->job != NULL)
    return DKMS_FAIL (error, MATRIX_OPTIONS, .name = "--durations", .text = "--job");
  if (runs != NULL && options->output == NULL)
    return DKMS_FAIL (error, MATRIX_NO_OUTPUT, .name = runs);
  if (options->shards != NULL && options->output != NULL && options->format == NULL)
    return DKMS_FAIL (error, MATRIX_OPTIONS, .name = "--shards", .text = "--output");
  return check_format (options->format, formats, error);
}

const DkmsVerbInfo dkms_verb_matrix = {
  .name = "matrix",
  .goal = DKMS_GOAL_BUILT,
  .selection = DKMS_SELECT_LATEST,
  .arguments = "<module>|<directory>|<archive>...",
  .summary = "Build modules for many kernels, on one machine or on many",
  .details
  = "Each source, for each kernel with headers (or each -k) of each --root, is a job. Without --output, or with "
    "--format, the jobs are listed. With --output, the jobs of --shard (without it: all) are built in a tree of their "
    "own, and each leaves a report and a log. Nothing is installed or registered. A job whose inputs have not changed "
    "since it succeeded is skipped, so the same command continues an interrupted run. --shard auto knows Slurm, Grid "
    "Engine, Kubernetes, GitLab, Buildkite, CircleCI and GNU parallel. --merge prints a table of all reports. The exit "
    "status is 0 if all jobs succeeded or are excluded, 11 if one failed, and 12 if reports are missing.",
  .example = "dkms matrix ./my-driver --shard 1/4 --output results",
  .positional = DKMS_WORD_SOURCE,
  .options
  = DKMS_TAKES_TARGET | DKMS_TAKES (ALL_KERNELS) | DKMS_TAKES (JOBS) | DKMS_TAKES (OUTPUT) | DKMS_TAKES (MATRIX),
  .many_kernels = TRUE,
  .many_sources = TRUE,
  .filters = TRUE,
  .builds = TRUE,
  .check_options = check_matrix,
  .answer = dkms_matrix,
};
