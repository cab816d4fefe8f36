/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: the report of a job, which another machine has written. Findings: a crash; a report that is another one when
 * it was written and read again; two reports of one job of which both count. */
#include <string.h>

#include "fleet/job-report.h"
#include "fleet/merge.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *exact = g_memdup2 (data, size); /* so that a byte too far is noticed */

  fuzz_begin ();
  g_autoptr (DkmsJobReport) report = size > 0 ? dkms_job_report_from_text (exact, size) : NULL;
  if (report == NULL)
    return 0;
  g_autofree char *text = dkms_job_report_to_text (report), *payload = dkms_job_report_payload (report);
  DkmsJobReport *again = dkms_job_report_from_text (text, strlen (text));
  g_assert (again != NULL);
  g_autofree char *same = dkms_job_report_to_text (again), *same_payload = dkms_job_report_payload (again);
  g_assert (strcmp (text, same) == 0 && g_strcmp0 (payload, same_payload) == 0);
  g_autoptr (DkmsMerged) merged = dkms_merged_new ();
  dkms_merged_add (merged, again);
  dkms_merged_add (merged, g_steal_pointer (&report));
  dkms_merged_finish (merged);
  g_assert (merged->reports->len == 1 && merged->others->len == 1 && merged->pairs->len == 0);
  return 0;
}
