/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Installs modules, archives originals, and uninstalls. */
#define _GNU_SOURCE
#include "install/install.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "base/walk.h"
#include "install/depmod.h"
#include "install/job.h"
#include "install/script.h"
#include "install/version-check.h"
#include "model/version.h"
#include "store/layout.h"
#include "store/transaction.h"

/* ---- finding existing files ---- */

typedef struct {
  const char *dir, *name;
  GPtrArray *found;
} Search;

static gboolean
take_if_wanted (const char *path, const char *name, unsigned char type, gpointer data)
{
  const Search *self = data;
  const char *suffix = g_str_has_prefix (name, self->name) ? dkms_module_suffix (name) : NULL;

  if (type == DT_REG && suffix != NULL && (gsize)(suffix - name) == strlen (self->name) + strlen (".ko"))
    g_ptr_array_add (self->found, g_build_filename (self->dir, path, NULL));
  return TRUE;
}

static int
compare_paths (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* Returns every regular file of that module below the directory of the kernel, as paths inside the root. */
static GPtrArray *
find_everywhere (const DkmsPlaces *places, const DkmsKernel *kernel, const char *name)
{
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, kernel->dir, O_RDONLY | O_DIRECTORY, 0);
  Search search = { kernel->dir, name, found };

  if (fd >= 0)
    dkms_each_file_at (fd, take_if_wanted, &search);
  g_ptr_array_sort (found, compare_paths);
  return found;
}

/* Of several files with one name, returns the one in updates or extra, which depmod prefers, otherwise the first. */
static const char *
preferred (const DkmsJob *job, const GPtrArray *found)
{
  static const char *const first[] = { "/updates/", "/extra/" };

  for (gsize p = 0; p < G_N_ELEMENTS (first); p++)
    {
      g_autofree char *prefix = g_strconcat (job->kernel->dir, first[p], NULL);
      for (guint i = 0; i < found->len; i++)
        if (g_str_has_prefix (found->pdata[i], prefix))
          return found->pdata[i];
    }
  return found->len > 0 ? found->pdata[0] : NULL;
}

/* ---- version sanity ---- */

static gboolean
obsolete (const DkmsJob *job)
{
  const char *by = job->recipe->obsoleted;
  g_autofree char *kernel = g_strdelimit (g_strdup (job->kernel->release), "-", ' ');
  g_autofree char *limit = g_strdelimit (g_strdup (by), "-", ' ');

  return *by != '\0' && dkms_version_compare (kernel, limit) >= 0;
}

static gboolean
refused (const DkmsJob *job, const DkmsOutput *output, const char *built)
{
  g_autoptr (GPtrArray) found = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *mine = NULL, *theirs = NULL;
  const char *there;

  if (!job->force && obsolete (job))
    {
      DKMS_EMIT (job->events, OBSOLETE, .id = job->id, .name = output->dest_name, .text = job->recipe->obsoleted);
      return TRUE;
    }
  if (job->force || job->force_version_override)
    return FALSE;
  found = find_everywhere (&job->settings->places, job->kernel, output->dest_name);
  there = preferred (job, found);
  if (there == NULL)
    return FALSE;
  switch (dkms_version_check (job, built, there, &mine, &theirs, &error))
    {
    case DKMS_VERDICT_OLDER:
      DKMS_EMIT (job->events, NEWER_STAYS, .id = job->id, .path = there, .name = output->dest_name, .text = theirs,
                 .place = mine);
      return TRUE;
    case DKMS_VERDICT_SAME:
      DKMS_EMIT (job->events, SAME_STAYS, .id = job->id, .path = there, .name = output->dest_name, .text = theirs);
      return TRUE;
    default:
      if (error != NULL)
        DKMS_EMIT (job->events, VERSIONS_NOT_COMPARED, .error = error);
      return FALSE;
    }
}

/* ---- originals ---- */

static char *
backup_dir (const DkmsJob *job)
{
  return dkms_layout_originals (&job->settings->places, &job->id);
}

static char *
find_original (const DkmsJob *job, const DkmsOutput *output)
{
  const char *places[] = { "/extra", "/updates", output->dest_location };
  g_autoptr (GPtrArray) found = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *dir = g_strconcat (job->kernel->dir, places[i], NULL);
      g_autofree char *file = dkms_job_find (job->settings->places.root, dir, output->dest_name);
      if (file != NULL)
        return g_build_filename (dir, file, NULL);
    }
  found = find_everywhere (&job->settings->places, job->kernel, output->dest_name);
  return found->len > 0 ? g_strdup (found->pdata[0]) : NULL;
}

static void
archive_original (const DkmsJob *job, DkmsTransaction *tx, const DkmsOutput *output, const char *target)
{
  g_autofree char *original = find_original (job, output);
  g_autofree char *dir = backup_dir (job);
  struct stat st;

  if (original == NULL || dkms_root_stat (job->settings->places.root, original, &st) < 0)
    return;
  g_autofree char *file = g_path_get_basename (original);
  g_autofree char *backup = g_build_filename (dir, file, NULL);
  g_autofree char *origin = g_strconcat (backup, ".origin", NULL);
  g_autofree char *text = g_strconcat (original, "\n", NULL);

  DKMS_EMIT (job->events, ORIGINAL_ARCHIVED, .path = original);
  dkms_transaction_preserve (tx, original, backup);
  dkms_transaction_write (tx, text, origin);
  if (strcmp (original, target) != 0)
    dkms_transaction_delete (tx, original);
}

/* ---- install ---- */

static void
place (const DkmsJob *job, DkmsTransaction *tx, const char *built, const char *dir, const char *name, const char *file)
{
  g_autofree char *target = g_build_filename (dir, file, NULL);

  DKMS_EMIT (job->events, INSTALLING, .path = target);
  if (job->settings->policy.symlink_modules)
    dkms_transaction_link (tx, built, target);
  else
    dkms_transaction_copy (tx, built, target, 0644);
  for (const char *const *suffix = dkms_module_suffixes; *suffix != NULL; suffix++)
    {
      g_autofree char *other = g_strconcat (dir, "/", name, ".ko", *suffix, NULL);
      if (strcmp (other, target) != 0 && dkms_root_is_file (job->settings->places.root, other))
        dkms_transaction_delete (tx, other);
    }
}

/* Deletes files of the previous installation that the new one does not have, or has at another path. */
static void
drop_previous (const DkmsJob *job, DkmsTransaction *tx, const char *previous)
{
  const DkmsId id = { job->id.module, previous, job->id.kernel, job->id.arch };
  g_autoptr (DkmsRecord) record = dkms_record_read (&job->settings->places, &id);

  for (guint i = 0; record != NULL && i < record->modules->len; i++)
    {
      const DkmsRecordModule *old = record->modules->pdata[i];
      gboolean kept = FALSE;

      for (guint o = 0; o < job->outputs->len; o++)
        {
          const DkmsOutput *output = job->outputs->pdata[o];
          kept |= !output->excluded && strcmp (output->dest_name, old->dest_name) == 0
                  && strcmp (output->dest_location, old->dest_location) == 0;
        }
      if (kept || old->file == NULL)
        continue;
      g_autofree char *path = g_strconcat (job->kernel->dir, old->dest_location, "/", old->file, NULL);
      dkms_transaction_delete (tx, path);
    }
}

/* Whether @path exists, also as a dangling link. */
static gboolean
exists (const DkmsRoot *root, const char *path)
{
  g_auto (DkmsFd) fd = dkms_root_openat (root, path, O_PATH | O_NOFOLLOW, 0);

  return fd >= 0;
}

static void
note_installed (const DkmsJob *job)
{
  g_autoptr (DkmsRecord) record = dkms_record_read (&job->settings->places, &job->id);
  g_autofree char *base = dkms_job_base (job, NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (job->settings->places.root, base, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GError) error = NULL;
  struct stat st;

  if (record == NULL || fd < 0)
    return;
  for (guint i = 0; i < record->modules->len; i++)
    {
      DkmsRecordModule *module = record->modules->pdata[i];
      g_autofree char *path = g_strconcat (job->kernel->dir, module->dest_location, "/", module->file, NULL);

      g_clear_pointer (&module->installed_sig, g_free);
      if (module->file != NULL && dkms_root_stat (job->settings->places.root, path, &st) == 0)
        module->installed_sig = dkms_stat_signature (&st);
      g_free (module->owned_sig);
      module->owned_sig = g_strdup (module->installed_sig);
    }
  if (!dkms_record_write (record, fd, job->work->fd, &error))
    DKMS_EMIT (job->events, SIGNATURE_NOT_RECORDED, .error = error);
}

gboolean
dkms_install (const DkmsJob *job, const char *previous, GError **error)
{
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (&job->settings->places);
  g_autofree char *module_dir = dkms_job_base (job, "module");
  g_autofree char *link = dkms_layout_link (&job->settings->places, &job->id);
  g_autofree char *text = g_build_filename (job->id.version, job->kernel->release, job->kernel->arch, NULL);
  g_autofree char *note = dkms_depmod_note (&job->settings->places, job->work, job->kernel->release);
  /* A link to a deleted build also counts: the existing file is then an old module of dkms, and not an original. */
  gboolean ours = previous != NULL || exists (job->settings->places.root, link);
  guint wanted = 0, placed = 0;
  g_autoptr (GError) failure = NULL;

  for (guint i = 0; i < job->outputs->len; i++)
    {
      const DkmsOutput *output = job->outputs->pdata[i];
      g_autofree char *file = dkms_job_find (job->settings->places.root, module_dir, output->dest_name);

      if (output->excluded)
        continue;
      wanted++;
      if (file == NULL)
        return DKMS_FAIL (error, BUILT_MISSING, .id = job->id, .path = module_dir, .name = output->dest_name);
      g_autofree char *built = g_build_filename (module_dir, file, NULL);
      g_autofree char *dir = g_strconcat (job->kernel->dir, output->dest_location, NULL);
      g_autofree char *target = g_build_filename (dir, file, NULL);

      if (refused (job, output, built))
        continue;
      if (!ours)
        archive_original (job, tx, output, target);
      place (job, tx, built, dir, output->dest_name, file);
      placed++;
    }
  if (wanted > 0 && placed == 0)
    return DKMS_FAIL (error, NOTHING_INSTALLED, .id = job->id, .path = job->kernel->dir);
  if (previous != NULL)
    drop_previous (job, tx, previous);
  dkms_transaction_link (tx, text, link);
  dkms_transaction_write (tx, dkms_depmod_note_text (&job->settings->places, job->kernel->release), note);
  if (!dkms_transaction_commit (tx, job->events, &failure))
    return DKMS_FAIL (error, COPY_FAILED, .id = job->id, .error = failure);
  note_installed (job);
  return TRUE;
}

/* ---- uninstall ---- */

/* By the record, otherwise by content, otherwise (builds of the reference) by module version. */
static gboolean
is_ours (const DkmsJob *job, const char *dest_name, const char *built, const char *there)
{
  g_autoptr (DkmsRecord) record = dkms_record_read (&job->settings->places, &job->id);
  const DkmsRecordModule *module = dkms_record_find (record, dest_name);
  g_autofree char *a = dkms_root_resolved (job->settings->places.root, built);
  g_autofree char *b = dkms_root_resolved (job->settings->places.root, there);
  struct stat st;

  if (module != NULL && module->owned_sig != NULL && dkms_root_stat (job->settings->places.root, there, &st) == 0)
    {
      g_autofree char *now = dkms_stat_signature (&st);
      if (strcmp (now, module->owned_sig) == 0)
        return TRUE;
    }
  return dkms_files_equal_at (AT_FDCWD, a, AT_FDCWD, b) || dkms_version_equal (job, built, there);
}

/* Restores the originals archived in @dir, and in collisions/ below it, from older versions of dkms. */
static void
restore_from (const DkmsJob *job, DkmsTransaction *tx, const char *dir, const char *dest_name,
              const char *conf_location, GHashTable *restored)
{
  g_autofree char *prefix = g_strconcat (dest_name, ".ko", NULL);
  g_autofree char *below = g_strconcat (job->kernel->dir, "/", NULL);
  g_autofree char *stop = dkms_layout_module (&job->settings->places, &job->id);
  g_auto (DkmsFd) fd = dkms_root_openat (job->settings->places.root, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *origin_name = g_strconcat (name, ".origin", NULL);
      g_autofree char *backup = g_build_filename (dir, name, NULL);
      g_autofree char *origin = g_build_filename (dir, origin_name, NULL);
      g_autofree char *text = NULL;
      g_autofree char *target = NULL;
      struct stat st = { 0 };

      if (fstatat (fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        dkms_unread_note (fd, name, errno);
      else if (S_ISDIR (st.st_mode))
        restore_from (job, tx, backup, dest_name, conf_location, restored);
      if (!g_str_has_prefix (name, prefix) || g_str_has_suffix (name, ".origin") || !S_ISREG (st.st_mode))
        continue;
      text = dkms_read_at (fd, origin_name, 8192, NULL, NULL);
      target = text != NULL ? g_strndup (text, strcspn (text, "\r\n"))
                            : g_strconcat (job->kernel->dir, conf_location, "/", name, NULL);
      if (!g_str_has_prefix (target, below) || strstr (target, "/../") != NULL)
        {
          DKMS_EMIT (job->events, ORIGINAL_STAYS, .path = backup, .place = target, .name = below);
          continue;
        }
      DKMS_EMIT (job->events, ORIGINAL_RESTORED, .path = target);
      dkms_transaction_preserve (tx, backup, target);
      dkms_transaction_delete (tx, backup);
      dkms_transaction_delete (tx, origin);
      g_hash_table_add (restored, g_steal_pointer (&target));
    }
  if (names != NULL)
    dkms_transaction_prune (tx, dir, stop);
}

static void
restore_originals (const DkmsJob *job, DkmsTransaction *tx, const char *dest_name, const char *conf_location,
                   GHashTable *restored)
{
  g_autofree char *dir = backup_dir (job);

  restore_from (job, tx, dir, dest_name, conf_location, restored);
}

/* Deletes empty directories from @dir up to that of the kernel, on rpm systems only those that no package owns. */
static void
prune_unowned (const DkmsJob *job, DkmsTransaction *tx, const char *dir)
{
  g_autofree char *stop = g_strdup (dir);

  while (strlen (stop) > strlen (job->kernel->dir)
         && !dkms_distro_owns (job->settings->policy.distro, job->settings->places.root, stop))
    {
      char *slash = strrchr (stop, '/');
      *slash = '\0';
    }
  if (strcmp (stop, dir) != 0)
    dkms_transaction_prune (tx, dir, stop);
}

static void
uninstall_file (const DkmsJob *job, DkmsTransaction *tx, const char *dest_name, const char *const *places)
{
  g_autofree char *module_dir = dkms_job_base (job, "module");
  g_autofree char *built_file = dkms_job_find (job->settings->places.root, module_dir, dest_name);
  g_autofree char *built = g_build_filename (module_dir, built_file != NULL ? built_file : "missing", NULL);
  g_autoptr (GHashTable) restored = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *there = NULL;

  for (gsize i = 0; there == NULL && i < 2; i++)
    {
      g_autofree char *dir = g_strconcat (job->kernel->dir, places[i], NULL);
      g_autofree char *file = dkms_job_find (job->settings->places.root, dir, dest_name);
      g_autofree char *path = file != NULL ? g_build_filename (dir, file, NULL) : NULL;
      if (path != NULL && is_ours (job, dest_name, built, path))
        there = g_steal_pointer (&path);
    }
  restore_originals (job, tx, dest_name, places[1], restored);
  if (there == NULL)
    {
      DKMS_EMIT (job->events, NOTHING_TO_DELETE, .name = dest_name, .path = job->kernel->dir);
      return;
    }
  DKMS_EMIT (job->events, DELETING, .path = there);
  g_autofree char *dir = g_path_get_dirname (there);
  for (const char *const *suffix = dkms_module_suffixes; *suffix != NULL; suffix++)
    {
      g_autofree char *path = g_strconcat (dir, "/", dest_name, ".ko", *suffix, NULL);
      if (dkms_root_is_file (job->settings->places.root, path) && !g_hash_table_contains (restored, path))
        dkms_transaction_delete (tx, path);
    }
  prune_unowned (job, tx, dir);
}

/* Whether the directory of the kernel does not exist, although the install tree does (it may not be mounted). */
static gboolean
kernel_is_gone (const DkmsJob *job)
{
  g_autoptr (GPtrArray) others = NULL;

  if (dkms_root_is_dir (job->settings->places.root, job->kernel->dir))
    return FALSE;
  others = dkms_kernel_list (job->settings->places.root, job->settings->places.install_tree, FALSE);
  return others->len > 0;
}

/* Restoring an original would create a directory for a kernel that was removed. */
static void
forget_originals (const DkmsJob *job, DkmsTransaction *tx)
{
  g_autofree char *dir = backup_dir (job);
  g_autofree char *kernel_dir = g_path_get_dirname (dir);
  g_autofree char *stop = dkms_layout_module (&job->settings->places, &job->id);

  DKMS_EMIT (job->events, KERNEL_DIRECTORY_GONE, .path = job->kernel->dir);
  if (!dkms_root_is_dir (job->settings->places.root, dir))
    return;
  DKMS_EMIT (job->events, ORIGINALS_DELETED, .id = { .kernel = job->kernel->release });
  dkms_transaction_discard (tx, dir);
  dkms_transaction_prune (tx, kernel_dir, stop);
}

/* Returns: (transfer full) (nullable): the name of the module in @file; NULL if that is not the name of a module file
 */
static char *
module_of_file (const char *file)
{
  const char *suffix = dkms_module_suffix (file);

  return suffix != NULL ? g_strndup (file, (gsize)(suffix - file) - strlen (".ko")) : NULL;
}

/* Returns the path of a file equal to @built below the directory of the kernel; NULL: none exists. */
static char *
place_of_equal (const DkmsPlaces *places, const DkmsKernel *kernel, const char *name, const char *built)
{
  g_autoptr (GPtrArray) found = find_everywhere (places, kernel, name);
  g_autofree char *ours = dkms_root_resolved (places->root, built);

  for (guint i = 0; i < found->len; i++)
    {
      g_autofree char *there = dkms_root_resolved (places->root, found->pdata[i]);
      if (dkms_files_equal_at (AT_FDCWD, ours, AT_FDCWD, there))
        return g_path_get_dirname ((const char *)found->pdata[i] + strlen (kernel->dir));
    }
  return NULL;
}

DkmsRecipe *
dkms_recipe_of_files (const DkmsPlaces *places, const DkmsId *id, const DkmsKernel *kernel)
{
  g_autofree char *dir = dkms_layout_build (places, id, "module");
  g_autofree char *archive = dkms_layout_originals (places, id);
  const char *const dirs[] = { dir, archive };
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  DkmsVars *vars = dkms_vars_new (dir);
  guint count = 0;

  for (gsize d = 0; d < G_N_ELEMENTS (dirs); d++)
    {
      g_auto (DkmsFd) fd = dkms_root_openat (places->root, dirs[d], O_RDONLY | O_DIRECTORY, 0);
      g_autoptr (GPtrArray) files = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

      for (guint i = 0; files != NULL && i < files->len; i++)
        {
          g_autofree char *name = module_of_file (files->pdata[i]);
          g_autofree char *path = g_build_filename (dirs[d], files->pdata[i], NULL);

          if (name == NULL || !g_hash_table_add (names, g_strdup (name)))
            continue;
          g_autofree char *place = d == 0 ? place_of_equal (places, kernel, name, path) : NULL;
          dkms_vars_set (vars, "BUILT_MODULE_NAME", count, name);
          dkms_vars_set (vars, "DEST_MODULE_LOCATION", count, place != NULL ? place : "/updates");
          count++;
        }
    }
  return dkms_recipe_new (vars);
}

gboolean
dkms_uninstall (const DkmsJob *job, GError **error)
{
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (&job->settings->places);
  g_autofree char *link = dkms_layout_link (&job->settings->places, &job->id);
  g_autofree char *note = dkms_depmod_note (&job->settings->places, job->work, job->kernel->release);

  gboolean gone = kernel_is_gone (job);

  if (gone)
    forget_originals (job, tx);
  for (guint i = 0; i < job->outputs->len && !gone; i++)
    {
      const DkmsOutput *output = job->outputs->pdata[i];
      const char *places[] = { output->dest_location, output->conf_location };
      uninstall_file (job, tx, output->dest_name, places);
    }
  dkms_transaction_delete (tx, link);
  dkms_transaction_write (tx, dkms_depmod_note_text (&job->settings->places, job->kernel->release), note);
  if (!dkms_transaction_commit (tx, job->events, error))
    return FALSE;
  (void)dkms_script_run (job, DKMS_SCRIPT_POST_REMOVE);
  return TRUE;
}
