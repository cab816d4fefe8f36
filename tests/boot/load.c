/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads a module and says exactly what the kernel answers. Usage: load FILE FLAGS
 * FLAGS: of finit_module(2); 4 has the kernel decompress the file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int
main (int argc, char **argv)
{
  int fd = argc == 3 ? open (argv[1], O_RDONLY | O_CLOEXEC) : -1;

  if (fd < 0)
    return fprintf (stderr, "load: cannot open a file\n"), 2;
  if (syscall (SYS_finit_module, fd, "", atoi (argv[2])) == 0)
    return puts ("OK"), 0;
  puts (strerrorname_np (errno));
  return 1;
}
