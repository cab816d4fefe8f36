/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The namespaces and mounts of a sandbox. Sources: mount_setattr(2), open_tree(2), pid_namespaces(7),
 * user_namespaces(7). */
#define _GNU_SOURCE
#include "sandbox-world.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sandbox-changes.h"
#include "sandbox-idmap.h"
#include "sandbox-overlay.h"

/* Missing in some versions of libc. */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef FSOPEN_CLOEXEC
#define FSOPEN_CLOEXEC 1
#define FSMOUNT_CLOEXEC 1
enum { FSCONFIG_CMD_CREATE = 6 };
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#endif

static const struct {
  const char *name;
  unsigned int minor; /* of major number 1 */
} nodes[] = { { "null", 3 }, { "zero", 5 }, { "full", 7 }, { "random", 8 }, { "urandom", 9 } };
enum { NODES = sizeof nodes / sizeof *nodes, MEM_MAJOR = 1 };

/* ---- system calls without wrappers ---- */

int
sandbox_clone_tree_at (int dir, const char *path)
{
  return (int)syscall (SYS_open_tree, dir, path,
                       OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE | AT_NO_AUTOMOUNT | AT_EMPTY_PATH);
}

int
sandbox_clone_tree (const char *path)
{
  return sandbox_clone_tree_at (AT_FDCWD, path);
}

int
sandbox_attach_tree (int tree, const char *path)
{
  return (int)syscall (SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

int
sandbox_set_attributes (int fd, unsigned int recursive, unsigned long long set, unsigned long long clear)
{
  struct mount_attr attr = { .attr_set = set, .attr_clr = clear };

  return (int)syscall (SYS_mount_setattr, fd, "", AT_EMPTY_PATH | recursive, &attr, sizeof attr);
}

int
sandbox_set_attributes_of (const char *path, unsigned int recursive, unsigned long long set)
{
  struct mount_attr attr = { .attr_set = set };

  return (int)syscall (SYS_mount_setattr, AT_FDCWD, path, recursive, &attr, sizeof attr);
}

/* ---- the world ---- */

static void
put_text (const Sandbox *self, const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  if (fd < 0 || write (fd, text, strlen (text)) < 0)
    sandbox_lack (self, "write", path);
  (void)close (fd);
}

/* Creates new namespaces. For callers without root privileges, a user namespace permits the others. */
void
sandbox_unshare (const Sandbox *self)
{
  int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWCGROUP;
  uid_t uid = geteuid ();
  gid_t gid = getegid ();
  char map[64];

  if (uid == 0)
    {
      if (unshare (flags) < 0)
        sandbox_lack (self, "namespaces", NULL);
      return;
    }
  if (unshare (flags | CLONE_NEWUSER) < 0)
    sandbox_lack (self, "user namespace", NULL);
  put_text (self, "/proc/self/setgroups", "deny");
  (void)snprintf (map, sizeof map, "%u %u 1", uid, uid);
  put_text (self, "/proc/self/uid_map", map);
  (void)snprintf (map, sizeof map, "%u %u 1", gid, gid);
  put_text (self, "/proc/self/gid_map", map);
}

void
sandbox_new_store (Sandbox *self, const char *name, mode_t mode, char path[static SANDBOX_STORE_PATH])
{
  (void)snprintf (path, SANDBOX_STORE_PATH, "/dev/%d-%s", self->stores++, name);
  if (mkdir (path, 0700) < 0 || chmod (path, mode) < 0)
    sandbox_die (self, "make", path);
}

/* Creates a device node for @path if no existing one could be cloned. Returns: a tree that contains it; -1: only root
 * of the host may do so */
static int
make_node (const char *path, unsigned int minor)
{
  int tree;

  (void)unlink (path);
  if (mknod (path, S_IFCHR | 0666, makedev (MEM_MAJOR, minor)) < 0 || chmod (path, 0666) < 0
      || (tree = sandbox_clone_tree (path)) < 0)
    return -1;
  if (sandbox_set_attributes (tree, 0, 0, MOUNT_ATTR_NODEV) == 0)
    return tree;
  (void)close (tree);
  return -1;
}

static void
add_nodes (const Sandbox *self, const int *trees, const char *dev)
{
  for (size_t i = 0; i < NODES; i++)
    {
      char path[SANDBOX_STORE_PATH + 64];
      int tree = trees[i], fd;

      (void)snprintf (path, sizeof path, "%s/%s", dev, nodes[i].name);
      if (tree < 0 && (tree = make_node (path, nodes[i].minor)) < 0)
        {
          (void)unlink (path);
          continue;
        }
      fd = open (path, O_PATH | O_CREAT | O_CLOEXEC, 0600);
      if (fd < 0)
        fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      if (fd < 0 || sandbox_attach_tree (tree, path) < 0)
        sandbox_die (self, "make", path);
      (void)close (fd);
      (void)close (tree);
    }
}

/* Creates a file system in memory for all writable directories, with the harmless devices of /dev. */
static void
make_store (Sandbox *self, const int *trees, char dev[static SANDBOX_STORE_PATH])
{
  char option[64], path[SANDBOX_STORE_PATH + 64];

  (void)snprintf (option, sizeof option, "mode=0755,size=%s", self->tmp_size != NULL ? self->tmp_size : "25%");
  if (mount ("dkms", "/dev", "tmpfs", MS_NOSUID | MS_NODEV, option) < 0)
    sandbox_die (self, "cover", "/dev");
  sandbox_new_store (self, "dev", 0755, dev);
  add_nodes (self, trees, dev);
  (void)snprintf (path, sizeof path, "%s/shm", dev);
  if (mkdir (path, 0700) < 0 || chmod (path, 01777) < 0)
    sandbox_die (self, "make", path);
  static const char *const links[][2] = { { "/proc/self/fd", "fd" },
                                          { "/proc/self/fd/0", "stdin" },
                                          { "/proc/self/fd/1", "stdout" },
                                          { "/proc/self/fd/2", "stderr" } };
  for (size_t i = 0; i < sizeof links / sizeof *links; i++)
    {
      (void)snprintf (path, sizeof path, "%s/%s", dev, links[i][1]);
      if (symlink (links[i][0], path) < 0)
        sandbox_die (self, "make", path);
    }
}

/* Makes all mounts private. This is only possible from the root of all mounts. In a chroot, "/" is below it; a process
 * that joins a mount namespace, even its own, starts at its root (setns(2)). */
static void
separate (Sandbox *self)
{
  int here = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC), ourselves = (int)syscall (SYS_pidfd_open, getpid (), 0);

  if (here < 0 || ourselves < 0 || setns (ourselves, CLONE_NEWNS) < 0
      || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    sandbox_lack (self, "separate", "/");
  sandbox_hold_namespaces (self);
  if (fchdir (here) < 0 || chroot (".") < 0)
    sandbox_lack (self, "separate", "/");
  (void)close (here);
  (void)close (ourselves);
}

/* Makes "/" the root of the sandbox, and a mount of its own. */
static void
enter (const Sandbox *self)
{
  int tree = sandbox_clone_tree (self->root);

  if (tree < 0 || sandbox_attach_tree (tree, self->root) < 0 || fchdir (tree) < 0 || chroot (".") < 0
      || chdir ("/") < 0)
    sandbox_die (self, "enter", self->root);
  (void)close (tree);
}

/* Returns a detached mount of the /proc of this process namespace with more @attributes. */
static int
new_proc (const Sandbox *self, unsigned int attributes)
{
  int context = (int)syscall (SYS_fsopen, "proc", FSOPEN_CLOEXEC), fd = -1;

  if (context >= 0 && syscall (SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
    fd = (int)syscall (SYS_fsmount, context, FSMOUNT_CLOEXEC,
                       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | attributes);
  if (fd < 0)
    sandbox_lack (self, "mount", "/proc");
  (void)close (context);
  return fd;
}

void
sandbox_change_world (Sandbox *self)
{
  char dev[SANDBOX_STORE_PATH], *mounts;
  int trees[NODES];

  separate (self);
  self->proc = new_proc (self, 0);
  /* Collects data from outside the root, while it is visible. */
  mounts = sandbox_read_mounts ();
  for (size_t i = 0; i < NODES; i++)
    {
      char path[64];
      struct stat st;
      (void)snprintf (path, sizeof path, "/dev/%s", nodes[i].name);
      trees[i] = stat (path, &st) == 0 && S_ISCHR (st.st_mode) ? sandbox_clone_tree (path) : -1;
    }
  for (size_t i = 0; i < self->count; i++)
    sandbox_take (self, &self->changes[i]);

  enter (self);
  for (size_t i = 0; i < self->count; i++)
    sandbox_note_writable (self, &self->changes[i]);
  /* Devices and set-user-id files must not work anywhere, for example in the /dev of an image. */
  if (sandbox_set_attributes_of ("/", AT_RECURSIVE, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID) < 0)
    sandbox_lack (self, "close", "/");
  for (size_t i = 0; i < self->count; i++)
    sandbox_prepare (self, &self->changes[i], mounts);
  free (mounts);
  make_store (self, trees, dev);
  for (size_t i = 0; i < self->count; i++)
    sandbox_do (self, &self->changes[i]);
  if (self->outside >= 0)
    (void)close (self->outside);
  self->outside = -1;
  for (size_t i = 0; i < self->count; i++)
    sandbox_close_mask (self, &self->changes[i]);
  if (mount (dev, "/dev", NULL, MS_BIND | MS_REC, NULL) < 0)
    sandbox_die (self, "cover", "/dev");
}

ssize_t
sandbox_read_proc (const Sandbox *self, const char *path, char *text, size_t size)
{
  int fd = openat (self->proc, path, O_RDONLY | O_CLOEXEC);
  ssize_t n;

  if (fd < 0)
    return -1;
  n = read (fd, text, size - 1);
  text[n > 0 ? n : 0] = '\0';
  (void)close (fd);
  return n;
}

/* Finds the maximum number of threads of this namespace, before it gets a limit of its own. */
static void
find_ceiling (Sandbox *self)
{
  static const char *const limits[] = { "sys/kernel/pid_max", "sys/kernel/threads-max" };

  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
    {
      char text[32];
      long limit = sandbox_read_proc (self, limits[i], text, sizeof text) > 0 ? strtol (text, NULL, 10) : 0;

      if (limit > 0 && (self->ceiling == 0 || limit < self->ceiling))
        self->ceiling = limit;
    }
}

/* Since Linux 6.14 the process namespace limits the number of processes. On older kernels the same file belongs to the
 * whole machine. */
static void
limit_namespace (const Sandbox *self)
{
  struct utsname uts;
  int major = 0, minor = 0, fd;
  char text[32];

  if (self->processes <= 0 || uname (&uts) < 0 || sscanf (uts.release, "%d.%d", &major, &minor) != 2 || major < 6
      || (major == 6 && minor < 14))
    return;
  fd = openat (self->proc, "sys/kernel/pid_max", O_WRONLY | O_CLOEXEC);
  (void)snprintf (text, sizeof text, "%ld", self->processes + SANDBOX_SPARE_PROCESSES);
  if (fd >= 0 && write (fd, text, strlen (text)) < 0)
    (void)0; /* process 1 still watches the number */
  if (fd >= 0)
    (void)close (fd);
}

void
sandbox_mount_proc (Sandbox *self)
{
  struct stat st;

  find_ceiling (self);
  limit_namespace (self);
  if (stat ("/proc", &st) < 0)
    return; /* a root without /proc */
  int fd = new_proc (self, MOUNT_ATTR_RDONLY);
  if (sandbox_attach_tree (fd, "/proc") < 0)
    sandbox_lack (self, "mount", "/proc");
  (void)close (fd);
}
