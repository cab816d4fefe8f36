/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs about keys for Secure Boot: secureboot. */
#include "cli/verbs.h"

#include "base/error.h"
#include "verify/secureboot.h"

static gboolean
has_one_action (const DkmsRequest *request, GError **error)
{
  return !request->enroll || !request->test || DKMS_FAIL (error, ENROL_OR_TEST);
}

const DkmsVerbInfo dkms_verb_secureboot = {
  .name = "secureboot",
  .goal = DKMS_GOAL_REPORT,
  .arguments = "",
  .summary = "Show whether kernels accept the signatures of dkms",
  .details
  = "Prints the state of Secure Boot, the policy of the kernel, the key of dkms and its enrolment, and who signed the "
    "installed modules. The exit status is 0 if nothing will be refused, 30 if something will be, and 31 if "
    "that is not known.",
  .example = "dkms secureboot --enroll",
  .options = DKMS_TAKES (ALWAYS) | DKMS_TAKES (KERNEL) | DKMS_TAKES (ENROLL),
  .many_kernels = TRUE,
  .check_request = has_one_action,
  .answer = dkms_secureboot,
};
