/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Id-mapped mounts, in which two users have exchanged their files. The mapping of such a mount is that of a user
 * namespace. Sources: mount_setattr(2), user_namespaces(7). */
#define _GNU_SOURCE
#include "sandbox-idmap.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox-world.h"

/* Missing in some versions of libc. */
#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif

/* All ids except the last one, (uid_t)-1, which stands for no user. */
static const unsigned int IDS = UINT_MAX;

unsigned int
sandbox_exchanged (unsigned int id, unsigned int owner, unsigned int user)
{
  return id == owner ? user : id == user ? owner : id;
}

/* One line of a mapping: @count ids from @inside on are those from @outside on. */
static int
add_extent (char *text, size_t size, unsigned int inside, unsigned int outside, unsigned int count)
{
  size_t n = strlen (text);
  int more = count > 0 ? snprintf (text + n, size - n, "%u %u %u\n", inside, outside, count) : 0;

  return more >= 0 && (size_t)more < size - n ? 0 : -1;
}

/* Writes the mapping in which @a and @b are exchanged to the file @name of the process @dir. Returns: 0, or -1 */
static int
put_map (int dir, const char *name, unsigned int a, unsigned int b)
{
  const unsigned int low = a < b ? a : b, high = a < b ? b : a;
  char text[256] = "";
  int fd, ok;

  if (add_extent (text, sizeof text, 0, 0, low) < 0 || add_extent (text, sizeof text, low, high, 1) < 0
      || (high > low
          && (add_extent (text, sizeof text, low + 1, low + 1, high - low - 1) < 0
              || add_extent (text, sizeof text, high, low, 1) < 0))
      || add_extent (text, sizeof text, high + 1, high + 1, IDS - high - 1) < 0)
    return -1;
  fd = openat (dir, name, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return -1;
  ok = write (fd, text, strlen (text)) == (ssize_t)strlen (text);
  return close (fd) == 0 && ok ? 0 : -1;
}

/* Starts a process that only holds a new user namespace. Returns: its pid, or -1 */
static pid_t
hold_namespace (void)
{
  int ready[2];
  char byte;
  pid_t pid;

  if (pipe2 (ready, O_CLOEXEC) < 0)
    return -1;
  pid = fork ();
  if (pid == 0)
    {
      if (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0 || unshare (CLONE_NEWUSER) < 0 || write (ready[1], "", 1) != 1)
        _exit (1);
      for (;;)
        (void)pause ();
    }
  (void)close (ready[1]);
  if (pid > 0 && read (ready[0], &byte, 1) != 1)
    {
      (void)kill (pid, SIGKILL);
      (void)waitpid (pid, NULL, 0);
      pid = -1;
    }
  (void)close (ready[0]);
  return pid;
}

void
sandbox_hold_namespaces (Sandbox *self)
{
  if (!self->user || geteuid () != 0)
    return;
  for (size_t i = 0; i < self->count; i++)
    for (size_t k = 0; self->changes[i].kind == OVERLAY && self->changes[i].holder == 0 && k < self->count; k++)
      if ((self->changes[k].kind == EXCHANGE || self->changes[k].kind == CLAIM)
          && strcmp (self->changes[k].path, self->changes[i].path) == 0)
        self->changes[i].holder = hold_namespace ();
}

/* Returns: a descriptor of the namespace that @pid holds, with its mapping; -1: not permitted */
static int
open_namespace (const Sandbox *self, pid_t pid, const struct stat *owner)
{
  char name[32];
  int dir, namespace = -1;

  (void)snprintf (name, sizeof name, "%d", (int)pid);
  dir = openat (self->proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0)
    return -1;
  if (put_map (dir, "uid_map", owner->st_uid, self->uid) == 0
      && put_map (dir, "gid_map", owner->st_gid, self->gid) == 0)
  namespace = openat (dir, "ns/user", O_RDONLY | O_CLOEXEC);
  (void)close (dir);
  return namespace;
}

/* Returns: a detached mount of @path with the mapping of @namespace; -1: the file system or the kernel cannot do that
 */
static int
map_tree (const char *path, int namespace)
{
  struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned long long)namespace };
  int tree = sandbox_clone_tree (path);

  if (tree < 0 || syscall (SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0)
    return tree;
  (void)close (tree);
  return -1;
}

void
sandbox_exchange_owner (const Sandbox *self, SandboxChange *overlay)
{
  struct stat st;
  int namespace;

  if (overlay->holder <= 0)
    return;
  /* The user will have the rights of the owner, not more. */
  if (stat (overlay->path, &st) == 0 && st.st_uid != self->uid && (st.st_mode & 0700) == 0700
      && (namespace = open_namespace (self, overlay->holder, &st)) >= 0)
    {
      overlay->tree = map_tree (overlay->path, namespace);
      (void)close (namespace);
    }
  (void)kill (overlay->holder, SIGKILL);
  (void)waitpid (overlay->holder, NULL, 0);
  overlay->holder = 0;
}
