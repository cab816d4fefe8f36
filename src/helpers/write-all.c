/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Repeats write(2). */
#include "helpers/write-all.h"

#include <errno.h>
#include <unistd.h>

bool
write_all (int fd, const void *bytes, size_t n)
{
  const char *at = bytes;

  while (n > 0)
    {
      ssize_t done = write (fd, at, n);
      if (done < 0 && errno != EINTR)
        return false;
      at += done > 0 ? done : 0;
      n -= done > 0 ? (size_t)done : 0;
    }
  return true;
}
