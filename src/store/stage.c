/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Creates temporary files next to their final names, and missing directories. */
#define _GNU_SOURCE
#include "store/stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"

void
dkms_stage_clear (gpointer data)
{
  DkmsStage *stage = data;

  g_free (stage->from);
  g_free (stage->temp);
}

/* Adds @dir and its missing parents to @list, parents first. */
static void
list_missing (const DkmsRoot *root, const char *dir, json_t *list)
{
  g_autofree char *up = g_path_get_dirname (dir);
  json_t *known;
  size_t i;

  if (dkms_root_is_dir (root, dir))
    return;
  json_array_foreach (list, i, known)
    if (strcmp (json_string_value (known), dir) == 0)
      return;
  list_missing (root, up, list);
  json_array_append_new (list, json_string (dir));
}

json_t *
dkms_stage_missing_dirs (const DkmsRoot *root, json_t *ops)
{
  json_t *list = json_array (), *op;
  size_t i;

  json_array_foreach (ops, i, op)
    {
      const char *what = json_string_value (json_array_get (op, 0));
      const char *path = json_string_value (json_array_get (op, 1));
      g_autofree char *dir = NULL;

      if (strcmp (what, "move") == 0)
        path = json_string_value (json_array_get (op, 2));
      else if (strcmp (what, "rename") != 0)
        continue;
      dir = g_path_get_dirname (path);
      list_missing (root, dir, list);
    }
  return list;
}

gboolean
dkms_stage_make_dirs (const DkmsRoot *root, json_t *dirs, GError **error)
{
  json_t *dir;
  size_t i;

  json_array_foreach (dirs, i, dir)
    {
      g_autofree char *name = NULL;
      g_auto (DkmsFd) parent = dkms_root_open_parent (root, json_string_value (dir), FALSE, &name, error);

      if (parent < 0)
        return FALSE;
      if ((mkdirat (parent, name, 0755) < 0 && errno != EEXIST) || fsync (parent) < 0)
        return dkms_fail_errno (error, "create the directory", json_string_value (dir));
    }
  return TRUE;
}

/* Copies @from, a file, link or directory, to another file system, and flushes it. After a failure, the incomplete copy
 * is deleted with the temporary files. */
static gboolean
copy_across (int from_dir, const char *from, int dir, const char *name, GError **error)
{
  g_autofree char *text = dkms_read_link_at (from_dir, from);

  if (text != NULL)
    return symlinkat (text, dir, name) == 0 || dkms_fail_errno (error, "create the link", name);
  if (errno != EINVAL)
    return dkms_fail_errno (error, "read the link", from);
  if (!dkms_is_dir_at (from_dir, from))
    return dkms_copy_file_at (from_dir, from, &(DkmsNewFile){ dir, name, 0644, TRUE }, error);
  return dkms_copy_tree_at (from_dir, from, dir, name, error) && dkms_flush_tree_at (dir, name, error);
}

gboolean
dkms_stage_write (const DkmsRoot *root, const DkmsStage *stage, GError **error)
{
  g_autofree char *name = NULL;
  g_auto (DkmsFd) dir = dkms_root_open_parent (root, stage->temp, FALSE, &name, error);
  g_auto (DkmsFd) from = -1;
  g_auto (DkmsFd) from_dir = -1;
  g_autofree char *from_name = NULL;
  char magic[64];

  if (dir < 0)
    return FALSE;
  switch (stage->kind)
    {
    case DKMS_STAGE_MOVE:
      from_dir = dkms_root_open_parent (root, stage->from, FALSE, &from_name, error);
      if (from_dir < 0)
        return FALSE;
      if (renameat (from_dir, from_name, dir, name) == 0)
        return TRUE;
      /* A part of the tree may be a link to another file system. */
      return errno == EXDEV ? copy_across (from_dir, from_name, dir, name, error)
                            : dkms_fail_errno (error, "move", stage->from);
    case DKMS_STAGE_LINK:
      return symlinkat (stage->from, dir, name) == 0 || dkms_fail_errno (error, "create the link", stage->temp);
    case DKMS_STAGE_TEXT:
      return dkms_write_new_at (dir, name, stage->from, strlen (stage->from), stage->mode, error);
    default:
      from = dkms_root_openat (root, stage->from, O_RDONLY, 0);
      if (from < 0)
        return dkms_fail_errno (error, "read", stage->from);
      g_snprintf (magic, sizeof magic, "/proc/self/fd/%d", from);
      if (stage->kind == DKMS_STAGE_PRESERVE
              ? dkms_copy_alike_at (AT_FDCWD, magic, dir, name, error)
              : dkms_copy_file_at (AT_FDCWD, magic, &(DkmsNewFile){ dir, name, stage->mode, TRUE }, error))
        return TRUE;
      g_autofree char *to = g_path_get_dirname (stage->temp);
      return dkms_copy_failed (error, stage->from, to);
    }
}
