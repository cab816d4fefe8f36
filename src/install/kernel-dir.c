/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deletes empty directories in the module directory of a kernel. */
#define _GNU_SOURCE
#include "install/kernel-dir.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"

/* Returns: FALSE only if the directory could not be read */
static gboolean
clean_below (int parent, const char *name, GError **error)
{
  g_auto (DkmsFd) fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", error) : NULL;

  if (fd < 0) /* a file, a link, or deleted */
    return dkms_is_absent (errno) || dkms_fail_read (error, "open the directory", parent, name);
  for (guint i = 0; names != NULL && i < names->len; i++)
    if (!clean_below (fd, names->pdata[i], error))
      return FALSE;
  (void)unlinkat (parent, name, AT_REMOVEDIR); /* fails unless it is empty */
  return names != NULL;
}

gboolean
dkms_kernel_dir_clean (const DkmsPlaces *places, const char *release, GError **error)
{
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, places->install_tree, O_RDONLY | O_DIRECTORY, 0);

  return fd < 0 || clean_below (fd, release, error);
}
