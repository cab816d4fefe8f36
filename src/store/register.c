/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/tree.h"

char *
dkms_tree_path (const DkmsSettings *settings, const char *first, ...)
{
  GPtrArray *parts = g_ptr_array_new ();
  va_list args;
  char *path;

  g_ptr_array_add (parts, settings->dkms_tree);
  va_start (args, first);
  for (const char *part = first; part != NULL;
       part = va_arg (args, const char *)) // NOLINT(clang-analyzer-valist.Uninitialized): started above
    g_ptr_array_add (parts, (gpointer)part);
  va_end (args);
  g_ptr_array_add (parts, NULL);
  path = g_build_filenamev ((char **)parts->pdata);
  g_ptr_array_unref (parts);
  return path;
}

gboolean
dkms_tree_check_name (const char *what, const char *name, GError **error)
{
  gboolean odd = *name == '-' || *name == '.' || strlen (name) > 200;

  for (const char *c = name; *c != '\0'; c++)
    odd |= *c == '/' || (guchar)*c <= ' ' || *c == 127;
  if (!odd)
    return TRUE;
  g_autofree char *shown = g_strescape (name, NULL);
  return dkms_fail (error, DKMS_ERROR_BAD_NAME, NULL,
                    "Use a name without slashes, blanks and control characters that starts with neither '-' nor '.'.",
                    "\"%s\" cannot be a %s", shown, what);
}

gboolean
dkms_tree_check_writable (const DkmsSettings *settings, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_auto (DkmsFd) fd = dkms_root_open_dir (settings->root, settings->dkms_tree, TRUE, &local);
  g_autofree char *shown = dkms_root_host_path (settings->root, settings->dkms_tree);

  if (fd >= 0 && faccessat (fd, ".", W_OK, AT_EACCESS) == 0)
    return TRUE;
  return dkms_fail (error, DKMS_ERROR_NO_PRIVILEGE, shown,
                    "Run it as root, or choose a tree that you may write with --dkmstree.",
                    "Cannot write to the tree %s: %s", shown, local != NULL ? local->message : g_strerror (errno));
}

static char *
source_dir (const DkmsSettings *settings, const char *module, const char *version)
{
  return g_strdup_printf ("%s/%s-%s", settings->source_tree, module, version);
}

gboolean
dkms_tree_import (const DkmsSettings *settings, const char *host_dir, const char *module, const char *version,
                  GError **error)
{
  g_autofree char *target = source_dir (settings, module, version);
  g_autofree char *name = g_path_get_basename (target);
  g_autofree char *beside = g_strdup_printf (".dkms-%s", name);
  g_auto (DkmsFd) parent = dkms_root_open_dir (settings->root, settings->source_tree, TRUE, error);
  struct stat from, to;

  if (parent < 0)
    return FALSE;
  if (stat (host_dir, &from) < 0)
    return dkms_fail_errno (error, "read the directory", host_dir);
  if (fstatat (parent, name, &to, 0) == 0)
    {
      if (to.st_dev == from.st_dev && to.st_ino == from.st_ino)
        return TRUE;
      if (!settings->force)
        return dkms_copy_tree_at (AT_FDCWD, host_dir, parent, name, error); /* over what is there, as specified */
    }
  /* A fresh copy is complete before it gets its name. */
  if (!dkms_remove_tree_at (parent, beside, error))
    return FALSE;
  if (!dkms_copy_tree_at (AT_FDCWD, host_dir, parent, beside, error) || !dkms_remove_tree_at (parent, name, error)
      || renameat (parent, beside, parent, name) < 0)
    {
      if (error != NULL && *error == NULL)
        dkms_fail_errno (error, "put in place", target);
      dkms_discard_tree_at (parent, beside);
      return FALSE;
    }
  return TRUE;
}

gboolean
dkms_tree_register (const DkmsSettings *settings, const char *module, const char *version, GError **error)
{
  g_autofree char *dir = dkms_tree_path (settings, module, version, NULL);
  g_autofree char *target = source_dir (settings, module, version);
  g_auto (DkmsFd) fd = dkms_root_open_dir (settings->root, dir, TRUE, error);

  if (fd < 0)
    return FALSE;
  if (mkdirat (fd, "build", 0755) < 0 && errno != EEXIST)
    return dkms_fail_errno (error, "create", "build");
  if (!dkms_root_is_dir (settings->root, target) && !dkms_is_link_at (fd, "source")
      && dkms_is_file_at (fd, "source/dkms.conf"))
    return TRUE; /* builds without sources keep their dkms.conf here */
  if (!dkms_remove_tree_at (fd, "source", error))
    return FALSE;
  if (symlinkat (target, fd, "source") < 0 || fsync (fd) < 0)
    return dkms_fail_errno (error, "create the link", "source");
  return TRUE;
}

/* Deletes what an interrupted build left in <v>/<k>: all that has no module directory. */
static gboolean
clean_kernel_dir (int module_fd, const char *path, GError **error)
{
  g_autoptr (GPtrArray) arches = dkms_list_dir_at (module_fd, path, error);

  for (guint i = 0; arches != NULL && i < arches->len; i++)
    {
      const char *arch = arches->pdata[i];
      g_autofree char *build = g_build_filename (path, arch, NULL);
      g_autofree char *result = g_build_filename (build, "module", NULL);

      if ((g_str_has_prefix (arch, ".tmp_") || !dkms_is_dir_at (module_fd, result))
          && !dkms_remove_tree_at (module_fd, build, error))
        return FALSE;
    }
  return arches != NULL;
}

gboolean
dkms_tree_unregister (const DkmsSettings *settings, const char *module, const char *version, gboolean *gone,
                      GError **error)
{
  static const char *const surplus[] = { "build", "tarball", "driver_disk", "rpm", "deb", "source", NULL };
  g_autofree char *dir = dkms_tree_path (settings, module, NULL);
  g_auto (DkmsFd) fd = dkms_root_open_dir (settings->root, dir, FALSE, error);
  g_auto (DkmsFd) tree = fd >= 0 ? dkms_root_open_dir (settings->root, settings->dkms_tree, FALSE, error) : -1;
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *logs = g_build_filename (".dkms/logs", module, version, NULL);

  *gone = FALSE;
  if (tree < 0)
    return FALSE;
  names = dkms_list_dir_at (fd, version, error);
  if (names == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (version, names->pdata[i], NULL);

      if (g_strv_contains (surplus, names->pdata[i]) || !dkms_is_dir_at (fd, path))
        continue;
      if (!clean_kernel_dir (fd, path, error))
        return FALSE;
      if (unlinkat (fd, path, AT_REMOVEDIR) < 0)
        return TRUE; /* something is still built */
    }
  if (!dkms_remove_tree_at (fd, version, error) || !dkms_remove_tree_at (tree, logs, error))
    return FALSE;
  (void)unlinkat (tree, module, AT_REMOVEDIR); /* only if empty */
  *gone = TRUE;
  return TRUE;
}

gboolean
dkms_tree_drop_build (const DkmsSettings *settings, const char *module, const char *version, const char *kernel,
                      const char *arch, GError **error)
{
  g_autofree char *dir = dkms_tree_path (settings, module, version, NULL);
  g_autofree char *path = g_build_filename (kernel, arch, NULL);
  g_autofree char *trash = g_strdup_printf ("%s/.tmp_%s_drop", kernel, arch);
  g_auto (DkmsFd) fd = dkms_root_open_dir (settings->root, dir, FALSE, error);

  if (fd < 0)
    return FALSE;
  /* Renamed first: a half-deleted build must not look like a build. */
  if (renameat (fd, path, fd, trash) < 0 && errno != ENOENT)
    return dkms_fail_errno (error, "delete the build", path);
  if (!dkms_remove_tree_at (fd, trash, error))
    return FALSE;
  (void)unlinkat (fd, kernel, AT_REMOVEDIR);
  return TRUE;
}
