/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Overlays, in which changes are discarded, and the ownership of files in them, so that a user without capabilities can
 * use them. Sources: the kernel's Documentation/filesystems/overlayfs.rst, proc_pid_mountinfo(5). */
#define _GNU_SOURCE
#include "sandbox-overlay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox-idmap.h"
#include "sandbox-world.h"

/* The number of entries that are examined in a tree of the user. Trees of others are searched completely. */
enum { MAX_LOOKED_AT = 20000, MAX_DEPTH = 64 };
/* If a tree has more entries that the user may not write to, only directories and files that the user cannot read
 * change their owner. */
enum { MAX_CLAIMED = 4096 };

static void
add_path (const Sandbox *self, SandboxPaths *paths, const char *path, int tree)
{
  if ((paths->count & (paths->count + 1)) == 0)
    {
      void *more = realloc (paths->items, (2 * paths->count + 1) * sizeof *paths->items);
      if (more == NULL)
        sandbox_die (self, "remember", path);
      paths->items = more;
    }
  paths->items[paths->count].path = strdup (path);
  paths->items[paths->count].tree = tree;
  if (paths->items[paths->count++].path == NULL)
    sandbox_die (self, "remember", path);
}

/* Returns: the part of @path below @dir; NULL if it is not below */
static const char *
below (const char *path, const char *dir)
{
  size_t n = strlen (dir);

  n -= n > 0 && dir[n - 1] == '/';
  return strncmp (path, dir, n) == 0 && path[n] == '/' && path[n + 1] != '\0' ? path + n + 1 : NULL;
}

static int
contains (const char *dir, const char *path)
{
  return strcmp (dir, path) == 0 || below (path, dir) != NULL;
}

/* ---- mounts below an overlay, which would hide them ---- */

char *
sandbox_read_mounts (void)
{
  FILE *file = fopen ("/proc/self/mountinfo", "re");
  char *text = NULL;
  size_t size = 0;

  if (file == NULL)
    return NULL;
  if (getdelim (&text, &size, '\0', file) < 0)
    {
      free (text);
      text = NULL;
    }
  (void)fclose (file);
  return text;
}

/* The kernel writes blanks, tabs, newlines and backslashes as a backslash and three octal digits. */
static void
unescape (char *text)
{
  char *to = text;

  for (const char *from = text; *from != '\0'; from++)
    if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] != '\0' && from[3] != '\0')
      {
        *to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
        from += 3;
      }
    else
      *to++ = *from;
  *to = '\0';
}

static int
is_covered (const SandboxPaths *paths, const char *path)
{
  for (size_t i = 0; i < paths->count; i++)
    if (contains (paths->items[i].path, path))
      return 1;
  return 0;
}

static void
find_mounts (const Sandbox *self, SandboxChange *change, const char *mounts)
{
  for (const char *line = mounts; line != NULL && *line != '\0'; line = strchr (line, '\n'), line += line != NULL)
    {
      char point[PATH_MAX];
      const char *inside = point;
      int tree;

      if (sscanf (line, "%*s %*s %*s %*s %4095s", point) != 1)
        continue;
      unescape (point);
      if (strcmp (self->root, "/") != 0 && (inside = below (point, self->root)) == NULL)
        continue;
      inside -= inside != point;
      if (below (inside, change->path) == NULL || is_covered (&change->paths, inside))
        continue;
      tree = sandbox_clone_tree (inside);
      if (tree >= 0)
        add_path (self, &change->paths, inside, tree);
    }
}

/* ---- exchanged owners ---- */

/* Returns: whether @path is in an overlay in which owners will be exchanged; @owner: (out): status of its directory */
static int
is_exchanged (const Sandbox *self, const char *path, struct stat *owner)
{
  for (size_t i = 0; i < self->count; i++)
    if (self->changes[i].kind == OVERLAY && self->changes[i].tree >= 0 && contains (self->changes[i].path, path))
      return stat (self->changes[i].path, owner) == 0;
  return 0;
}

/* ---- files that the user cannot use ---- */

int
sandbox_may_read (const Sandbox *self, const struct stat *st)
{
  mode_t bits = S_ISDIR (st->st_mode) ? 05 : 04;
  int shift = st->st_uid == self->uid ? 6 : st->st_gid == self->gid ? 3 : 0;

  return (st->st_mode >> shift & bits) == bits;
}

static int
may_write (const Sandbox *self, const struct stat *st)
{
  return st->st_uid == self->uid && (st->st_mode & 0200) != 0;
}

typedef struct {
  const Sandbox *self;
  int exchanged; /* whether files of @owner will belong to the user */
  struct stat owner;
  SandboxPaths needed;   /* files that cannot be read, and directories that cannot be written to */
  SandboxPaths optional; /* files that can be read, but not written to */
  dev_t device;
  long left; /* number of entries that may still be examined */
} Survey;

static void look_through (Survey *survey, int dir_fd, const char *path, int depth);

static void
see_exchanged (const Survey *survey, struct stat *st)
{
  if (!survey->exchanged)
    return;
  st->st_uid = sandbox_exchanged (st->st_uid, survey->owner.st_uid, survey->self->uid);
  st->st_gid = sandbox_exchanged (st->st_gid, survey->owner.st_gid, survey->self->gid);
}

static void
look_at (Survey *survey, int dir_fd, const char *name, const char *path, int depth)
{
  const Sandbox *self = survey->self;
  struct stat st;
  int fd;

  /* Files of an overlay need not have the device number of its directories. */
  if (fstatat (dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || (!S_ISDIR (st.st_mode) && !S_ISREG (st.st_mode))
      || (S_ISDIR (st.st_mode) && st.st_dev != survey->device))
    return;
  see_exchanged (survey, &st);
  if (!sandbox_may_read (self, &st) || (S_ISDIR (st.st_mode) && !may_write (self, &st)))
    add_path (self, &survey->needed, path, -1);
  else if (!may_write (self, &st) && survey->optional.count <= MAX_CLAIMED)
    add_path (self, &survey->optional, path, -1);
  if (!S_ISDIR (st.st_mode) || depth == MAX_DEPTH)
    return;
  fd = openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0)
    look_through (survey, fd, path, depth + 1);
}

/* Closes @dir_fd. */
static void
look_through (Survey *survey, int dir_fd, const char *path, int depth)
{
  DIR *dir = fdopendir (dir_fd);
  const struct dirent *entry;

  if (dir == NULL)
    {
      (void)close (dir_fd);
      return;
    }
  while (survey->left-- > 0 && (entry = readdir (dir)) != NULL)
    {
      char *inner = NULL;

      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0 || entry->d_type == DT_LNK)
        continue;
      if (asprintf (&inner, "%s%s%s", path, *path != '\0' ? "/" : "", entry->d_name) < 0)
        sandbox_die (survey->self, "look at", entry->d_name);
      look_at (survey, dirfd (dir), entry->d_name, inner, depth);
      free (inner);
    }
  (void)closedir (dir);
}

static void
free_paths (SandboxPaths *paths)
{
  for (size_t i = 0; i < paths->count; i++)
    free (paths->items[i].path);
  free (paths->items);
}

static void
find_unreadable (const Sandbox *self, SandboxChange *change)
{
  Survey survey = { .self = self };
  int all, top = open (change->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat st;

  if (geteuid () != 0 || top < 0 || fstat (top, &st) < 0)
    {
      if (top >= 0)
        (void)close (top);
      return; /* only root can change owners; or the directory does not exist */
    }
  survey.device = st.st_dev;
  survey.left = st.st_uid == self->uid ? MAX_LOOKED_AT : LONG_MAX;
  survey.exchanged = is_exchanged (self, change->path, &survey.owner);
  see_exchanged (&survey, &st);
  all = sandbox_may_read (self, &st) && may_write (self, &st);
  if (all && survey.exchanged && change->kind == EXCHANGE)
    {
      (void)close (top);
      return; /* as all other files of that owner */
    }
  if (!all)
    add_path (self, &survey.needed, ".", -1);
  look_through (&survey, top, "", 0);
  for (size_t i = 0; survey.needed.count + survey.optional.count <= MAX_CLAIMED && i < survey.optional.count; i++)
    add_path (self, &survey.needed, survey.optional.items[i].path, -1);
  free_paths (&survey.optional);
  change->paths = survey.needed;
}

void
sandbox_survey (const Sandbox *self, SandboxChange *change, const char *mounts)
{
  if (change->kind != OVERLAY)
    {
      find_unreadable (self, change);
      return;
    }
  find_mounts (self, change, mounts);
  sandbox_exchange_owner (self, change);
}

/* ---- the changes ---- */

static int
has_claims (const Sandbox *self, const char *path)
{
  for (size_t i = 0; i < self->count; i++)
    if ((self->changes[i].kind == CLAIM || self->changes[i].kind == EXCHANGE) && self->changes[i].paths.count > 0
        && contains (path, self->changes[i].path))
      return 1;
  return 0;
}

/* Returns: 0, or -1 with errno */
static int
mount_overlay (Sandbox *self, const char *path, const struct stat *st, const char *more)
{
  char upper[SANDBOX_STORE_PATH], work[SANDBOX_STORE_PATH], options[2 * SANDBOX_STORE_PATH + 128];

  sandbox_new_store (self, "upper", st->st_mode & 07777, upper);
  sandbox_new_store (self, "work", 0700, work);
  if (geteuid () == 0 && chown (upper, st->st_uid, st->st_gid) < 0)
    sandbox_die (self, "set the owner of", upper);
  /* Relative paths, because commas and colons in a path must be escaped, and kernels differ in how. */
  (void)snprintf (options, sizeof options, "lowerdir=.,upperdir=%s,workdir=%s%s", upper, work, more);
  return mount ("dkms", path, "overlay", MS_NOSUID | MS_NODEV, options);
}

/* Returns: 0, or -1 with errno if the kernel cannot mount the overlay */
static int
try_overlay (Sandbox *self, const char *path)
{
  struct stat st;
  int failed;

  if (stat (path, &st) < 0 || chdir (path) < 0)
    sandbox_die (self, "enter", path);
  if (geteuid () != 0)
    /* A user namespace cannot set trusted attributes. */
    failed = mount_overlay (self, path, &st, ",userxattr") < 0;
  else
    /* Then a change of the owner copies no content. */
    failed = (!has_claims (self, path) || mount_overlay (self, path, &st, ",metacopy=on") < 0)
             && mount_overlay (self, path, &st, "") < 0;
  int why = errno;
  if (chdir ("/") < 0)
    sandbox_die (self, "enter", "/");
  errno = why;
  return failed ? -1 : 0;
}

/* Linux before 5.19 has mounts with exchanged owners, but no overlays of them. Then the owners of single files change.
 */
static void
give_back_owner (const Sandbox *self, SandboxChange *overlay)
{
  if (umount2 (overlay->path, MNT_DETACH) < 0 || close (overlay->tree) < 0)
    sandbox_die (self, "uncover", overlay->path);
  overlay->tree = -1;
  for (size_t i = 0; i < self->count; i++)
    {
      SandboxChange *change = &self->changes[i];

      if ((change->kind != CLAIM && change->kind != EXCHANGE) || !contains (overlay->path, change->path))
        continue;
      free_paths (&change->paths);
      change->paths = (SandboxPaths){ NULL, 0 };
      find_unreadable (self, change);
    }
}

/* If the kernel cannot mount an overlay, for example on two stacked overlays, the directory stays read-only. */
void
sandbox_do_overlay (Sandbox *self, SandboxChange *change)
{
  const char *path = change->path;
  struct stat st;
  int failed;

  if (stat (path, &st) < 0 || !S_ISDIR (st.st_mode))
    return;
  if (change->tree >= 0 && sandbox_attach_tree (change->tree, path) < 0)
    sandbox_die (self, "show", path);
  failed = try_overlay (self, path) < 0;
  if (failed && change->tree >= 0)
    {
      give_back_owner (self, change);
      failed = try_overlay (self, path) < 0;
    }
  else if (change->tree >= 0)
    (void)close (change->tree);
  if (failed)
    sandbox_report (self, "note %s stays read-only: overlay: %s\n", path, strerror (errno));
  for (size_t i = 0; !failed && i < change->paths.count; i++)
    if (sandbox_attach_tree (change->paths.items[i].tree, change->paths.items[i].path) < 0)
      sandbox_die (self, "show", change->paths.items[i].path);
}

void
sandbox_do_claim (const Sandbox *self, const SandboxChange *change)
{
  int top = change->paths.count > 0 ? open (change->path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  size_t failed = 0;
  int why = 0;

  for (size_t i = 0; top >= 0 && i < change->paths.count; i++)
    {
      const char *path = change->paths.items[i].path;
      struct stat st;

      if (fstatat (top, path, &st, AT_SYMLINK_NOFOLLOW) == 0
          && fchownat (top, path, self->uid, self->gid, AT_SYMLINK_NOFOLLOW) == 0
          && fchmodat (top, path, (st.st_mode & 07777) | (S_ISDIR (st.st_mode) ? 0700 : 0600), 0) == 0)
        continue;
      why = errno;
      failed++;
    }
  if (failed > 0)
    sandbox_report (self, "note %zu entries of %s keep their owner: %s\n", failed, change->path, strerror (why));
  if (top >= 0)
    (void)close (top);
}
