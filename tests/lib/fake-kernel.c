/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Preloaded into dkms, so that no test asks the kernel of this machine to load a file. finit_module(2) is answered with
 * the numbers in FAKE_ERRORS, one after the other; FAKE_FILES is a directory for copies of the files. uname(2) says
 * FAKE_RELEASE and FAKE_VERSION. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static long
answer (int fd)
{
  static int number;
  char path[4000], *at = getenv ("FAKE_ERRORS");

  snprintf (path, sizeof path, "%s/%d", getenv ("FAKE_FILES"), ++number);
  int copy = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (copy < 0 || sendfile (copy, fd, NULL, 1 << 20) <= 0 || close (copy) < 0)
    abort ();
  for (int i = 1; i <= number; i++)
    errno = (int)strtol (at, &at, 10);
  return errno == 0 ? 0 : -1;
}

long
syscall (long number, ...)
{
  long (*real) (long, ...) = (long (*) (long, ...))dlsym (RTLD_NEXT, "syscall");
  long words[6];
  va_list list;

  va_start (list, number);
  for (int i = 0; i < 6; i++)
    words[i] = va_arg (list, long);
  va_end (list);
  if (number == SYS_finit_module)
    return answer ((int)words[0]);
  return real (number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

int
uname (struct utsname *to)
{
  if (syscall (SYS_uname, to) < 0)
    return -1;
  snprintf (to->release, sizeof to->release, "%s", getenv ("FAKE_RELEASE"));
  snprintf (to->version, sizeof to->version, "%s", getenv ("FAKE_VERSION"));
  return 0;
}
