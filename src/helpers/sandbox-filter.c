/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which system calls the command of a sandbox may make: filter-calls.c has the lists. Source: seccomp(2). */
#define _GNU_SOURCE
#include "sandbox-filter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "filter-code.h"

static void
load (const Sandbox *self, struct sock_filter *code, size_t count)
{
  struct sock_fprog program = { (unsigned short)count, code };

  if (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
    sandbox_lack (self, "filter", "system calls");
}

void
sandbox_filter_calls (const Sandbox *self)
{
  /* Where both refuse, the answer of the one that was loaded last counts. */
  load (self, allow_code, sizeof allow_code / sizeof *allow_code);
  load (self, refuse_code, sizeof refuse_code / sizeof *refuse_code);
}
