/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verb about the build cache: cache. */
#include "cli/verbs.h"

#include "base/error.h"
#include "inspect/cache.h"

enum { MOST_MIB = 1 << 20 };

static gboolean
check_size (const DkmsOptions *options, GError **error)
{
  guint64 size;

  return options->max_size == NULL || g_ascii_string_to_unsigned (options->max_size, 10, 0, MOST_MIB, &size, NULL)
         || DKMS_FAIL (error, BAD_SIZE, .text = options->max_size, .limit = MOST_MIB);
}

const DkmsVerbInfo dkms_verb_cache = {
  .name = "cache",
  .goal = DKMS_GOAL_REPORT,
  .arguments = "[status | why | key | prune] [<module>[/<version>]]",
  .summary = "Show or prune the build cache",
  .details
  = "With status, the default, it prints the directory and the size of the cache, and how many builds of the tree "
    "were taken from it. why names the inputs of each build that have changed, so that another build would not be "
    "taken from the cache. key prints the key of the build for each kernel with headers, and with --json its inputs. "
    "prune deletes what was not used for the longest time, until the cache has cache_size_mib or --max-size.",
  .example = "dkms cache why my-driver",
  .positional = DKMS_WORD_MODULE,
  .actions = dkms_cache_actions,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (SIZE),
  .many_kernels = TRUE,
  .filters = TRUE,
  .check_options = check_size,
  .answer = dkms_cache_answer,
};
