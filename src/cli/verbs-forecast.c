/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verb about kernels that are not installed: forecast. */
#include "cli/verbs.h"

#include <string.h>

#include "base/error.h"
#include "forecast/forecast.h"

/* The files do not show for which kernel the caller wants them. */
static gboolean
names_one_kernel (const DkmsOptions *options, GError **error)
{
  static const char *const hooks[] = { "attended", "unattended", "timer", NULL };

  if (options->hook != NULL && !g_strv_contains (hooks, options->hook))
    return DKMS_FAIL (error, BAD_HOOK, .text = options->hook);
  return options->headers->len == 0 || options->kernels->len == 1
         || DKMS_FAIL (error, HEADERS_OF_NO_KERNEL, .path = options->headers->pdata[0]);
}

const DkmsVerbInfo dkms_verb_forecast = {
  .name = "forecast",
  .goal = DKMS_GOAL_BUILT,
  .selection = DKMS_SELECT_LATEST,
  .arguments = "[<module>[/<version>]]",
  .summary = "Try whether modules build for kernels that are not installed yet",
  .details
  = "Fetches the headers of the kernels that the package manager offers, builds the modules with them beside "
    "the tree, and installs nothing. If the kernel is installed later, its builds are taken over. With -k and "
    "--headers, the headers of any other kernel are used. The exit status is 0 if all modules build, 11 if one "
    "does not, 21 if headers cannot be fetched, and 31 if the answer is not known.",
  .example = "dkms forecast && apt upgrade",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (FORCE) | DKMS_TAKES (JOBS) | DKMS_TAKES (GIVEN_HEADERS),
  .many_kernels = TRUE,
  .filters = TRUE,
  .builds = TRUE,
  .needs_root = TRUE,
  .needs_tree = TRUE,
  .needs_writable_tree = TRUE,
  .check_options = names_one_kernel,
  .answer = dkms_forecast,
};
