/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks directories: either with lstat() for each entry, at any depth with two descriptors, or by the lists of entries
 * alone. */
#define _GNU_SOURCE
#include "base/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"

/* A directory between the start of the walk and the current one. */
typedef struct {
  char *name;
  GPtrArray *names; /* entries */
  guint next;       /* index of the first unvisited name */
  dev_t dev;
  ino_t ino;
  gsize path_length; /* length of the path without the name of this directory */
} Level;

typedef struct {
  DkmsWalkFunc visit;
  gpointer data;
  GArray *levels; /* element-type Level */
  GString *path;
  int fd; /* the directory of the last level; -1: none */
} Walk;

static void
level_clear (gpointer data)
{
  Level *level = data;

  g_free (level->name);
  g_clear_pointer (&level->names, g_ptr_array_unref);
}

static gboolean
is_mount_root (int dir_fd, const char *name, const struct stat *st, const struct stat *parent)
{
  struct statx x;

  if (statx (dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &x) == 0
      && (x.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0)
    return (x.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  /* Before Linux 5.8. The root of a btrfs subvolume has inode 256, and is not a mount point. */
  return st->st_dev != parent->st_dev && st->st_ino != 256;
}

/* Enters the directory @name of self->fd, or of @dir_fd at the start. */
static gboolean
enter (Walk *self, int dir_fd, const char *name, GError **error)
{
  Level level = { .path_length = self->path->len };
  g_auto (DkmsFd) fd = openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat st;

  if (fd < 0 && errno == ENOENT)
    return TRUE;
  if (self->levels->len > 0)
    g_string_append_c (self->path, '/');
  g_string_append (self->path, name);
  if (fd < 0 || fstat (fd, &st) < 0)
    return dkms_fail_errno (error, "open the directory", self->path->str);
  if (!self->visit (&(DkmsWalkEntry){ DKMS_WALK_ENTER, fd, ".", &st, self->path->str }, self->data, error))
    return FALSE;
  level.names = dkms_list_dir_at (fd, ".", error);
  if (level.names == NULL)
    {
      g_prefix_error (error, "%s: ", self->path->str);
      return FALSE;
    }
  level.name = g_strdup (name);
  level.dev = st.st_dev;
  level.ino = st.st_ino;
  g_array_append_val (self->levels, level);
  if (self->fd >= 0)
    (void)close (self->fd);
  self->fd = dkms_fd_steal (&fd);
  return TRUE;
}

/* Returns to the parent directory. Fails if that is another directory than before, because somebody moved a directory
 * during the walk. */
static gboolean
leave (Walk *self, int start, GError **error)
{
  const Level *level = &g_array_index (self->levels, Level, self->levels->len - 1);
  const Level *up = self->levels->len > 1 ? level - 1 : NULL;
  g_auto (DkmsFd) fd = up != NULL ? openat (self->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  struct stat st;
  gboolean ok;

  if (up != NULL && (fd < 0 || fstat (fd, &st) < 0 || st.st_dev != up->dev || st.st_ino != up->ino))
    {
      if (fd >= 0)
        errno = ESTALE;
      return dkms_fail_errno (error, "go back up from", self->path->str);
    }
  (void)close (self->fd);
  self->fd = dkms_fd_steal (&fd);
  const DkmsWalkEntry entry = { DKMS_WALK_LEAVE, up != NULL ? self->fd : start, level->name, NULL, self->path->str };
  ok = self->visit (&entry, self->data, error);
  g_string_truncate (self->path, level->path_length);
  g_array_set_size (self->levels, self->levels->len - 1);
  return ok;
}

/* Visits the entry @name of @dir_fd. @parent: (nullable): status of that directory, if it is known */
static gboolean
visit_entry (Walk *self, int dir_fd, const char *name, const struct stat *parent, GError **error)
{
  gsize length = self->path->len;
  struct stat st;
  DkmsWalkEvent event = DKMS_WALK_FILE;
  gboolean ok;

  if (fstatat (dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    {
      g_autofree char *shown = g_build_filename (self->path->str, name, NULL);
      return dkms_is_absent (errno) || dkms_fail_errno (error, "look at", shown);
    }
  if (S_ISDIR (st.st_mode) && parent != NULL && is_mount_root (dir_fd, name, &st, parent))
    event = DKMS_WALK_MOUNT;
  else if (S_ISDIR (st.st_mode))
    return enter (self, dir_fd, name, error);
  if (length > 0)
    g_string_append_c (self->path, '/');
  g_string_append (self->path, name);
  ok = self->visit (&(DkmsWalkEntry){ event, dir_fd, name, &st, self->path->str }, self->data, error);
  g_string_truncate (self->path, length);
  return ok;
}

gboolean
dkms_walk_at (int dir_fd, const char *name, DkmsWalkFunc visit, gpointer data, GError **error)
{
  Walk self = { visit, data, g_array_new (FALSE, FALSE, sizeof (Level)), g_string_new (NULL), -1 };
  struct stat top;
  gboolean known = dir_fd != AT_FDCWD && strcmp (name, ".") != 0 && fstat (dir_fd, &top) == 0, ok;

  g_array_set_clear_func (self.levels, level_clear);
  ok = visit_entry (&self, dir_fd, name, known ? &top : NULL, error);
  while (ok && self.levels->len > 0)
    {
      Level *level = &g_array_index (self.levels, Level, self.levels->len - 1);
      struct stat parent = { .st_dev = level->dev, .st_ino = level->ino };

      if (level->next == level->names->len)
        ok = leave (&self, dir_fd, error);
      else
        ok = visit_entry (&self, self.fd, level->names->pdata[level->next++], &parent, error);
    }
  if (self.fd >= 0)
    (void)close (self.fd);
  g_array_unref (self.levels);
  g_string_free (self.path, TRUE);
  return ok;
}

/* Closes @fd. Returns: whether to go on */
static gboolean
each_file (int fd, GString *path, DkmsFileFunc visit, gpointer data)
{
  DIR *dir = fdopendir (fd);
  gsize length = path->len;
  const struct dirent *entry;
  gboolean more = TRUE;

  if (dir == NULL)
    {
      dkms_unread_note (fd, "", errno);
      (void)close (fd);
      return TRUE;
    }
  while (more && (errno = 0, entry = readdir (dir)) != NULL)
    {
      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
        continue;
      if (length > 0)
        g_string_append_c (path, '/');
      g_string_append (path, entry->d_name);
      if (entry->d_type != DT_DIR)
        more = visit (path->str, entry->d_name, entry->d_type, data);
      else
        {
          int below = openat (fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

          if (below >= 0)
            more = each_file (below, path, visit, data);
          else
            dkms_unread_note (fd, entry->d_name, errno);
        }
      g_string_truncate (path, length);
    }
  if (more && errno != 0)
    dkms_unread_note (fd, "", errno);
  (void)closedir (dir);
  return more;
}

void
dkms_each_file_at (int dir_fd, DkmsFileFunc visit, gpointer data)
{
  g_autoptr (GString) path = g_string_new (NULL);
  int fd = openat (dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd >= 0)
    (void)each_file (fd, path, visit, data);
  else
    dkms_unread_note (dir_fd, ".", errno);
}
