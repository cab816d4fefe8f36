/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The changes that a sandbox makes to its root, one function for each kind; overlays are in sandbox-overlay.c. */
#define _GNU_SOURCE
#include "sandbox-changes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox-overlay.h"
#include "sandbox-world.h"

/* Creates the directory @path. Returns: 0, also if it exists already, or -1 with errno */
static int
make_dir (const char *path)
{
  return mkdir (path, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

/* Creates the parents of @path. Returns: 0, or -1 with errno of the first one that cannot be created */
static int
make_parents (const char *path)
{
  char walk[PATH_MAX];

  (void)snprintf (walk, sizeof walk, "%s", path);
  for (char *p = walk + 1; *p != '\0'; p++)
    if (*p == '/')
      {
        *p = '\0';
        if (make_dir (walk) < 0)
          return -1;
        *p = '/';
      }
  return 0;
}

/* Whether this process can see a file at @path. */
static int
is_there (const Sandbox *self, const char *path, struct stat *st)
{
  if (stat (path, st) == 0)
    return 1;
  if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != EACCES)
    sandbox_die (self, "look at", path);
  return 0;
}

static void
bind_over (const Sandbox *self, const char *from, const char *to)
{
  if (mount (from, to, NULL, MS_BIND, NULL) < 0)
    sandbox_die (self, "cover", to);
}

/* Creates a file in the store. Returns: its descriptor */
static int
new_file (Sandbox *self, const char *name, mode_t mode, char path[static SANDBOX_STORE_PATH])
{
  int fd;

  (void)snprintf (path, SANDBOX_STORE_PATH, "/dev/%d-%s", self->stores++, name);
  fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || fchmod (fd, mode) < 0)
    sandbox_die (self, "make", path);
  return fd;
}

/* Creates the directory @path if it is inside of a mask. Returns: whether it exists */
static int
make_place (const Sandbox *self, const char *path)
{
  struct stat st;

  if ((make_parents (path) < 0 || make_dir (path) < 0) && errno != EROFS && errno != EACCES && errno != ENOTDIR)
    sandbox_die (self, "make", path);
  return is_there (self, path, &st) && S_ISDIR (st.st_mode);
}

static void
do_fresh (Sandbox *self, const char *path)
{
  char fresh[SANDBOX_STORE_PATH];

  if (!make_place (self, path))
    return;
  sandbox_new_store (self, "fresh", 01777, fresh);
  bind_over (self, fresh, path);
}

/* Replaces the root by an empty one, with the store at /dev and a directory for /proc. */
static void
do_mask_root (Sandbox *self, SandboxChange *change)
{
  char empty[SANDBOX_STORE_PATH], path[SANDBOX_STORE_PATH + 8];
  static const char *const places[] = { "dev", "proc" };
  int store;

  sandbox_new_store (self, "root", 0755, empty);
  for (size_t i = 0; i < sizeof places / sizeof *places; i++)
    {
      (void)snprintf (path, sizeof path, "%s/%s", empty, places[i]);
      if (mkdir (path, 0755) < 0 || chmod (path, 0755) < 0)
        sandbox_die (self, "make", path);
    }
  self->outside = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  change->tree = self->outside >= 0 ? sandbox_clone_tree (empty) : -1;
  store = sandbox_clone_tree ("/dev");
  if (change->tree < 0 || store < 0 || sandbox_attach_tree (change->tree, "/") < 0 || fchdir (change->tree) < 0
      || chroot (".") < 0 || sandbox_attach_tree (store, "/dev") < 0)
    sandbox_die (self, "empty", "/");
  (void)close (store);
}

/* The mask stays writable until sandbox_close_mask(), so that mount points can be created in it. */
static void
do_mask (Sandbox *self, SandboxChange *change)
{
  char empty[SANDBOX_STORE_PATH];
  struct stat st;

  if (strcmp (change->path, "/") == 0)
    {
      do_mask_root (self, change);
      return;
    }
  if (!is_there (self, change->path, &st))
    return;
  if (S_ISDIR (st.st_mode))
    sandbox_new_store (self, "empty", 0555, empty);
  else
    (void)close (new_file (self, "empty", 0, empty));
  bind_over (self, empty, change->path);
  if (!S_ISDIR (st.st_mode) && sandbox_set_attributes_of (change->path, 0, MOUNT_ATTR_RDONLY) < 0)
    sandbox_die (self, "close", change->path);
  if (!S_ISDIR (st.st_mode))
    return;
  change->tree = open (change->path, O_PATH | O_CLOEXEC);
  if (change->tree < 0)
    sandbox_die (self, "open", change->path);
}

static void
do_home (Sandbox *self, const char *path)
{
  char home[SANDBOX_STORE_PATH];

  if (!make_place (self, path))
    return; /* the root lacks the parent directory */
  sandbox_new_store (self, "home", 0700, home);
  if (geteuid () == 0 && chown (home, self->uid, self->gid) < 0)
    sandbox_die (self, "set the owner of", home);
  bind_over (self, home, path);
  self->home = path;
}

static void
do_link (const Sandbox *self, const SandboxChange *change)
{
  if (make_parents (change->path) < 0 || (symlink (change->from, change->path) < 0 && errno != EEXIST))
    sandbox_die (self, "show", change->path);
}

/* Whether another change shows something at @path. Then it must not depend on the existing directory, which others may
 * delete together with the mount. */
static int
is_replaced (const Sandbox *self, const char *path)
{
  for (size_t i = 0; i < self->count; i++)
    if (self->changes[i].kind == BIND && strcmp (self->changes[i].path, path) == 0)
      return 1;
  return 0;
}

/* Shows the entries of @path in a directory of the store, in which new ones can be created. */
static void
do_cover (Sandbox *self, const char *path)
{
  DIR *dir = opendir (path);
  char cover[SANDBOX_STORE_PATH];
  const struct dirent *entry;

  if (dir == NULL && errno == ENOENT)
    return;
  if (dir == NULL)
    sandbox_die (self, "read", path);
  sandbox_new_store (self, "cover", 0755, cover);
  if (geteuid () == 0 && chown (cover, self->uid, self->gid) < 0)
    sandbox_die (self, "set the owner of", cover);
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
        st.st_mode = 0; /* deleted meanwhile */
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

/* Replaces the file @path by a copy that the user of the command can read. */
static void
show_copy (Sandbox *self, const char *path)
{
  int from = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  char copy[SANDBOX_STORE_PATH], buffer[65536];
  int to = new_file (self, "copy", 0444, copy);
  ssize_t n = 0;

  while (from >= 0 && (n = read (from, buffer, sizeof buffer)) > 0)
    if (write (to, buffer, (size_t)n) != n)
      sandbox_die (self, "copy", path);
  if (from < 0 || n < 0)
    sandbox_die (self, "read", path);
  (void)close (from);
  (void)close (to);
  bind_over (self, copy, path);
  if (sandbox_set_attributes_of (path, 0, MOUNT_ATTR_RDONLY) < 0)
    sandbox_die (self, "close", path);
}

static void
do_attach (Sandbox *self, const SandboxChange *change)
{
  struct stat st;
  int fd, tree = change->tree;

  if (change->kind == EXPOSE && self->outside >= 0)
    tree = sandbox_clone_tree_at (self->outside, change->path + 1);
  if (tree < 0 && self->outside >= 0 && errno != ENOENT && errno != ENOTDIR && errno != EACCES)
    sandbox_die (self, "show", change->path);
  if (tree < 0)
    return; /* it does not exist */
  if (fstat (tree, &st) < 0)
    sandbox_die (self, "show", change->path);
  if (make_parents (change->path) < 0 || (S_ISDIR (st.st_mode) && make_dir (change->path) < 0))
    sandbox_die (self, "make a place for", change->path);
  fd = S_ISDIR (st.st_mode) ? -1 : open (change->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0 && !S_ISDIR (st.st_mode) && errno != EEXIST)
    sandbox_die (self, "make a place for", change->path);
  if (fd >= 0)
    (void)close (fd);
  if (sandbox_attach_tree (tree, change->path) < 0)
    sandbox_die (self, "show", change->path);
  (void)close (tree);
  if (change->kind == EXPOSE && S_ISREG (st.st_mode) && geteuid () == 0 && !sandbox_may_read (self, &st))
    show_copy (self, change->path);
}

/* ---- the steps of all changes ---- */

void
sandbox_take (const Sandbox *self, SandboxChange *change)
{
  if (change->kind != BIND)
    return;
  change->tree = sandbox_clone_tree (change->from);
  if (change->tree < 0
      || sandbox_set_attributes (change->tree, AT_RECURSIVE, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, 0) < 0)
    sandbox_die (self, "take", change->from);
}

void
sandbox_note_writable (const Sandbox *self, SandboxChange *change)
{
  /* The owner of files in a root could replace a directory by a link at the last moment. */
  struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
  struct statvfs st;

  if (change->kind != WRITE)
    return;
  change->tree = (int)syscall (SYS_openat2, AT_FDCWD, change->path, &how, sizeof how);
  if (change->tree < 0 || fstatvfs (change->tree, &st) < 0)
    sandbox_die (self, "open", change->path);
  if ((st.f_flag & ST_RDONLY) == 0)
    return;
  (void)close (change->tree);
  change->tree = -1;
}

/* Mounts below it stay read-only: the /sys of an image is that of the host. */
static void
prepare_write (const Sandbox *self, SandboxChange *change)
{
  int fd = change->tree;

  if (fd < 0 || strcmp (change->path, "/") == 0)
    return;
  change->tree = sandbox_clone_tree_at (fd, "");
  if (change->tree < 0 || sandbox_set_attributes (change->tree, 0, 0, MOUNT_ATTR_RDONLY) < 0)
    sandbox_die (self, "open for writing", change->path);
  (void)close (fd);
}

/* Called after all places for mounts were checked, because none may be created in "/". */
static void
do_write (Sandbox *self, SandboxChange *change)
{
  if (change->tree < 0)
    return;
  if (strcmp (change->path, "/") != 0)
    do_attach (self, change);
  else if (sandbox_set_attributes (change->tree, 0, 0, MOUNT_ATTR_RDONLY) < 0 || close (change->tree) < 0)
    sandbox_die (self, "open for writing", change->path);
}

void
sandbox_prepare (const Sandbox *self, SandboxChange *change, const char *mounts)
{
  /* If "/" is masked, nothing changes outside. Then it is opened when it is mounted, to limit the number of open files.
   */
  if (change->kind == EXPOSE && (self->changes[0].kind != MASK || strcmp (self->changes[0].path, "/") != 0))
    change->tree = sandbox_clone_tree (change->path);
  else if (change->kind == WRITE)
    prepare_write (self, change);
  else if (change->kind == OVERLAY || change->kind == EXCHANGE || change->kind == CLAIM)
    sandbox_survey (self, change, mounts);
}

void
sandbox_do (Sandbox *self, SandboxChange *change)
{
  switch (change->kind)
    {
    case FRESH:
      do_fresh (self, change->path);
      break;
    case HOME:
      do_home (self, change->path);
      break;
    case MASK:
      do_mask (self, change);
      break;
    case LINK:
      do_link (self, change);
      break;
    case OVERLAY:
      sandbox_do_overlay (self, change);
      break;
    case EXCHANGE:
    case CLAIM:
      sandbox_do_claim (self, change);
      break;
    case COVER:
      do_cover (self, change->path);
      break;
    case WRITE:
      do_write (self, change);
      break;
    case EXPOSE:
    case BIND:
      do_attach (self, change);
      break;
    }
}

void
sandbox_close_mask (const Sandbox *self, const SandboxChange *change)
{
  if (change->kind != MASK || change->tree < 0)
    return;
  if (sandbox_set_attributes (change->tree, 0, MOUNT_ATTR_RDONLY, 0) < 0)
    sandbox_die (self, "close", change->path);
  (void)close (change->tree);
}
