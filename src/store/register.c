/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks names; adds sources to the tree, and deletes versions. */
#define _GNU_SOURCE
#include "store/register.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"
#include "store/layout.h"
#include "store/scan.h"
#include "store/transaction.h"
#include "store/work.h"

gboolean
dkms_tree_check_name (DkmsError kind, const char *what, const char *name, GError **error)
{
  gboolean odd = *name == '-' || *name == '.' || strlen (name) > 200;

  for (const char *c = name; *c != '\0'; c++)
    odd |= *c == '/' || (guchar)*c <= ' ' || *c == 127;
  if (!odd)
    return TRUE;
  g_autofree char *shown = g_strescape (name, NULL);
  return dkms_fail_with (error, &(const DkmsErrorInfo){ .kind = kind, .name = shown, .text = what });
}

gboolean
dkms_tree_is_kernel_name (const char *name)
{
  /* Other entries of a version directory (docs/interface/tree.md §1). <v>/source leads to files of the user. */
  static const char *const others[] = { "build", "source", "tarball", "driver_disk", "rpm", "deb", NULL };

  return *name != '.' && !g_strv_contains (others, name);
}

gboolean
dkms_tree_check_kernel (const char *kernel, GError **error)
{
  return dkms_tree_is_kernel_name (kernel) || DKMS_FAIL (error, RESERVED_KERNEL, .id = { .kernel = kernel });
}

gboolean
dkms_tree_check_new (DkmsError kind, const DkmsId *id, GError **error)
{
  static const char *const top[] = { "mok.key", "mok.pub", "post_transaction.log", NULL };
  static const char *const inner[] = { "original_module", "build", "source", NULL };
  gboolean link = g_str_has_prefix (id->version, "kernel-") && strchr (id->version + strlen ("kernel-"), '-') != NULL;

  if (g_strv_contains (top, id->module))
    return dkms_fail_with (error, &(const DkmsErrorInfo){ .kind = kind, .name = id->module, .text = "module name" });
  return (!link && !g_strv_contains (inner, id->version))
         || dkms_fail_with (error,
                            &(const DkmsErrorInfo){ .kind = kind, .name = id->version, .text = "module version" });
}

static gboolean
fail_trust (const DkmsPlaces *places, const char *path, const struct stat *st, GError **error)
{
  const struct passwd *user = getpwuid (st->st_uid);
  gboolean foreign = st->st_uid != 0 && st->st_uid != geteuid ();
  g_autofree char *tree = dkms_root_host_path (places->root, places->dkms_tree);
  g_autofree char *shown = dkms_root_host_path (places->root, path);
  g_autofree char *owner = user != NULL ? g_strdup (user->pw_name) : g_strdup_printf ("uid %u", st->st_uid);
  g_autofree char *us = g_strdup_printf ("%u:%u", geteuid (), getegid ());

  return dkms_fail_with (error,
                         &(const DkmsErrorInfo){ .kind = foreign ? DKMS_ERROR_TREE_OF_ANOTHER : DKMS_ERROR_TREE_OPEN,
                                                 .place = tree,
                                                 .path = shown,
                                                 .name = owner,
                                                 .text = us });
}

/* Removes the permissions of others from the default tree, which only dkms uses, while it is empty. It may be writable
 * for all users, for example a tmpfs mounted without a mode. Returns: whether no other user can have created files in
 * it */
static gboolean
close_new_tree (const DkmsPlaces *places, struct stat *st)
{
  g_auto (DkmsFd) fd = -1;

  if (strcmp (places->dkms_tree, DKMS_DEFAULT_TREE) != 0 || st->st_uid != geteuid ())
    return FALSE;
  fd = dkms_root_open_dir (places->root, places->dkms_tree, FALSE, NULL);
  for (int i = 0; fd >= 0 && i < 2; i++) /* before the permissions are removed, and after */
    {
      g_autoptr (GPtrArray) names = dkms_list_dir_at (fd, ".", NULL);

      if (names == NULL || names->len > 0 || (i == 0 && fchmod (fd, 0755) < 0))
        return FALSE;
    }
  return fd >= 0 && fstat (fd, st) == 0;
}

gboolean
dkms_tree_check_trusted (const DkmsPlaces *places, GError **error)
{
  static const char *const dirs[] = { "", ".dkms", ".dkms/journal", ".dkms/work", ".dkms/depmod", ".dkms/locks" };

  for (gsize i = 0; i < G_N_ELEMENTS (dirs); i++)
    {
      g_autofree char *path = g_build_filename (places->dkms_tree, dirs[i], NULL);
      g_autofree char *shown = dkms_root_host_path (places->root, path);
      struct stat st;

      if (dkms_root_stat (places->root, path, &st) < 0)
        {
          if (errno == ENOENT || errno == ENOTDIR)
            continue;
          return dkms_fail_errno (error, "look at", shown);
        }
      if (i == 0 && (st.st_mode & 0022) != 0)
        (void)close_new_tree (places, &st);
      if ((st.st_uid != 0 && st.st_uid != geteuid ()) || (st.st_mode & 0002) != 0
          || ((st.st_mode & 0020) != 0 && st.st_gid != 0 && st.st_gid != getegid ()))
        return fail_trust (places, path, &st, error);
    }
  return TRUE;
}

gboolean
dkms_tree_check_writable (const DkmsPlaces *places, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_auto (DkmsFd) fd = dkms_root_open_dir (places->root, places->dkms_tree, TRUE, &local);
  g_autofree char *shown = dkms_root_host_path (places->root, places->dkms_tree);

  if (fd >= 0 && faccessat (fd, ".", W_OK, AT_EACCESS) == 0)
    return dkms_tree_check_trusted (places, error);
  return DKMS_FAIL (error, TREE_NOT_WRITABLE, .path = shown, .error = local, .number = local == NULL ? errno : 0);
}

gboolean
dkms_tree_stage_source (const DkmsPlaces *places, DkmsTransaction *tx, const DkmsWork *work,
                        const DkmsTreeImport *source, const DkmsId *id, GError **error)
{
  g_autofree char *target = dkms_layout_unpacked (places, id);
  g_autofree char *name = g_path_get_basename (target);
  g_autofree char *staged = dkms_work_beside (work, places->source_tree);
  g_autofree char *beside = g_path_get_basename (staged);
  g_auto (DkmsFd) parent = dkms_root_open_dir (places->root, places->source_tree, TRUE, error);
  g_auto (DkmsFd) dir = open (source->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat from, to;

  if (parent < 0)
    return FALSE;
  if (dir < 0 || fstat (dir, &from) < 0)
    return dkms_fail_errno (error, "read the directory", source->dir);
  if (source->seen != NULL && (from.st_dev != source->seen->st_dev || from.st_ino != source->seen->st_ino))
    return DKMS_FAIL (error, SOURCE_REPLACED, .path = source->dir);
  if (fstatat (parent, name, &to, 0) == 0 && to.st_dev == from.st_dev && to.st_ino == from.st_ino)
    return TRUE;
  /* Without force the copy starts with the existing files, as specified, and adds to them. */
  if ((!source->overwrite && dkms_is_dir_at (parent, name) && !dkms_copy_tree_at (parent, name, parent, beside, error))
      || !dkms_copy_tree_at (dir, ".", parent, beside, error))
    {
      g_autofree char *shown = dkms_root_host_path (places->root, target);
      return dkms_copy_failed (error, source->dir, shown);
    }
  if (syncfs (parent) < 0)
    return dkms_fail_errno (error, "flush", staged);
  dkms_transaction_move (tx, staged, target);
  return TRUE;
}

static gboolean
mark_builds (const DkmsPlaces *places, DkmsTransaction *tx, const DkmsId *id, GError **error)
{
  g_autoptr (DkmsState) state = dkms_state_read (places, id, error);
  const DkmsVersion *v = state != NULL ? dkms_state_find (state, id) : NULL;

  for (guint i = 0; v != NULL && i < v->builds->len; i++)
    {
      const DkmsBuild *build = v->builds->pdata[i];
      const DkmsId of_build = dkms_build_id (v, build);
      g_autofree char *mark = dkms_layout_build (places, &of_build, DKMS_STALE);
      g_autofree char *sentence = DKMS_SAY (SOURCE_WAS_REPLACED, 0);
      dkms_transaction_write (tx, sentence, mark);
    }
  return state != NULL;
}

gboolean
dkms_tree_import (const DkmsPlaces *places, DkmsListener *events, const DkmsTreeImport *source, const DkmsId *id,
                  gboolean replaces, GError **error)
{
  g_autoptr (DkmsWork) work = dkms_work_new (places, error);
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (places);

  return work != NULL && dkms_tree_stage_source (places, tx, work, source, id, error)
         && (!replaces || mark_builds (places, tx, id, error)) && dkms_transaction_commit (tx, events, error);
}

gboolean
dkms_tree_stage_version (const DkmsPlaces *places, DkmsTransaction *tx, const DkmsWork *work, const DkmsId *id,
                         gboolean stub, GError **error)
{
  g_autofree char *dir = dkms_layout_version (places, id, NULL);
  g_autofree char *target = dkms_layout_unpacked (places, id);
  g_autofree char *made = g_build_filename (work->path, "version", NULL);
  g_autofree char *made_build = g_build_filename (made, "build", NULL);
  g_autofree char *made_link = g_build_filename (made, "source", NULL);
  g_autofree char *build = g_build_filename (dir, "build", NULL);
  g_autofree char *link = g_build_filename (dir, "source", NULL);
  gboolean there = dkms_root_is_dir (places->root, dir);

  if (!dkms_mkdirs_at (work->fd, "version/build", error))
    return FALSE;
  if (!stub && symlinkat (target, work->fd, "version/source") < 0)
    return dkms_fail_errno (error, "create", made_link);
  if (!dkms_flush_tree_at (work->fd, "version", error))
    return FALSE;
  if (!there)
    {
      dkms_transaction_move (tx, made, dir);
      return TRUE;
    }
  if (!dkms_root_is_dir (places->root, build))
    dkms_transaction_move (tx, made_build, build);
  if (!stub)
    dkms_transaction_move (tx, made_link, link);
  return TRUE;
}

gboolean
dkms_tree_register (const DkmsPlaces *places, DkmsListener *events, const DkmsId *id, GError **error)
{
  g_autofree char *target = dkms_layout_unpacked (places, id);
  g_autofree char *conf = dkms_layout_source (places, id, "dkms.conf");
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (places);
  g_autoptr (DkmsWork) work = dkms_work_new (places, error);
  /* Builds without a source have their dkms.conf in a directory instead of the link. */
  gboolean stub = !dkms_root_is_dir (places->root, target) && dkms_root_is_file (places->root, conf);

  return work != NULL && dkms_tree_stage_version (places, tx, work, id, stub, error)
         && dkms_transaction_commit (tx, events, error);
}

/* Adds the remains of an interrupted build in <v>/<k>, directories without module/, to the deletions. */
static gboolean
clear_kernel_dir (const DkmsPlaces *places, DkmsTransaction *tx, const char *dir, gboolean *built, GError **error)
{
  g_auto (DkmsFd) fd = dkms_root_open_dir (places->root, dir, FALSE, error);
  g_autoptr (GPtrArray) arches = fd >= 0 ? dkms_list_dir_at (fd, ".", error) : NULL;

  for (guint i = 0; arches != NULL && i < arches->len; i++)
    {
      const char *arch = arches->pdata[i];
      g_autofree char *result = g_build_filename (arch, "module", NULL);
      g_autofree char *path = g_build_filename (dir, arch, NULL);

      if (!g_str_has_prefix (arch, ".tmp_") && dkms_is_dir_at (fd, result))
        *built = TRUE;
      else
        dkms_transaction_discard (tx, path);
    }
  return arches != NULL;
}

/* Adds the links kernel-<k>-<a> to builds of that version to the deletions. */
static void
drop_links (const DkmsPlaces *places, DkmsTransaction *tx, const char *module_dir, const char *version)
{
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, module_dir, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  g_autofree char *prefix = g_strconcat (version, "/", NULL);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *text
          = g_str_has_prefix (names->pdata[i], "kernel-") ? dkms_read_link_at (fd, names->pdata[i]) : NULL;
      g_autofree char *path = g_build_filename (module_dir, names->pdata[i], NULL);

      if (text != NULL && g_str_has_prefix (text, prefix))
        dkms_transaction_delete (tx, path);
    }
}

gboolean
dkms_tree_unregister (const DkmsPlaces *places, DkmsListener *events, const DkmsId *id, gboolean *gone, GError **error)
{
  static const char *const surplus[] = { "build", "tarball", "driver_disk", "rpm", "deb", "source", NULL };
  g_autofree char *dir = dkms_layout_version (places, id, NULL);
  g_autofree char *logs = dkms_layout_logs (places, id);
  g_autofree char *logs_dir = g_path_get_dirname (logs);
  g_autofree char *logs_stop = g_path_get_dirname (logs_dir);
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (places);
  g_auto (DkmsFd) fd = dkms_root_open_dir (places->root, dir, FALSE, error);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", error) : NULL;
  gboolean built = FALSE;

  *gone = FALSE;
  if (names == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (dir, names->pdata[i], NULL);

      if (g_strv_contains (surplus, names->pdata[i]) || !dkms_is_dir_at (fd, names->pdata[i]))
        continue;
      if (!clear_kernel_dir (places, tx, path, &built, error))
        return FALSE;
      dkms_transaction_prune (tx, path, dir);
    }
  if (!built)
    {
      g_autofree char *module_dir = g_path_get_dirname (dir);
      drop_links (places, tx, module_dir, id->version);
      dkms_transaction_discard (tx, dir);
      if (dkms_root_is_dir (places->root, logs))
        dkms_transaction_discard (tx, logs);
      dkms_transaction_prune (tx, module_dir, places->dkms_tree);
      dkms_transaction_prune (tx, logs_dir, logs_stop);
    }
  if (!dkms_transaction_commit (tx, events, error))
    return FALSE;
  *gone = !built;
  return TRUE;
}

gboolean
dkms_tree_drop_build (const DkmsPlaces *places, DkmsListener *events, const DkmsId *id, GError **error)
{
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (places);
  g_autofree char *dir = dkms_layout_version (places, id, NULL);
  g_autofree char *kernel_dir = g_build_filename (dir, id->kernel, NULL);
  g_autofree char *base = g_build_filename (kernel_dir, id->arch, NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);

  /* If the directory of a kernel is a link, only the link is deleted. */
  if (fd >= 0 && dkms_is_link_at (fd, id->kernel))
    dkms_transaction_delete (tx, kernel_dir);
  else
    {
      dkms_transaction_discard (tx, base);
      dkms_transaction_prune (tx, kernel_dir, dir);
    }
  return dkms_transaction_commit (tx, events, error);
}
