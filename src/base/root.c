/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root of all paths: "/" or the value of --root. */
#define _GNU_SOURCE
#include "base/root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"

DkmsRoot *
dkms_root_open (const char *path, GError **error)
{
  g_autoptr (DkmsRoot) self = g_new0 (DkmsRoot, 1);
  g_autofree char *full = realpath (path != NULL ? path : "/", NULL);

  self->fd = -1;
  if (full == NULL)
    return DKMS_FAIL (error, NO_ROOT, .path = path, .number = errno), NULL;
  self->host_path = g_strdup (strcmp (full, "/") == 0 ? "" : full);
  self->fd = open (full, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (self->fd < 0)
    return DKMS_FAIL (error, NO_ROOT, .path = full, .number = errno), NULL;
  self->has_shell = dkms_root_is_host (self) || dkms_root_is_file (self, "/bin/bash");
  return g_steal_pointer (&self);
}

gboolean
dkms_root_reopen (DkmsRoot *self, GError **error)
{
  const char *path = dkms_root_is_host (self) ? "/" : self->host_path;
  int fd = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return DKMS_FAIL (error, NO_ROOT, .path = path, .number = errno);
  (void)close (self->fd);
  self->fd = fd;
  return TRUE;
}

void
dkms_root_free (DkmsRoot *self)
{
  if (self == NULL)
    return;
  if (self->fd >= 0)
    (void)close (self->fd);
  g_free (self->host_path);
  g_free (self);
}

gboolean
dkms_root_is_host (const DkmsRoot *self)
{
  return *self->host_path == '\0';
}

/* Notes the failure in errno. */
static void
note (const DkmsRoot *self, const char *path)
{
  int code = errno;
  g_autofree char *shown = dkms_root_host_path (self, path);

  dkms_unread_note (AT_FDCWD, shown, code);
  errno = code;
}

int
dkms_root_openat (const DkmsRoot *self, const char *path, int flags, mode_t mode)
{
  int fd = dkms_root_is_host (self) ? open (path, flags | O_CLOEXEC, mode)
                                    : dkms_openat2 (self->fd, path, flags, mode, RESOLVE_IN_ROOT);

  if (fd < 0 && (flags & (O_CREAT | O_WRONLY)) == 0)
    note (self, path);
  return fd;
}

int
dkms_root_open_dir (const DkmsRoot *self, const char *path, gboolean create, GError **error)
{
  int fd = dkms_root_openat (self, path, O_RDONLY | O_DIRECTORY, 0);
  g_autofree char *shown = NULL;

  if (fd >= 0)
    return fd;
  shown = dkms_root_host_path (self, path);
  if (errno == ENOENT && create && strcmp (path, "/") != 0)
    {
      g_autofree char *dir = g_path_get_dirname (path);
      g_autofree char *name = g_path_get_basename (path);
      g_auto (DkmsFd) parent = dkms_root_open_dir (self, dir, TRUE, error);

      if (parent < 0)
        return -1;
      if (mkdirat (parent, name, 0755) < 0 && errno != EEXIST)
        return dkms_fail_errno (error, "create the directory", shown), -1;
      /* From the root again: @name may be a link whose target exists only outside of it. */
      fd = dkms_root_openat (self, path, O_RDONLY | O_DIRECTORY, 0);
    }
  if (fd < 0)
    dkms_fail_errno (error, "open the directory", shown);
  return fd;
}

int
dkms_root_open_parent (const DkmsRoot *self, const char *path, gboolean create, char **name, GError **error)
{
  g_autofree char *dir = g_path_get_dirname (path);

  *name = g_path_get_basename (path);
  return dkms_root_open_dir (self, dir, create, error);
}

int
dkms_root_stat (const DkmsRoot *self, const char *path, struct stat *st)
{
  gboolean host = dkms_root_is_host (self);
  g_auto (DkmsFd) fd = host ? -1 : dkms_root_openat (self, path, O_PATH, 0);
  int result;

  if (!host && fd < 0)
    return -1;
  result = host ? stat (path, st) : fstat (fd, st);
  if (result < 0)
    note (self, path);
  return result;
}

gboolean
dkms_root_is_dir (const DkmsRoot *self, const char *path)
{
  struct stat st;

  return dkms_root_stat (self, path, &st) == 0 && S_ISDIR (st.st_mode);
}

gboolean
dkms_root_is_file (const DkmsRoot *self, const char *path)
{
  struct stat st;

  return dkms_root_stat (self, path, &st) == 0 && S_ISREG (st.st_mode);
}

char *
dkms_root_read_link (const DkmsRoot *self, const char *path)
{
  g_autofree char *name = NULL;
  g_auto (DkmsFd) dir = dkms_root_open_parent (self, path, FALSE, &name, NULL);

  return dir >= 0 ? dkms_read_link_at (dir, name) : NULL;
}

char *
dkms_root_read (const DkmsRoot *self, const char *path, gsize limit, gsize *size, GError **error)
{
  g_autofree char *shown = dkms_root_host_path (self, path);
  g_auto (DkmsFd) fd = dkms_root_openat (self, path, DKMS_READ_FLAGS, 0);

  return fd >= 0 || error != NULL ? dkms_read_fd (fd, shown, limit, size, error) : NULL;
}

char *
dkms_root_host_path (const DkmsRoot *self, const char *path)
{
  return dkms_root_is_host (self) ? g_strdup (path) : g_strconcat (self->host_path, path, NULL);
}

char *
dkms_root_resolved (const DkmsRoot *self, const char *path)
{
  g_autofree char *inside = dkms_root_canonical (self, path);

  if (inside == NULL && strcmp (path, "/") != 0)
    {
      /* The file does not exist yet. Then its directory must not be a link that leads out. */
      g_autofree char *dir = g_path_get_dirname (path);
      g_autofree char *name = g_path_get_basename (path);
      g_autofree char *parent = dkms_root_resolved (self, dir);
      return g_build_filename (parent, name, NULL);
    }
  return dkms_root_host_path (self, inside != NULL ? inside : path);
}

char *
dkms_root_tool_path (const DkmsRoot *self, const char *path)
{
  /* Tools outside of the root would follow an absolute link out of it, so links are resolved here. */
  return self->has_shell ? g_strdup (path) : dkms_root_resolved (self, path);
}

char *
dkms_root_canonical (const DkmsRoot *self, const char *path)
{
  g_auto (DkmsFd) fd = -1;
  g_autofree char *link = NULL;
  char magic[64];
  gsize skip = strlen (self->host_path);

  if (dkms_root_is_host (self))
    {
      g_autofree char *real = realpath (path, NULL);
      if (real == NULL)
        note (self, path);
      return g_strdup (real);
    }
  fd = dkms_root_openat (self, path, O_PATH, 0);
  if (fd < 0)
    return NULL;
  g_snprintf (magic, sizeof magic, "/proc/self/fd/%d", fd);
  link = dkms_read_link_at (AT_FDCWD, magic);
  if (link == NULL)
    note (self, path);
  if (link == NULL || strncmp (link, self->host_path, skip) != 0 || (link[skip] != '/' && link[skip] != '\0'))
    return NULL;
  return g_strdup (link[skip] != '\0' ? link + skip : "/");
}
