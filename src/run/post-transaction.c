/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command of the administrator that runs after changes. */
#define _GNU_SOURCE
#include "run/post-transaction.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/language.h"
#include "build/log.h"
#include "run/steps.h"
#include "store/layout.h"

static int
run (gpointer data, GError **error)
{
  return dkms_process_run (data, error);
}

void
dkms_post_transaction (const DkmsSettings *settings, DkmsListener *events, const char *kernel)
{
  static const char title[] = N_ ("Executing post-transaction command");
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsVars) values = NULL;
  g_autofree char *path = dkms_layout_post_log (&settings->places);
  g_auto (DkmsFd) log = -1;
  const char *line;

  if (*settings->policy.post_transaction == '\0')
    return;
  /* Read again, because $kernelver is known now. */
  if (!dkms_settings_reread (settings, "post_transaction", kernel, &values, &error))
    {
      DKMS_EMIT (events, POST_TRANSACTION_UNREAD, .error = error);
      return;
    }
  line = values != NULL ? dkms_vars_get (values, "post_transaction", 0) : "";
  if (*line == '\0')
    line = settings->policy.post_transaction;
  log = dkms_root_openat (settings->places.root, path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NONBLOCK, 0644);
  if (log < 0)
    {
      DKMS_EMIT (events, POST_TRANSACTION_NO_LOG, .path = path, .number = errno);
      return;
    }

  const char *argv[] = { "/bin/bash", "-p", "-c", line, NULL };
  DkmsCommand command = { .argv = argv, .root = settings->places.root, .output_fd = log, .null_stdin = TRUE };
  const DkmsSection section = { title, line, run, &command };
  if (dkms_log_section (events, log, &section, &error) < 0)
    DKMS_EMIT (events, ERROR_IGNORED, .error = error);
}
