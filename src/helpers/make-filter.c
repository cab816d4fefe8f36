/* SPDX-License-Identifier: GPL-2.0-or-later */
/* make-filter ARCHITECTURE: prints the filters of system calls of dkms-sandbox as a C header. Runs while dkms is
 * compiled, because creating the filters takes longer than starting a build.
 *
 * Two filters work together, and the stricter answer is used. One allows the calls that programs need, and answers
 * ENOSYS to all others, as an older kernel would, so that new calls of Linux are not allowed automatically. The other
 * refuses calls and arguments that are known to lead out of a sandbox. Sources: seccomp(2), and the groups that
 * systemd.exec(5) calls @system-service. */
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

#include "filter-calls.h"

enum {
  NEW_NAMESPACES
  = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
};

/* Input to the terminal from which dkms was started; subvolumes, which rm cannot delete everywhere. */
static const unsigned int ioctls[] = {
  0x5412 /* TIOCSTI */,
  0x541C /* TIOCLINUX */,
  0x5000940E /* BTRFS_IOC_SUBVOL_CREATE */,
  0x50009418 /* BTRFS_IOC_SUBVOL_CREATE_V2 */,
  0x50009401 /* BTRFS_IOC_SNAP_CREATE */,
  0x50009417 /* BTRFS_IOC_SNAP_CREATE_V2 */,
};

/* SCMP_CMP() omits the second datum if it has no meaning. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static int
refuse_arguments (scmp_filter_ctx filter)
{
  /* On s390 the flags are the second argument of clone. */
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
  /* Sockets reach beyond mounts: services of the host could be reached through a visible directory, and some families
   * are not separated by network namespaces, or use complex code of the kernel. */
  for (unsigned int family = 0; family <= AF_NETLINK; family++)
    if (family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
      rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EAFNOSUPPORT), SCMP_SYS (socket), 1,
                              SCMP_CMP (0, SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, family));
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EAFNOSUPPORT), SCMP_SYS (socket), 1,
                          SCMP_CMP (0, SCMP_CMP_GT, AF_NETLINK));
  /* The limits of other processes, for example of process 1, which watches. */
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (prlimit64), 1, SCMP_CMP (0, SCMP_CMP_NE, 0));
  /* All personalities that make attacks on memory easier. setarch uses PER_LINUX32 for another architecture. Only
   * 0xffffffff, which is a query, may have the highest bit. */
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
add_names (scmp_filter_ctx filter, uint32_t action, const char *const *names)
{
  int rc = 0;

  for (size_t i = 0; rc == 0 && names[i] != NULL; i++)
    {
      int number = seccomp_syscall_resolve_name (names[i]);
      if (number != __NR_SCMP_ERROR)
        rc = seccomp_rule_add (filter, action, number, 0);
    }
  return rc;
}

/* libseccomp's name for an architecture of Meson. */
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
  if (arch == SCMP_ARCH_X86_64 && seccomp_arch_add (filter, SCMP_ARCH_X86) < 0) /* 32-bit programs get the same rules */
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
  int rc = add_names (allow, SCMP_ACT_ALLOW, allowed_calls);

  if (rc == 0)
    rc = add_names (refuse, SCMP_ACT_ERRNO (EPERM), refused_calls);
  if (rc == 0)
    rc = add_names (refuse, SCMP_ACT_ERRNO (0), pretended_calls);
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
