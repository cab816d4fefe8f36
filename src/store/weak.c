/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds builds for one kernel that are used for another one. */
#define _GNU_SOURCE
#include "store/weak.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "store/layout.h"

/* Finds a link named @name below @dir (inside the root). Returns: (transfer full) (nullable): its path */
static char *
find_link (const DkmsRoot *root, const char *dir, const char *name)
{
  g_auto (DkmsFd) fd = dkms_root_openat (root, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (dir, names->pdata[i], NULL);
      char *below;

      if (dkms_is_link_at (fd, names->pdata[i]))
        {
          if (strcmp (names->pdata[i], name) == 0)
            return g_steal_pointer (&path);
          continue;
        }
      below = dkms_is_dir_at (fd, names->pdata[i]) ? find_link (root, path, name) : NULL;
      if (below != NULL)
        return below;
    }
  return NULL;
}

gboolean
dkms_weak_serves (const DkmsPlaces *places, const DkmsVersion *v, const DkmsBuild *build, const char *kernel)
{
  g_autofree char *dir = NULL;
  g_autofree char *weak = NULL;
  g_auto (DkmsFd) fd = -1;
  g_autoptr (GPtrArray) files = NULL;
  guint served = 0;

  if (strcmp (kernel, build->kernel) == 0)
    return FALSE;
  weak = g_build_filename (places->install_tree, kernel, "weak-updates", NULL);
  if (!dkms_root_is_dir (places->root, weak))
    return FALSE;
  const DkmsId id = dkms_build_id (v, build);
  dir = dkms_layout_build (places, &id, "module");
  fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);
  files = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  for (guint i = 0; files != NULL && i < files->len; i++)
    {
      g_autofree char *link = NULL;
      g_autofree char *there = NULL;

      if (strstr (files->pdata[i], ".ko") == NULL)
        continue;
      link = find_link (places->root, weak, files->pdata[i]);
      there = link != NULL ? dkms_root_resolved (places->root, link) : NULL;
      if (there == NULL || !dkms_files_equal_at (fd, files->pdata[i], AT_FDCWD, there))
        return FALSE;
      served++;
    }
  return served > 0;
}
