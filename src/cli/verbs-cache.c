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

static gboolean
check (const DkmsOptions *options, GError **error)
{
  return check_size (options, error)
         && (g_strcmp0 (options->action, DKMS_CACHE_GENERATE_KEY) != 0 || options->output != NULL
             || DKMS_FAIL (error, NO_KEY_FILE));
}

const DkmsVerbInfo dkms_verb_cache = {
  .name = "cache",
  .goal = DKMS_GOAL_REPORT,
  .arguments
  = "[status | why | key | verify | prune | push] [<module>[/<version>]] | key <directory> | generate_key <file>",
  .summary = "Show or prune the build cache",
  .details
  = "With status, the default, it prints the directory and the size of the cache, and how many builds of the tree "
    "were taken from it. why names the inputs of each build that have changed, so that another build would not be "
    "taken from the cache. key prints the key of the build for each kernel with headers, and with --json its inputs; "
    "it also takes a directory or an archive that is not registered. "
    "verify builds again without the cache, in a tree of its own, and compares: the exit status is 7 if a module "
    "differs. "
    "prune deletes what was not used for the longest time, until the cache has cache_size_mib or --max-size. "
    "push stores builds of this machine on the server of cache_url. "
    "generate_key creates a key that signs builds for other machines, with its public key in <file>.pub, and prints "
    "the line for /etc/dkms/cache-trust of these machines.",
  .example = "dkms cache why my-driver",
  .source_action = DKMS_CACHE_KEY,
  .positional = DKMS_WORD_MODULE,
  .actions = dkms_cache_actions,
  .file_action = DKMS_CACHE_GENERATE_KEY,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (SIZE),
  .many_kernels = TRUE,
  .filters = TRUE,
  .check_options = check,
  .answer = dkms_cache_answer,
};
