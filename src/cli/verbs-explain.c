/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs that explain builds: explain, log, report. */
#include "cli/verbs.h"

#include "base/fd.h"
#include "inspect/bundle.h"
#include "inspect/explain.h"
#include "report/pager.h"

static gboolean
show_log (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  g_auto (DkmsFd) fd = -1;

  if (request->detailed)
    return dkms_explain_list (settings, events, request, error);
  fd = dkms_explain_open_log (settings, request, error);
  return fd >= 0 && dkms_pager_show (fd, error);
}

const DkmsVerbInfo dkms_verb_explain = {
  .name = "explain",
  .goal = DKMS_GOAL_REPORT,
  .arguments = "[<module>[/<version>] | <cause>]",
  .summary = "Explain why the last build failed",
  .details = "Reads the log of the last failed build, searches the headers of the kernel, and prints advice. Without a "
             "module, the build that failed last is explained. With the name of a cause, that cause is explained.",
  .example = "dkms explain my-driver/1.0",
  .positional = DKMS_WORD_CAUSE,
  .options = DKMS_TAKES_MODULE,
  .many_kernels = TRUE,
  .filters = TRUE,
  .explains = TRUE,
  .answer = dkms_explain,
};

const DkmsVerbInfo dkms_verb_log = {
  .name = "log",
  .goal = DKMS_GOAL_REPORT,
  .arguments = "[<module>[/<version>]]",
  .summary = "Print the log of the last build",
  .details
  = "Without a module, the newest log of all is printed. On a terminal the log is shown in a pager. Of each "
    "module and kernel the logs of the build and of the last three attempts that failed are kept; --list lists "
    "them.",
  .example = "dkms log my-driver --list",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (LIST),
  .many_kernels = TRUE,
  .filters = TRUE,
  .explains = TRUE,
  .answer = show_log,
};

const DkmsVerbInfo dkms_verb_report = {
  .name = "report",
  .goal = DKMS_GOAL_REPORT,
  .arguments = "[<module>[/<version>]]",
  .summary = "Write a report about the last failed build",
  .details = "The report is a text in Markdown, for a bug report. Names of users and hosts, addresses and secrets are "
             "replaced. Nothing is sent.",
  .example = "dkms report my-driver/1.0 -o report.md",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (OUTPUT),
  .many_kernels = TRUE,
  .filters = TRUE,
  .explains = TRUE,
  .answer = dkms_bundle,
};
