/* SPDX-License-Identifier: GPL-2.0-or-later */
/* make-filter ARCHITECTURE: prints the filters of system calls of dkms-sandbox as a C header. Runs when dkms is built,
 * because putting them together takes longer than starting a build.
 *
 * Two filters work together, and the stricter answer counts: one knows what programs need and answers ENOSYS to
 * everything else, as an older kernel would, so that what Linux learns tomorrow is not open by itself; one refuses
 * calls and arguments that are known to lead out of a sandbox. Sources: seccomp(2), and the groups that systemd.exec(5)
 * calls @system-service. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/socket.h>

/* Names that this libseccomp or this architecture does not know are passed over. */
static const char *const allowed[] = {
  "_llseek",
  "close",
  "close_range",
  "dup",
  "dup2",
  "dup3",
  "lseek",
  "pread64",
  "preadv",
  "preadv2",
  "pwrite64",
  "pwritev",
  "pwritev2",
  "read",
  "readv",
  "write",
  "writev",
  "chown",
  "chown32",
  "fchown",
  "fchown32",
  "fchownat",
  "lchown",
  "lchown32",
  "arch_prctl",
  "brk",
  "cacheflush",
  "clock_getres",
  "clock_getres_time64",
  "clock_gettime",
  "clock_gettime64",
  "clock_nanosleep",
  "clock_nanosleep_time64",
  "execve",
  "execveat",
  "exit",
  "exit_group",
  "futex",
  "futex_time64",
  "futex_waitv",
  "futex_wake",
  "futex_wait",
  "futex_requeue",
  "get_robust_list",
  "get_thread_area",
  "getegid",
  "getegid32",
  "geteuid",
  "geteuid32",
  "getgid",
  "getgid32",
  "getgroups",
  "getgroups32",
  "getpgid",
  "getpgrp",
  "getpid",
  "getppid",
  "getrandom",
  "getresgid",
  "getresgid32",
  "getresuid",
  "getresuid32",
  "getrlimit",
  "getsid",
  "gettid",
  "gettimeofday",
  "getuid",
  "getuid32",
  "membarrier",
  "mmap",
  "mmap2",
  "mprotect",
  "mremap",
  "mseal",
  "munmap",
  "madvise",
  "mincore",
  "nanosleep",
  "pause",
  "prlimit64",
  "restart_syscall",
  "riscv_flush_icache",
  "riscv_hwprobe",
  "rseq",
  "rt_sigreturn",
  "sched_getaffinity",
  "sched_yield",
  "set_robust_list",
  "set_thread_area",
  "set_tid_address",
  "set_tls",
  "sigreturn",
  "time",
  "ugetrlimit",
  "uretprobe",
  "pkey_alloc",
  "pkey_free",
  "pkey_mprotect",
  "map_shadow_stack",
  "access",
  "chdir",
  "chmod",
  "creat",
  "faccessat",
  "faccessat2",
  "fallocate",
  "fchdir",
  "fchmod",
  "fchmodat",
  "fchmodat2",
  "fcntl",
  "fcntl64",
  "fgetxattr",
  "flistxattr",
  "flock",
  "fremovexattr",
  "fsetxattr",
  "fstat",
  "fstat64",
  "fstatat64",
  "fstatfs",
  "fstatfs64",
  "ftruncate",
  "ftruncate64",
  "futimesat",
  "getcwd",
  "getdents",
  "getdents64",
  "getxattr",
  "getxattrat",
  "listxattrat",
  "inotify_add_watch",
  "inotify_init",
  "inotify_init1",
  "inotify_rm_watch",
  "lgetxattr",
  "link",
  "linkat",
  "listxattr",
  "llistxattr",
  "lremovexattr",
  "lsetxattr",
  "lstat",
  "lstat64",
  "mkdir",
  "mkdirat",
  "mknod",
  "mknodat",
  "newfstatat",
  "oldfstat",
  "oldlstat",
  "oldstat",
  "open",
  "openat",
  "openat2",
  "readlink",
  "readlinkat",
  "removexattr",
  "rename",
  "renameat",
  "renameat2",
  "rmdir",
  "setxattr",
  "stat",
  "stat64",
  "statfs",
  "statfs64",
  "statx",
  "symlink",
  "symlinkat",
  "truncate",
  "truncate64",
  "umask",
  "unlink",
  "unlinkat",
  "utime",
  "utimensat",
  "utimensat_time64",
  "utimes",
  "copy_file_range",
  "sendfile",
  "sendfile64",
  "splice",
  "tee",
  "vmsplice",
  "fadvise64",
  "fadvise64_64",
  "arm_fadvise64_64",
  "readahead",
  "readdir",
  "cachestat",
  "_newselect",
  "epoll_create",
  "epoll_create1",
  "epoll_ctl",
  "epoll_ctl_old",
  "epoll_pwait",
  "epoll_pwait2",
  "epoll_wait",
  "epoll_wait_old",
  "eventfd",
  "eventfd2",
  "poll",
  "ppoll",
  "ppoll_time64",
  "pselect6",
  "pselect6_time64",
  "select",
  "io_cancel",
  "io_destroy",
  "io_getevents",
  "io_pgetevents",
  "io_pgetevents_time64",
  "io_setup",
  "io_submit",
  "ipc",
  "memfd_create",
  "mq_getsetattr",
  "mq_notify",
  "mq_open",
  "mq_timedreceive",
  "mq_timedreceive_time64",
  "mq_timedsend",
  "mq_timedsend_time64",
  "mq_unlink",
  "msgctl",
  "msgget",
  "msgrcv",
  "msgsnd",
  "pipe",
  "pipe2",
  "semctl",
  "semget",
  "semop",
  "semtimedop",
  "semtimedop_time64",
  "shmat",
  "shmctl",
  "shmdt",
  "shmget",
  "mlock",
  "mlock2",
  "mlockall",
  "munlock",
  "munlockall",
  "msync",
  "fdatasync",
  "fsync",
  "sync",
  "sync_file_range",
  "sync_file_range2",
  "syncfs",
  "accept",
  "accept4",
  "bind",
  "connect",
  "getpeername",
  "getsockname",
  "getsockopt",
  "listen",
  "recv",
  "recvfrom",
  "recvmmsg",
  "recvmmsg_time64",
  "recvmsg",
  "send",
  "sendmmsg",
  "sendmsg",
  "sendto",
  "setsockopt",
  "shutdown",
  "socket",
  "socketpair",
  "capget",
  "capset",
  "clone",
  "fork",
  "getrusage",
  "kill",
  "pidfd_open",
  "pidfd_send_signal",
  "prctl",
  "seccomp",
  "rt_sigqueueinfo",
  "rt_tgsigqueueinfo",
  "swapcontext",
  "tgkill",
  "times",
  "tkill",
  "vfork",
  "wait4",
  "waitid",
  "waitpid",
  "setpgid",
  "setsid",
  "get_mempolicy",
  "getcpu",
  "getpriority",
  "ioctl",
  "ioprio_get",
  "ioprio_set",
  "nice",
  "oldolduname",
  "olduname",
  "personality",
  "remap_file_pages",
  "sched_get_priority_max",
  "sched_get_priority_min",
  "sched_getattr",
  "sched_getparam",
  "sched_getscheduler",
  "sched_rr_get_interval",
  "sched_rr_get_interval_time64",
  "sched_setaffinity",
  "sched_setattr",
  "sched_setparam",
  "sched_setscheduler",
  "setpriority",
  "setrlimit",
  "sysinfo",
  "uname",
  "setfsgid",
  "setfsgid32",
  "setfsuid",
  "setfsuid32",
  "setgid",
  "setgid32",
  "setgroups",
  "setgroups32",
  "setregid",
  "setregid32",
  "setresgid",
  "setresgid32",
  "setresuid",
  "setresuid32",
  "setreuid",
  "setreuid32",
  "setuid",
  "setuid32",
  "rt_sigaction",
  "rt_sigpending",
  "rt_sigprocmask",
  "rt_sigsuspend",
  "rt_sigtimedwait",
  "rt_sigtimedwait_time64",
  "sigaction",
  "sigaltstack",
  "signal",
  "signalfd",
  "signalfd4",
  "sigpending",
  "sigprocmask",
  "sigsuspend",
  "alarm",
  "getitimer",
  "setitimer",
  "timer_create",
  "timer_delete",
  "timer_getoverrun",
  "timer_gettime",
  "timer_gettime64",
  "timer_settime",
  "timer_settime64",
  "timerfd_create",
  "timerfd_gettime",
  "timerfd_gettime64",
  "timerfd_settime",
  "timerfd_settime64",
};

/* To change mounts, to look into other processes, to talk to the kernel's inner parts. socketcall hides the address
 * family from a filter; its callers fall back to socket. */
static const char *const refused[] = {
  "acct",
  "add_key",
  "bpf",
  "clock_adjtime",
  "clock_settime",
  "delete_module",
  "fanotify_init",
  "finit_module",
  "fsconfig",
  "fsmount",
  "fsopen",
  "fspick",
  "init_module",
  "io_uring_enter",
  "io_uring_register",
  "io_uring_setup",
  "iopl",
  "ioperm",
  "kcmp",
  "kexec_file_load",
  "kexec_load",
  "keyctl",
  "lookup_dcookie",
  "mbind",
  "mount",
  "mount_setattr",
  "move_mount",
  "move_pages",
  "name_to_handle_at",
  "nfsservctl",
  "open_by_handle_at",
  "open_tree",
  "perf_event_open",
  "pidfd_getfd",
  "pivot_root",
  "process_vm_readv",
  "process_vm_writev",
  "ptrace",
  "quotactl",
  "reboot",
  "request_key",
  "setdomainname",
  "sethostname",
  "setns",
  "settimeofday",
  "swapoff",
  "swapon",
  "syslog",
  "umount2",
  "unshare",
  "userfaultfd",
  "vhangup",
  "socketcall",
};

/* Changing the owner of a file has no effect and returns success, as in rootless image builders: cp -a, tar and install
 * expect that uid 0 may do so, and the owner of a file in a build does not matter. */
static const char *const pretended[] = { "chown", "chown32", "fchown", "fchown32", "fchownat", "lchown", "lchown32" };

enum {
  NEW_NAMESPACES
  = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
};

/* Keys for the terminal that dkms was started from; subvolumes, which rm cannot delete everywhere. */
static const unsigned int ioctls[] = {
  0x5412 /* TIOCSTI */,
  0x541C /* TIOCLINUX */,
  0x5000940E /* BTRFS_IOC_SUBVOL_CREATE */,
  0x50009418 /* BTRFS_IOC_SUBVOL_CREATE_V2 */,
  0x50009401 /* BTRFS_IOC_SNAP_CREATE */,
  0x50009417 /* BTRFS_IOC_SNAP_CREATE_V2 */,
};

/* SCMP_CMP() leaves the second datum out where it has no meaning. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

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
  for (size_t i = 0; i < sizeof ioctls / sizeof *ioctls; i++)
    rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (ioctl), 1,
                            SCMP_CMP (1, SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, ioctls[i]));
  /* Sockets reach beyond mounts: those of the machine's services could be called by name where a directory shows them,
   * and some families are not kept apart by a network namespace, or lead deep into the kernel. */
  for (unsigned int family = 0; family <= AF_NETLINK; family++)
    if (family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
      rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EAFNOSUPPORT), SCMP_SYS (socket), 1,
                              SCMP_CMP (0, SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, family));
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EAFNOSUPPORT), SCMP_SYS (socket), 1,
                          SCMP_CMP (0, SCMP_CMP_GT, AF_NETLINK));
  /* The limits of others: of process 1, which watches. */
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (prlimit64), 1, SCMP_CMP (0, SCMP_CMP_NE, 0));
  /* Everything that makes memory easier to attack; what setarch says for another machine's name is PER_LINUX32. Only
   * 0xffffffff, which asks, may have the highest bit. */
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (personality), 1,
                          SCMP_CMP (0, SCMP_CMP_MASKED_EQ, 0x80000000u | READ_IMPLIES_EXEC, READ_IMPLIES_EXEC));
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (personality), 1,
                          SCMP_CMP (0, SCMP_CMP_MASKED_EQ, 0x80000000u | MMAP_PAGE_ZERO, MMAP_PAGE_ZERO));
  for (unsigned int bit = 1; bit != 0x80000000u; bit <<= 1)
    rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (personality), 1,
                            SCMP_CMP (0, SCMP_CMP_MASKED_EQ, 0x80000000u | bit, 0x80000000u));
  return rc;
}

static int
add_names (scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < count; i++)
    {
      int number = seccomp_syscall_resolve_name (names[i]);
      if (number != __NR_SCMP_ERROR)
        rc = seccomp_rule_add (filter, action, number, 0);
    }
  return rc;
}

/* The name that libseccomp has for an architecture of Meson's. */
static uint32_t
architecture (const char *name)
{
  static const char *const others[][2]
      = { { "ppc64", "ppc64le" }, { "parisc", "parisc" }, { "loongarch64", "loongarch64" } };
  uint32_t arch;

  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (strcmp (name, others[i][0]) == 0)
      name = others[i][1];
  arch = seccomp_arch_resolve_name (name);
  return arch != 0 ? arch : seccomp_arch_native ();
}

static scmp_filter_ctx
new_filter (uint32_t otherwise, uint32_t arch)
{
  scmp_filter_ctx filter = seccomp_init (otherwise);

  if (filter == NULL)
    exit (1);
  if (arch != seccomp_arch_native ()
      && (seccomp_arch_add (filter, arch) < 0 || seccomp_arch_remove (filter, SCMP_ARCH_NATIVE) < 0))
    exit (1);
  if (arch == SCMP_ARCH_X86_64
      && seccomp_arch_add (filter, SCMP_ARCH_X86) < 0) /* tools of 32 bits live by the same rules */
    exit (1);
  (void)seccomp_attr_set (filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
  return filter;
}

static int
print (scmp_filter_ctx filter, const char *name)
{
  FILE *file = tmpfile ();
  struct sock_filter code;
  int rc = file != NULL ? seccomp_export_bpf (filter, fileno (file)) : -1;

  if (rc < 0)
    return rc;
  rewind (file);
  printf ("static struct sock_filter %s[] = {\n", name);
  while (fread (&code, sizeof code, 1, file) == 1)
    printf ("  { 0x%x, %u, %u, 0x%x },\n", code.code, code.jt, code.jf, code.k);
  printf ("};\n");
  rc = ferror (file);
  (void)fclose (file);
  return rc != 0 ? -1 : 0;
}

int
main (int argc, char **argv)
{
  uint32_t arch = argc > 1 ? architecture (argv[1]) : seccomp_arch_native ();
  scmp_filter_ctx allow = new_filter (SCMP_ACT_ERRNO (ENOSYS), arch);
  scmp_filter_ctx refuse = new_filter (SCMP_ACT_ALLOW, arch);
  int rc = add_names (allow, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof *allowed);

  if (rc == 0)
    rc = add_names (refuse, SCMP_ACT_ERRNO (EPERM), refused, sizeof refused / sizeof *refused);
  if (rc == 0)
    rc = add_names (refuse, SCMP_ACT_ERRNO (0), pretended, sizeof pretended / sizeof *pretended);
  if (rc == 0)
    rc = refuse_arguments (refuse);
  if (rc == 0)
    rc = print (allow, "allow_code");
  if (rc == 0)
    rc = print (refuse, "refuse_code");
  seccomp_release (allow);
  seccomp_release (refuse);
  if (rc != 0 || fflush (stdout) != 0)
    {
      (void)fprintf (stderr, "make-filter: cannot make the filters (%d)\n", rc);
      return 1;
    }
  return 0;
}
