/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the command of a sandbox may do. Sources: capabilities(7), setrlimit(2), seccomp(2). */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"

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

void
sandbox_drop_rights (const Sandbox *self)
{
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

  for (int cap = 0; cap <= 63; cap++)
    if (prctl (PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
      sandbox_die (self, "drop", "capabilities");
  if (geteuid () == 0 && setgroups (0, NULL) < 0)
    sandbox_die (self, "drop", "groups");
  if (self->user
      && (setresgid (self->gid, self->gid, self->gid) < 0 || setresuid (self->uid, self->uid, self->uid) < 0))
    sandbox_die (self, "become", "the build user");
  (void)prctl (PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0,
               0); /* not allowed any more after setresuid */
  if (prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall (SYS_capset, &header, none) < 0)
    sandbox_die (self, "drop", "capabilities");
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    sandbox_die (self, "refuse", "new privileges");
}

/* What no build needs: to change mounts, to look into other processes, to talk to the kernel's inner parts. */
static const int refused[] = {
  SCMP_SYS (acct),
  SCMP_SYS (add_key),
  SCMP_SYS (bpf),
  SCMP_SYS (clock_adjtime),
  SCMP_SYS (clock_settime),
  SCMP_SYS (delete_module),
  SCMP_SYS (fanotify_init),
  SCMP_SYS (finit_module),
  SCMP_SYS (fsconfig),
  SCMP_SYS (fsmount),
  SCMP_SYS (fsopen),
  SCMP_SYS (fspick),
  SCMP_SYS (init_module),
  SCMP_SYS (io_uring_enter),
  SCMP_SYS (io_uring_register),
  SCMP_SYS (io_uring_setup),
  SCMP_SYS (iopl),
  SCMP_SYS (ioperm),
  SCMP_SYS (kcmp),
  SCMP_SYS (kexec_file_load),
  SCMP_SYS (kexec_load),
  SCMP_SYS (keyctl),
  SCMP_SYS (lookup_dcookie),
  SCMP_SYS (mbind),
  SCMP_SYS (mount),
  SCMP_SYS (mount_setattr),
  SCMP_SYS (move_mount),
  SCMP_SYS (move_pages),
  SCMP_SYS (name_to_handle_at),
  SCMP_SYS (nfsservctl),
  SCMP_SYS (open_by_handle_at),
  SCMP_SYS (open_tree),
  SCMP_SYS (perf_event_open),
  SCMP_SYS (pidfd_getfd),
  SCMP_SYS (pivot_root),
  SCMP_SYS (process_vm_readv),
  SCMP_SYS (process_vm_writev),
  SCMP_SYS (ptrace),
  SCMP_SYS (quotactl),
  SCMP_SYS (reboot),
  SCMP_SYS (request_key),
  SCMP_SYS (setdomainname),
  SCMP_SYS (sethostname),
  SCMP_SYS (setns),
  SCMP_SYS (settimeofday),
  SCMP_SYS (swapoff),
  SCMP_SYS (swapon),
  SCMP_SYS (syslog),
  SCMP_SYS (umount2),
  SCMP_SYS (unshare),
  SCMP_SYS (userfaultfd),
  SCMP_SYS (vhangup),
};

enum {
  NEW_NAMESPACES
  = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
};

static int
refuse_arguments (scmp_filter_ctx filter)
{
  /* s390 has the flags of clone second. */
#ifdef __s390__
  const unsigned int flags = 1;
#else
  const unsigned int flags = 0;
#endif
  int rc = 0;

  for (unsigned int bit = 1; bit != 0; bit <<= 1)
    if ((NEW_NAMESPACES & bit) != 0)
      rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (clone), 1,
                              SCMP_CMP (flags, SCMP_CMP_MASKED_EQ, bit, bit));
  /* Its flags cannot be looked at; libc does with clone instead. */
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (ENOSYS), SCMP_SYS (clone3), 0);
  /* Keys for the terminal that dkms was started from. */
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (ioctl), 1,
                          SCMP_CMP (1, SCMP_CMP_MASKED_EQ, 0xffffffffu, 0x5412 /* TIOCSTI */));
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (ioctl), 1,
                          SCMP_CMP (1, SCMP_CMP_MASKED_EQ, 0xffffffffu, 0x541C /* TIOCLINUX */));
  /* Address families beyond those of sockets, the internet and netlink: a network namespace does not keep all of them
   * apart (vsock), and some reach deep into the kernel. */
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EAFNOSUPPORT), SCMP_SYS (socket), 1,
                          SCMP_CMP (0, SCMP_CMP_GT, AF_NETLINK));
  return rc;
}

void
sandbox_filter_calls (const Sandbox *self)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ALLOW);
  int rc = filter != NULL ? 0 : -1;

#ifdef __x86_64__
  if (filter != NULL)
    (void)seccomp_arch_add (filter, SCMP_ARCH_X86); /* tools of 32 bits live by the same rules */
#endif
  for (size_t i = 0; rc == 0 && i < sizeof refused / sizeof *refused; i++)
    rc = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), refused[i], 0);
  if (rc == 0)
    rc = refuse_arguments (filter);
  if (rc == 0)
    (void)seccomp_attr_set (filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
  if (rc == 0)
    rc = seccomp_load (filter);
  if (rc != 0)
    {
      errno = rc < -1 ? -rc : EINVAL;
      sandbox_die (self, "filter", "system calls");
    }
  seccomp_release (filter);
}
