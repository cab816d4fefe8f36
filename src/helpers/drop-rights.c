/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets limits, changes the user, and forbids new privileges. */
#define _GNU_SOURCE
#include "helpers/drop-rights.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static void
limit (const char *program, int resource, rlim_t most)
{
  struct rlimit value = { most, most };

  if (setrlimit ((__rlimit_resource_t)resource, &value) < 0)
    fprintf (stderr, "%s: cannot set a limit: %s\n", program, strerror (errno));
}

bool
drop_rights (const char *program, rlim_t seconds, rlim_t bytes)
{
  limit (program, RLIMIT_CORE, 0);
  limit (program, RLIMIT_CPU, seconds);
  limit (program, RLIMIT_FSIZE, bytes);
#ifndef __SANITIZE_ADDRESS__ /* it reserves terabytes */
  limit (program, RLIMIT_AS, 4 * bytes);
#endif
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return false;
  if (geteuid () != 0
      || (setgroups (0, NULL) == 0 && setresgid (NOBODY, NOBODY, NOBODY) == 0
          && setresuid (NOBODY, NOBODY, NOBODY) == 0))
    return true;
  /* The root user of a namespace without other users has no privileges to drop. */
  return errno == EPERM || errno == EINVAL;
}
