/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Detects that a command opens /proc/kallsyms. A process without capabilities reads zeros there instead of addresses,
 * so a script that reads addresses would compile another module than as root, without an error. Nothing is watched
 * if root and the command see the same.
 *
 * Process 1 has a lease on the file, which somebody else who opens it breaks. A process that has used inotify takes ten
 * milliseconds to end; inotify is used where the kernel grants no lease. Sources: proc_kallsyms(5), fcntl(2),
 * inotify(7).
 */
#define _GNU_SOURCE
#include "sandbox-symbols.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char file[] = "/proc/kallsyms";

/* Whether this process sees non-zero addresses at the beginning of the file. */
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

/* Whether addresses are visible with CAP_SYSLOG only. */
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
  /* Both watch an inode. The kernel keeps it as long as the file is open. */
  int kept = hides_addresses () ? open (file, O_RDONLY | O_CLOEXEC) : -1;
  sigset_t broken;

  if (kept < 0)
    return;
  (void)sigemptyset (&broken);
  (void)sigaddset (&broken, SIGIO);
  if (sigprocmask (SIG_BLOCK, &broken, NULL) == 0 && fcntl (kept, F_SETLEASE, F_WRLCK) == 0)
    {
      self->symbols = kept;
      self->leased = 1;
      return;
    }
  self->symbols = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  if (self->symbols < 0 || inotify_add_watch (self->symbols, file, IN_OPEN) < 0)
    sandbox_die (self, "watch", file);
}

static int
has_lease (const Sandbox *self)
{
  return fcntl (self->symbols, F_GETLEASE) == F_WRLCK;
}

void
sandbox_release_symbols (const Sandbox *self)
{
  if (self->leased && !has_lease (self))
    (void)fcntl (self->symbols, F_SETLEASE, F_UNLCK);
}

void
sandbox_forget_symbols (const Sandbox *self)
{
  if (!self->leased)
    (void)sandbox_saw_symbols (self);
  else if (!has_lease (self) && fcntl (self->symbols, F_SETLEASE, F_WRLCK) < 0)
    sandbox_die (self, "watch", file);
}

int
sandbox_saw_symbols (const Sandbox *self)
{
  char events[1024];
  int seen = 0;

  if (self->leased)
    return !has_lease (self);
  while (self->symbols >= 0 && read (self->symbols, events, sizeof events) > 0)
    seen = 1;
  return seen;
}
