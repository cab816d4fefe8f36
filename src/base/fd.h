/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file descriptor that closes itself at the end of its scope. */
#pragma once

#include <errno.h>
#include <glib.h>
#include <unistd.h>

typedef int DkmsFd; /* -1: none */

static inline void
dkms_fd_drop (DkmsFd fd)
{
  int saved = errno;

  (void)close (fd); /* for reading only: what was written is closed by hand and checked */
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
