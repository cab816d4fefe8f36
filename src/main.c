/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One program with two names: dkms and common.postinst. */
#include <glib.h>
#include <string.h>

#include "base/error.h"
#include "base/language.h"
#include "base/proc.h"
#include "base/process.h"
#include "cli/cli.h"
#include "cli/exit-code.h"
#include "cli/postinst.h"
#include "report/report.h"

/* With fewer free descriptors, no build can be completed. */
enum { LEAST_DESCRIPTORS = 20 };

static gboolean
check_descriptors (GError **error)
{
  guint count = dkms_process_free_descriptors ();

  return count >= LEAST_DESCRIPTORS || DKMS_FAIL (error, FEW_DESCRIPTORS, .number = count, .limit = LEAST_DESCRIPTORS);
}

/* Packages call the program as common.postinst. */
int
main (int argc, char **argv)
{
  g_autofree char *name = g_path_get_basename (argc > 0 ? argv[0] : "dkms");
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsReport) report = dkms_report_new ();

  dkms_process_begin ();
  dkms_language_begin ();
  (void)dkms_proc_ensure (NULL); /* steps that need /proc report that it is missing */
  if (!check_descriptors (&error))
    {
      DKMS_EMIT (dkms_report_listener (report), ERROR, .error = error);
      return dkms_exit_code (NULL, error);
    }
  return strcmp (name, "common.postinst") == 0 ? dkms_postinst_main (argc, argv) : dkms_cli_main (argc, argv);
}
