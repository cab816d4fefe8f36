/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads owners and modes. */
#define _GNU_SOURCE
#include "share/safe-place.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

gboolean
dkms_is_safe (const struct stat *st, gboolean sticky)
{
  return (st->st_uid == 0 || st->st_uid == geteuid ())
         && ((st->st_mode & (S_IWGRP | S_IWOTH)) == 0 || (sticky && (st->st_mode & S_ISVTX) != 0));
}

gboolean
dkms_find_unsafe (const DkmsRoot *root, const char *path, char **unsafe, GError **error)
{
  *unsafe = NULL;
  for (const char *end = path; end != NULL; end = *end != '\0' ? strchrnul (end + 1, '/') : NULL)
    {
      g_autofree char *dir = end == path ? g_strdup ("/") : g_strndup (path, (gsize)(end - path));
      g_auto (DkmsFd) fd = dkms_root_openat (root, dir, O_RDONLY | O_DIRECTORY, 0);
      struct stat st;
      if (fd < 0 || fstat (fd, &st) < 0)
        return dkms_fail_errno (error, "open", dir);
      if (!dkms_is_safe (&st, *end != '\0'))
        {
          *unsafe = g_steal_pointer (&dir);
          return TRUE;
        }
    }
  return TRUE;
}
