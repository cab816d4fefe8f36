/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The privileges and limits of the command of a sandbox. Sources: capabilities(7), setrlimit(2), seccomp(2). */
#define _GNU_SOURCE
#include "sandbox-rights.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void
limit (const Sandbox *self, int what, rlim_t value)
{
  struct rlimit now, wanted = { value, value };

  if (getrlimit ((__rlimit_resource_t)what, &now) < 0)
    sandbox_die (self, "read", "limits");
  if (now.rlim_max != RLIM_INFINITY && wanted.rlim_max > now.rlim_max)
    wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
  if (setrlimit ((__rlimit_resource_t)what, &wanted) < 0)
    sandbox_die (self, "set", "limits");
}

void
sandbox_set_limits (const Sandbox *self)
{
  limit (self, RLIMIT_CORE, 0);
  limit (self, RLIMIT_NOFILE, 4096);
  limit (self, RLIMIT_MEMLOCK, 8 << 20);
  if (self->file_size > 0)
    limit (self, RLIMIT_FSIZE, self->file_size);
  if (self->processes > 0)
    limit (self, RLIMIT_NPROC, (rlim_t)self->processes + SANDBOX_SPARE_PROCESSES);
}

/* Capabilities of process 1: to change to the build user, to kill processes, and to watch limits. */
static const int kept[]
    = { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_SYS_NICE };

void
sandbox_keep_few_rights (const Sandbox *self)
{
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct have[2], few[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

  if (syscall (SYS_capget, &header, have) < 0)
    sandbox_die (self, "read", "capabilities");
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
    {
      few[0].permitted |= have[0].permitted & 1u << kept[i];
      few[0].effective |= have[0].effective & 1u << kept[i];
    }
  if (syscall (SYS_capset, &header, few) < 0)
    sandbox_die (self, "drop", "capabilities");
}

/* In a user namespace that an unprivileged user created, groups cannot be changed (user_namespaces(7)). */
static int
groups_are_fixed (const Sandbox *self)
{
  char text[8] = "";
  int fd = openat (self->proc, "self/setgroups", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read (fd, text, sizeof text - 1) : -1;

  if (fd >= 0)
    (void)close (fd);
  return n >= 4 && strncmp (text, "deny", 4) == 0;
}

void
sandbox_drop_rights (const Sandbox *self)
{
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

  for (int cap = 0; cap <= 63; cap++)
    if (prctl (PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
      sandbox_die (self, "drop", "capabilities");
  if (geteuid () == 0 && setgroups (0, NULL) < 0 && !groups_are_fixed (self))
    sandbox_die (self, "drop", "groups");
  if (self->user
      && (setresgid (self->gid, self->gid, self->gid) < 0 || setresuid (self->uid, self->uid, self->uid) < 0))
    sandbox_die (self, "become", "the build user");
  (void)prctl (PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0); /* not allowed after setresuid */
  if (prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall (SYS_capset, &header, none) < 0)
    sandbox_die (self, "drop", "capabilities");
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    sandbox_die (self, "refuse", "new privileges");
}
