/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Installs the filters of system calls; filter-calls.c contains the lists. Source: seccomp(2). */
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
  /* If both refuse a call, the answer of the filter that was loaded last is used. */
  load (self, allow_code, sizeof allow_code / sizeof *allow_code);
  load (self, refuse_code, sizeof refuse_code / sizeof *refuse_code);
}
