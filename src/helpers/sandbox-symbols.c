/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The addresses of the kernel's symbols. Whoever has no capability reads zeros in /proc/kallsyms, and a script that
 * looks for addresses there compiles another module than it would as root, without an error. So it is noticed that the
 * file is opened, if root sees more in it than the command does. Sources: proc_kallsyms(5), inotify(7). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"

static const char file[] = "/proc/kallsyms";

/* Whether any address at the beginning of the file, as this process may read it, is not zero. */
static int
shows_addresses (void)
{
  char text[16384];
  int fd = open (file, O_RDONLY | O_CLOEXEC), shows = 0;
  ssize_t n = 0, have = 0;

  while (fd >= 0 && have < (ssize_t)sizeof text - 1 && (n = read (fd, text + have, sizeof text - 1 - (size_t)have)) > 0)
    have += n;
  text[have] = '\0';
  for (const char *line = text; line != NULL && *line != '\0' && !shows;
       line = strchr (line, '\n'), line += line != NULL)
    shows = line[strspn (line, "0")] != ' ' && strchr (line, ' ') != NULL;
  if (fd >= 0)
    (void)close (fd);
  return shows;
}

/* Whether a process with the capability is shown addresses, and one without it is not. */
static int
hides_addresses (void)
{
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct have[2], few[2];
  int shows;

  if (!shows_addresses () || syscall (SYS_capget, &header, have) < 0)
    return 0;
  memcpy (few, have, sizeof few);
  few[CAP_TO_INDEX (CAP_SYSLOG)].effective &= ~CAP_TO_MASK (CAP_SYSLOG);
  if (syscall (SYS_capset, &header, few) < 0)
    return 0;
  shows = shows_addresses ();
  return syscall (SYS_capset, &header, have) == 0 && !shows;
}

void
sandbox_watch_symbols (Sandbox *self)
{
  /* As long as the file is open, the kernel has one and the same inode for it, which is what is watched. */
  int kept = hides_addresses () ? open (file, O_RDONLY | O_CLOEXEC) : -1;

  if (kept < 0)
    return;
  self->symbols = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  if (self->symbols < 0 || inotify_add_watch (self->symbols, file, IN_OPEN) < 0)
    sandbox_die (self, "watch", file);
}

int
sandbox_saw_symbols (const Sandbox *self)
{
  char events[1024];
  int seen = 0;

  while (self->symbols >= 0 && read (self->symbols, events, sizeof events) > 0)
    seen = 1;
  return seen;
}
