/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs that repair: doctor. */
#include "cli/verbs.h"

#include "doctor/doctor.h"

static gboolean
is_one_request (const DkmsOptions *options, GError **error)
{
  return options->repair == NULL || options->undo == NULL || DKMS_FAIL (error, FIX_AND_UNDO, .name = "doctor");
}

const DkmsVerbInfo dkms_verb_doctor = {
  .name = "doctor",
  .goal = DKMS_GOAL_REPORT,
  .arguments = "[<module>[/<version>]]",
  .summary = "Find and repair faults of the tree and of installed modules",
  .details
  = "Without --fix and --undo, nothing is changed. With --fix, each repair is asked for on a terminal. What a repair "
    "takes away is kept for 90 days, and --undo puts it back. 'dkms explain <fault>' describes a fault. The exit "
    "status is 0 if no problem is left, 30 if one is, and 31 if something could not be examined.",
  .example = "dkms doctor --fix",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (REPAIR),
  .many_kernels = TRUE,
  .filters = TRUE,
  .check_options = is_one_request,
  .answer = dkms_doctor,
};
