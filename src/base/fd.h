/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file descriptor that is closed at the end of its scope. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <unistd.h>

typedef int DkmsFd; /* -1: none */

static inline void
dkms_fd_drop (DkmsFd fd)
{
  int saved = errno;

  (void)close (fd); /* this is for descriptors that were read; writers close theirs by hand and check the result */
  errno = saved;
}
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (DkmsFd, dkms_fd_drop, -1)

/** Hands the descriptor over to the caller; @fd holds none afterwards. */
static inline int
dkms_fd_steal (DkmsFd *fd)
{
  int taken = *fd;

  *fd = -1;
  return taken;
}

/** Duplicates @fd to a number that scripts do not use: @least or above, or 10 or above if the limit of open files is
 * low. Returns: a descriptor that is closed on exec; -1 with errno */
static inline int
dkms_fd_duplicate_high (int fd, int least)
{
  int high = fcntl (fd, F_DUPFD_CLOEXEC, least);

  return high < 0 && (errno == EINVAL || errno == EMFILE) ? fcntl (fd, F_DUPFD_CLOEXEC, 10) : high;
}
