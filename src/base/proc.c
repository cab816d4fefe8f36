/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Substitutes for a missing /proc and /dev/null. */
#define _GNU_SOURCE
#include "base/proc.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

static gboolean
has_proc (void)
{
  return access ("/proc/self/fd", F_OK) == 0;
}

/* Keeps later mounts from propagating to other namespaces. In a chroot, "/" need not be a mount point; then the
 * propagation is changed at the root of the namespace, which setns(2) enters. Returns: FALSE with errno */
static gboolean
make_mounts_private (void)
{
  g_auto (DkmsFd) here = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  g_auto (DkmsFd) cwd = open (".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  g_auto (DkmsFd) self = (int)syscall (SYS_pidfd_open, getpid (), 0);
  gboolean ok;

  if (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
    return TRUE;
  if (here < 0 || self < 0 || setns (self, CLONE_NEWNS) < 0)
    return FALSE;
  ok = mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
  if (fchdir (here) < 0 || chroot (".") < 0)
    abort (); /* otherwise the process would continue in another root */
  (void)fchdir (cwd >= 0 ? cwd : here);
  return ok;
}

gboolean
dkms_proc_ensure (GError **error)
{
  struct stat st;

  if (has_proc ())
    return TRUE;
  if (stat ("/proc", &st) < 0)
    return DKMS_FAIL (error, NO_PROC_DIRECTORY, .path = "/proc");
  if (geteuid () == 0 && unshare (CLONE_NEWNS) == 0 && make_mounts_private ()
      && mount ("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 && has_proc ())
    return TRUE;
  return DKMS_FAIL (error, PROC_NOT_MOUNTED, .path = "/proc");
}

int
dkms_null_open (void)
{
  int fd = open ("/dev/null", O_RDWR | O_CLOEXEC);

  return fd >= 0 ? fd : memfd_create ("null", MFD_CLOEXEC);
}
