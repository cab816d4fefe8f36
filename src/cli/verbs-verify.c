/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs about the next boot: verify. */
#include "cli/verbs.h"

#include "verify/verify.h"

const DkmsVerbInfo dkms_verb_verify = {
  .name = "verify",
  .goal = DKMS_GOAL_REPORT,
  .arguments = "[<module>[/<version>]]",
  .summary = "Check whether the next boot will have its modules",
  .details
  = "Finds the kernel that boots next, and makes the checks that it makes when it loads modules. Without -k and "
    "--all-kernels, only that kernel is checked. The exit status is 0 if all modules will be there, 30 if one "
    "will not, and 31 if that is not known.",
  .example = "dkms verify && reboot",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (ALL_KERNELS) | DKMS_TAKES (VERIFY),
  .many_kernels = TRUE,
  .filters = TRUE,
  .answer = dkms_verify,
};
