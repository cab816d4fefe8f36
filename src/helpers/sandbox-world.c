/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The namespaces and mounts of a sandbox. Sources: mount_setattr(2), open_tree(2), pid_namespaces(7),
 * user_namespaces(7). */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sandbox.h"

/* Not in every libc yet. */
#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 0x00000001
struct mount_attr {
  unsigned long long attr_set, attr_clr, propagation, userns_fd;
};
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

enum { STORE_PATH = 48 };

static const char *const nodes[] = { "null", "zero", "full", "random", "urandom" };

/* ---- system calls without wrappers ---- */

static int
clone_tree (const char *path)
{
  return (int)syscall (SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE);
}

static int
attach_tree (int tree, const char *path)
{
  return (int)syscall (SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

static int
make_read_only (const char *path, unsigned int recursive)
{
  struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

  return (int)syscall (SYS_mount_setattr, AT_FDCWD, path, recursive, &attr, sizeof attr);
}

/* ---- the world ---- */

static void
put_text (const Sandbox *self, const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  if (fd < 0 || write (fd, text, strlen (text)) < 0)
    sandbox_die (self, "write", path);
  (void)close (fd);
}

/* New namespaces. Without root's privilege only a user namespace gives the right to the others. */
void
sandbox_leave (const Sandbox *self)
{
  int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWCGROUP;
  uid_t uid = geteuid ();
  gid_t gid = getegid ();
  char map[64];

  if (uid == 0)
    {
      if (unshare (flags) < 0)
        sandbox_die (self, "namespaces", NULL);
      return;
    }
  if (unshare (flags | CLONE_NEWUSER) < 0)
    sandbox_die (self, "user namespace", NULL);
  put_text (self, "/proc/self/setgroups", "deny");
  (void)snprintf (map, sizeof map, "%u %u 1", uid, uid);
  put_text (self, "/proc/self/uid_map", map);
  (void)snprintf (map, sizeof map, "%u %u 1", gid, gid);
  put_text (self, "/proc/self/gid_map", map);
}

/* Creates @path and its parents, as far as the mounts so far allow. */
static void
make_dirs (const char *path, mode_t mode)
{
  char walk[PATH_MAX];

  (void)snprintf (walk, sizeof walk, "%s", path);
  for (char *p = walk + 1; *p != '\0'; p++)
    if (*p == '/')
      {
        *p = '\0';
        (void)mkdir (walk, 0755);
        *p = '/';
      }
  (void)mkdir (walk, mode);
}

/* A new directory in the store, which lies under /dev until all is done. */
static void
new_store (Sandbox *self, const char *name, mode_t mode, char path[static STORE_PATH])
{
  (void)snprintf (path, STORE_PATH, "/dev/%d-%s", self->stores++, name);
  if (mkdir (path, 0700) < 0 || chmod (path, mode) < 0)
    sandbox_die (self, "make", path);
}

/* A file system in memory for all that may be written, and the harmless nodes of /dev in it. */
static void
make_store (Sandbox *self, const int *trees, char dev[static STORE_PATH])
{
  char option[64], path[STORE_PATH + 64];

  (void)snprintf (option, sizeof option, "mode=0755,size=%s", self->tmp_size != NULL ? self->tmp_size : "25%");
  if (mount ("dkms", "/dev", "tmpfs", MS_NOSUID, option) < 0)
    sandbox_die (self, "cover", "/dev");
  new_store (self, "dev", 0755, dev);
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
    {
      int fd;

      (void)snprintf (path, sizeof path, "%s/%s", dev, nodes[i]);
      fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      if (fd < 0 || trees[i] < 0 || attach_tree (trees[i], path) < 0)
        sandbox_die (self, "make", path);
      (void)close (fd);
    }
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

static void
bind_over (const Sandbox *self, const char *from, const char *to)
{
  if (mount (from, to, NULL, MS_BIND, NULL) < 0)
    sandbox_die (self, "cover", to);
}

static void
do_mask (Sandbox *self, const char *path)
{
  char empty[STORE_PATH];
  struct stat st;

  if (stat (path, &st) < 0)
    return;
  if (S_ISDIR (st.st_mode))
    new_store (self, "empty", 0555, empty);
  else
    {
      int fd;

      (void)snprintf (empty, STORE_PATH, "/dev/%d-empty", self->stores++);
      fd = open (empty, O_WRONLY | O_CREAT | O_CLOEXEC, 0);
      if (fd < 0)
        sandbox_die (self, "make", empty);
      (void)close (fd);
    }
  bind_over (self, empty, path);
  if (make_read_only (path, 0) < 0)
    sandbox_die (self, "close", path);
}

static void
do_overlay (Sandbox *self, const char *path)
{
  char upper[STORE_PATH], work[STORE_PATH], *options = NULL;
  struct stat st;

  if (stat (path, &st) < 0 || !S_ISDIR (st.st_mode))
    return;
  new_store (self, "upper", st.st_mode & 07777, upper);
  new_store (self, "work", 0700, work);
  if (geteuid () == 0 && chown (upper, st.st_uid, st.st_gid) < 0)
    sandbox_die (self, "set the owner of", upper);
  if (strpbrk (path, ",:\\") != NULL)
    {
      errno = EINVAL;
      sandbox_die (self, "overlay", path);
    }
  /* Whoever is in a user namespace may not set trusted attributes; the kernel offers others. */
  if (asprintf (&options, "lowerdir=%s,upperdir=%s,workdir=%s%s", path, upper, work,
                geteuid () == 0 ? "" : ",userxattr")
          < 0
      || mount ("dkms", path, "overlay", MS_NOSUID | MS_NODEV, options) < 0)
    sandbox_die (self, "overlay", path);
  free (options);
}

/* Whether something else will be shown as @path: then it must not hang on what is there now, which others may delete,
 * and the mount with it. */
static int
is_replaced (const Sandbox *self, const char *path)
{
  for (int i = 0; i < self->count; i++)
    if (self->changes[i].kind == BIND && strcmp (self->changes[i].path, path) == 0)
      return 1;
  return 0;
}

/* The entries of @path appear again in a directory of the store, in which others can be made. */
static void
do_cover (Sandbox *self, const char *path)
{
  DIR *dir = opendir (path);
  char cover[STORE_PATH];
  const struct dirent *entry;

  if (dir == NULL && errno == ENOENT)
    return;
  if (dir == NULL)
    sandbox_die (self, "read", path);
  new_store (self, "cover", 0755, cover);
  while ((entry = readdir (dir)) != NULL)
    {
      char *from = NULL, *to = NULL, text[PATH_MAX];
      struct stat st;
      ssize_t n;
      int fd;

      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
        continue;
      if (asprintf (&from, "%s/%s", path, entry->d_name) < 0 || asprintf (&to, "%s/%s", cover, entry->d_name) < 0)
        sandbox_die (self, "show", path);
      if (lstat (from, &st) < 0)
        st.st_mode = 0; /* gone meanwhile */
      if (S_ISLNK (st.st_mode))
        {
          n = readlink (from, text, sizeof text - 1);
          text[n > 0 ? n : 0] = '\0';
          if (symlink (text, to) < 0)
            sandbox_die (self, "show", from);
        }
      else if (S_ISDIR (st.st_mode))
        {
          if (mkdir (to, 0755) < 0)
            sandbox_die (self, "show", from);
          if (!is_replaced (self, from) && mount (from, to, NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            sandbox_die (self, "show", from);
        }
      else if (S_ISREG (st.st_mode))
        {
          fd = open (to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
          if (fd < 0)
            sandbox_die (self, "show", from);
          (void)close (fd);
          if (mount (from, to, NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            sandbox_die (self, "show", from);
        }
      free (from);
      free (to);
    }
  (void)closedir (dir);
  if (mount (cover, path, NULL, MS_BIND | MS_REC, NULL) < 0)
    sandbox_die (self, "cover", path);
}

static void
do_attach (const Sandbox *self, const SandboxChange *change)
{
  if (change->tree < 0)
    return;
  make_dirs (change->path, 0755);
  if (attach_tree (change->tree, change->path) < 0)
    sandbox_die (self, "show", change->path);
  (void)close (change->tree);
}

/* No mount is shared with another namespace from now on. Only the root of all mounts can be told so; in a chroot, "/"
 * is somewhere below it, and whoever joins a mount namespace, be it his own, starts at its root (setns(2)). */
static void
separate (const Sandbox *self)
{
  int here = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC), ourselves = (int)syscall (SYS_pidfd_open, getpid (), 0);

  if (here < 0 || ourselves < 0 || setns (ourselves, CLONE_NEWNS) < 0
      || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || fchdir (here) < 0 || chroot (".") < 0)
    sandbox_die (self, "separate", "/");
  (void)close (here);
  (void)close (ourselves);
}

/* "/" is the root of the world from now on, and a mount of its own. */
static void
enter (const Sandbox *self)
{
  int tree = clone_tree (self->root);

  if (tree < 0 || attach_tree (tree, self->root) < 0 || fchdir (tree) < 0 || chroot (".") < 0 || chdir ("/") < 0)
    sandbox_die (self, "enter", self->root);
  (void)close (tree);
}

void
sandbox_change_world (Sandbox *self)
{
  char dev[STORE_PATH], fresh[STORE_PATH];
  int trees[sizeof nodes / sizeof *nodes];

  separate (self);
  /* What is taken from outside, before there is no outside any more. */
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
    {
      char path[64];
      (void)snprintf (path, sizeof path, "/dev/%s", nodes[i]);
      trees[i] = clone_tree (path);
    }
  for (int i = 0; i < self->count; i++)
    if (self->changes[i].kind == BIND && (self->changes[i].tree = clone_tree (self->changes[i].from)) < 0)
      sandbox_die (self, "take", self->changes[i].from);

  enter (self);
  if (make_read_only ("/", AT_RECURSIVE) < 0)
    sandbox_die (self, "close", "/");
  for (int i = 0; i < self->count; i++)
    if (self->changes[i].kind == EXPOSE)
      self->changes[i].tree = clone_tree (self->changes[i].path);
  make_store (self, trees, dev);

  for (int i = 0; i < self->count; i++)
    {
      const SandboxChange *change = &self->changes[i];
      struct stat st;

      switch (change->kind)
        {
        case FRESH:
          if (stat (change->path, &st) < 0 || !S_ISDIR (st.st_mode))
            break;
          new_store (self, "fresh", 01777, fresh);
          bind_over (self, fresh, change->path);
          break;
        case MASK:
          do_mask (self, change->path);
          break;
        case OVERLAY:
          do_overlay (self, change->path);
          break;
        case COVER:
          do_cover (self, change->path);
          break;
        case EXPOSE:
        case BIND:
          do_attach (self, change);
          break;
        }
    }
  if (mount (dev, "/dev", NULL, MS_BIND | MS_REC, NULL) < 0)
    sandbox_die (self, "cover", "/dev");
}

/* Since Linux 6.14 the number of processes is limited by the process namespace itself; before that, the same file is
 * about the whole machine. */
static void
limit_namespace (const Sandbox *self)
{
  struct utsname uts;
  int major = 0, minor = 0, fd;
  char text[32];

  if (self->processes <= 0 || uname (&uts) < 0 || sscanf (uts.release, "%d.%d", &major, &minor) != 2 || major < 6
      || (major == 6 && minor < 14))
    return;
  fd = open ("/proc/sys/kernel/pid_max", O_WRONLY | O_CLOEXEC);
  (void)snprintf (text, sizeof text, "%ld", self->processes + SANDBOX_SPARE_PROCESSES);
  if (fd >= 0 && write (fd, text, strlen (text)) < 0)
    (void)0; /* the watch of this process remains */
  if (fd >= 0)
    (void)close (fd);
}

void
sandbox_mount_proc (const Sandbox *self)
{
  struct stat st;

  if (stat ("/proc", &st) < 0)
    return; /* a root that has none */
  if (mount ("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
    sandbox_die (self, "mount", "/proc");
  limit_namespace (self);
}

void
sandbox_close_proc (Sandbox *self)
{
  struct stat st;

  self->proc = clone_tree ("/proc");
  if (stat ("/proc/self", &st) == 0 && make_read_only ("/proc", 0) < 0)
    sandbox_die (self, "close", "/proc");
}
