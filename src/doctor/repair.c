/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Repairs faults, with the attic or by runs of dkms. */
#define _GNU_SOURCE
#include "doctor/repair.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"
#include "base/unread.h"
#include "base/walk.h"
#include "doctor/look.h"
#include "install/depmod.h"
#include "install/install.h"
#include "install/kernel-dir.h"
#include "run/adopt.h"
#include "run/run.h"
#include "store/layout.h"
#include "store/lock.h"
#include "store/record.h"
#include "store/recovery.h"
#include "store/scan.h"
#include "store/work.h"

typedef struct {
  const DkmsSettings *settings;
  const DkmsPlaces *places;
  DkmsListener *events;
  DkmsAttic *attic;
  const DkmsFaultFinding *finding;
} Repair;

/* ---- runs of dkms ---- */

/* Runs dkms for the build of the finding. */
static gboolean
run (const Repair *self, DkmsGoal goal, const char *verb, gboolean force, GError **error)
{
  g_autoptr (DkmsRequest) request = dkms_request_new ();
  const DkmsId *id = &self->finding->id;
  int status = 0;

  request->goal = goal;
  request->selection = goal == DKMS_GOAL_SIGNED ? DKMS_SELECT_EXISTING : DKMS_SELECT_ONE;
  request->module = g_strdup (id->module);
  request->version = g_strdup (id->version);
  request->action = g_strdup (verb);
  request->force = force;
  dkms_targets_add (request->targets, id);
  if (!dkms_run (self->settings, self->events, request, NULL, &status, error))
    return FALSE;
  return status == 0 || DKMS_FAIL (error, REPAIR_FAILED, .id = *id, .name = verb);
}

/* Whether the build of the finding is installed. */
static gboolean
is_active (const Repair *self)
{
  g_autofree char *link = dkms_layout_link (self->places, &self->finding->id);
  g_autofree char *text = dkms_root_read_link (self->places->root, link);

  return text != NULL && g_str_has_prefix (text, self->finding->id.version);
}

/* Builds again. An installed build is installed again. */
static gboolean
rebuild (const Repair *self, GError **error)
{
  gboolean active = is_active (self);

  return run (self, DKMS_GOAL_BUILT, "build", TRUE, error)
         && (!active || run (self, DKMS_GOAL_INSTALLED, "install", TRUE, error));
}

static gboolean
run_depmod (const Repair *self, GError **error)
{
  const DkmsPlaces *places = self->places;
  g_autoptr (DkmsWork) work = NULL;

  dkms_depmod_due (self->settings, self->events, FALSE);
  if (self->finding->fault == DKMS_FAULT_DEPMOD_DUE)
    return TRUE;
  work = dkms_work_new (places, error);
  if (work == NULL)
    return FALSE;
  dkms_depmod (self->settings, self->events, work, self->finding->id.kernel, FALSE, -1);
  return TRUE;
}

/* ---- records ---- */

/* Deletes the record, so that it is written anew. The old one describes nothing. */
static gboolean
adopt_again (const Repair *self, GError **error)
{
  const DkmsId *id = &self->finding->id;
  g_autofree char *record = dkms_layout_build (self->places, id, ".record.json");
  g_autoptr (DkmsState) state = NULL;
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (self->places);

  if (self->finding->fault != DKMS_FAULT_RECORD_NONE)
    {
      dkms_transaction_delete (tx, record);
      if (!dkms_transaction_commit (tx, self->events, error))
        return FALSE;
    }
  state = dkms_state_read (self->places, id, error);
  if (state == NULL)
    return FALSE;
  (void)dkms_adopt_builds (self->settings, state);
  struct stat st;
  return (dkms_root_stat (self->places->root, record, &st) == 0 && st.st_size > 0)
         || DKMS_FAIL (error, REPAIR_FAILED, .id = *id, .name = "--adopt");
}

/* Records the signatures of the files that are installed. */
static gboolean
record_installed (const Repair *self, GError **error)
{
  const DkmsId *id = &self->finding->id;
  g_autofree char *base = dkms_layout_build (self->places, id, NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (self->places->root, base, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (DkmsRecord) record = dkms_record_read (self->places, id);
  g_autoptr (DkmsWork) work = dkms_work_new (self->places, error);

  if (work == NULL)
    return FALSE;
  if (record == NULL || fd < 0)
    return DKMS_FAIL (error, REPAIR_FAILED, .id = *id, .name = "--adopt");
  for (guint i = 0; i < record->modules->len; i++)
    {
      DkmsRecordModule *module = record->modules->pdata[i];
      g_autofree char *path = dkms_layout_installed (self->places, id->kernel, module->dest_location,
                                                     module->file != NULL ? module->file : "");
      struct stat st;

      if (module->file == NULL || dkms_root_stat (self->places->root, path, &st) < 0)
        continue;
      g_free (module->installed_sig);
      module->installed_sig = dkms_stat_signature (&st);
      g_free (module->owned_sig);
      module->owned_sig = g_strdup (module->installed_sig);
    }
  return dkms_record_write (record, fd, work->fd, error);
}

/* ---- sources ---- */

static gboolean
commit (const Repair *self, DkmsAtticRepair *repair, GError **error)
{
  return dkms_attic_commit (repair, self->settings, error);
}

static gboolean
relink (const Repair *self, DkmsAtticRepair *repair, GError **error)
{
  g_autofree char *link = dkms_layout_version (self->places, &self->finding->id, "source");

  dkms_attic_put_link (repair, self->finding->place, link);
  return commit (self, repair, error);
}

/* Appends a line that assigns @value to a directive. */
static void
add_line (GString *text, const char *name, guint index, const char *value)
{
  g_autofree char *quoted = g_shell_quote (value);

  g_string_append_printf (text, "%s[%u]=%s\n", name, index, quoted);
}

/* Returns: (transfer full): a dkms.conf with which the builds of the version can be installed and removed */
static char *
conf_of (const DkmsId *id, const DkmsRecipe *recipe)
{
  g_autoptr (GString) text
      = g_string_new ("# Written by dkms doctor, because the source is gone: builds cannot be made.\n");
  g_autofree char *name = g_shell_quote (id->module), *version = g_shell_quote (id->version);

  g_string_append_printf (text, "PACKAGE_NAME=%s\nPACKAGE_VERSION=%s\n", name, version);
  for (guint i = 0; i < recipe->modules->len; i++)
    {
      const DkmsRecipeModule *module = recipe->modules->pdata[i];
      add_line (text, "BUILT_MODULE_NAME", i, *module->built_name != '\0' ? module->built_name : module->dest_name);
      add_line (text, "DEST_MODULE_NAME", i, module->dest_name);
      add_line (text, "DEST_MODULE_LOCATION", i, module->dest_location);
      if (!module->strip)
        add_line (text, "STRIP", i, "no");
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Returns: (transfer full) (nullable): the recipe of a build of the version, or one made from its files */
static DkmsRecipe *
kept_recipe (const Repair *self, const DkmsVersion *v)
{
  for (guint i = v->builds->len; i-- > 0;)
    {
      const DkmsId id = dkms_build_id (v, v->builds->pdata[i]);
      DkmsRecipe *recipe = dkms_record_recipe (self->places, &id);
      if (recipe != NULL && recipe->modules->len > 0)
        return recipe;
      dkms_recipe_free (recipe);
    }
  for (guint i = v->builds->len; i-- > 0;)
    {
      const DkmsId id = dkms_build_id (v, v->builds->pdata[i]);
      g_autoptr (DkmsKernel) kernel = dkms_kernel_new (self->places->root, self->places->install_tree, &id, NULL, NULL);
      DkmsRecipe *recipe = dkms_recipe_of_files (self->places, &id, kernel);
      if (recipe->modules->len > 0)
        return recipe;
      dkms_recipe_free (recipe);
    }
  return NULL;
}

/* Keeps the builds of a version, whose source is gone, as those of an archive without sources are kept. */
static gboolean
keep_builds (const Repair *self, DkmsAtticRepair *repair, GError **error)
{
  const DkmsId *id = &self->finding->id;
  g_autoptr (DkmsWork) work = dkms_work_new (self->places, error);
  g_autoptr (DkmsState) state = work != NULL ? dkms_state_read (self->places, id, error) : NULL;
  const DkmsVersion *v = state != NULL ? dkms_state_find (state, id) : NULL;
  g_autofree char *source = dkms_layout_version (self->places, id, "source");
  g_autofree char *prepared = work != NULL ? g_build_filename (work->path, "source", NULL) : NULL;

  if (state == NULL)
    return FALSE;
  g_autoptr (DkmsRecipe) recipe = v != NULL ? kept_recipe (self, v) : NULL;
  if (recipe == NULL)
    return DKMS_FAIL (error, NO_KEPT_RECIPE, .id = *id);
  g_autofree char *text = conf_of (id, recipe);
  if (!dkms_mkdirs_at (work->fd, "source", error)
      || !dkms_write_new_at (work->fd, "source/dkms.conf", text, strlen (text), 0644, error)
      || !dkms_flush_tree_at (work->fd, "source", error))
    return FALSE;
  dkms_attic_put_dir (repair, prepared, source);
  return commit (self, repair, error);
}

/* ---- things that go ---- */

/* Takes away @path, and directories above it that are empty then, but not that of the tree. */
static gboolean
take_path (const Repair *self, DkmsAtticRepair *repair, const char *path, GError **error)
{
  const char *stop = g_str_has_prefix (path, self->places->dkms_tree) ? self->places->dkms_tree : NULL;

  dkms_attic_take (repair, path, stop);
  return commit (self, repair, error);
}

/* Takes away a version, and the links to its builds. */
static gboolean
take_version (const Repair *self, DkmsAtticRepair *repair, GError **error)
{
  const DkmsId *id = &self->finding->id;
  g_autofree char *dir = dkms_layout_version (self->places, id, NULL), *module = dkms_layout_module (self->places, id);
  g_autofree char *prefix = g_strconcat (id->version, "/", NULL);
  g_autoptr (GPtrArray) names = dkms_look_list (self->places, module);

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (module, names->pdata[i], NULL);
      g_autofree char *text
          = g_str_has_prefix (names->pdata[i], "kernel-") ? dkms_root_read_link (self->places->root, path) : NULL;
      if (text != NULL && g_str_has_prefix (text, prefix))
        dkms_attic_take (repair, path, NULL);
    }
  return take_path (self, repair, dir, error);
}

/* Takes away a build without modules, and the link to it. */
static gboolean
take_build (const Repair *self, DkmsAtticRepair *repair, GError **error)
{
  const DkmsId *id = &self->finding->id;

  if (id->arch != NULL && is_active (self))
    {
      g_autofree char *link = dkms_layout_link (self->places, id);
      dkms_attic_take (repair, link, NULL);
    }
  return take_path (self, repair, self->finding->path, error);
}

/* Takes away what a build left in <m>/<v>/build, which stays. */
static gboolean
take_content (const Repair *self, DkmsAtticRepair *repair, GError **error)
{
  g_autoptr (GPtrArray) names = dkms_look_list (self->places, self->finding->path);

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (self->finding->path, names->pdata[i], NULL);
      dkms_attic_take (repair, path, NULL);
    }
  return commit (self, repair, error);
}

/* Takes away an archived original. */
static gboolean
take_original (const Repair *self, DkmsAtticRepair *repair, gboolean back, GError **error)
{
  const DkmsFaultFinding *finding = self->finding;
  g_autofree char *origin = g_strconcat (finding->path, ".origin", NULL);

  if (back)
    dkms_attic_put_copy (repair, finding->path, finding->place);
  dkms_attic_take (repair, origin, NULL);
  return take_path (self, repair, finding->path, error);
}

static void
take_named (const Repair *self, DkmsAtticRepair *repair, const char *dir, const char *name)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);

  if (dkms_look_exists (self->places, path))
    dkms_attic_take (repair, path, self->places->dkms_tree);
}

/* Takes away everything in the tree that belongs to a kernel. */
static gboolean
take_builds_for (const Repair *self, DkmsAtticRepair *repair, GError **error)
{
  const char *kernel = self->finding->id.kernel, *tree = self->places->dkms_tree;
  g_autoptr (GPtrArray) modules = dkms_look_list (self->places, tree);

  for (guint m = 0; m < modules->len; m++)
    {
      g_autofree char *dir = g_build_filename (tree, modules->pdata[m], NULL);
      g_autofree char *originals = g_build_filename (dir, "original_module", NULL);
      g_autofree char *prefix = g_strdup_printf ("kernel-%s-", kernel);
      g_autoptr (GPtrArray) names = NULL;

      if (*(const char *)modules->pdata[m] == '.')
        continue;
      names = dkms_look_list (self->places, dir);
      for (guint i = 0; i < names->len; i++)
        {
          const char *name = names->pdata[i];
          g_autofree char *path = g_build_filename (dir, name, NULL);
          g_autofree char *text = dkms_root_read_link (self->places->root, path);
          g_auto (GStrv) parts = g_strsplit (text != NULL ? text : "", "/", -1);

          if (g_str_has_prefix (name, prefix) && g_strv_length (parts) == 3 && strcmp (parts[1], kernel) == 0)
            dkms_attic_take (repair, path, NULL);
          else if (text == NULL && strcmp (name, "original_module") != 0)
            take_named (self, repair, path, kernel);
        }
      take_named (self, repair, originals, kernel);
    }
  return TRUE;
}

typedef struct {
  DkmsAtticRepair *repair;
  const char *dir, *stop;
} Husk;

static gboolean
take_husk_file (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  const Husk *self = data;
  g_autofree char *path = NULL;

  if (entry->event != DKMS_WALK_FILE)
    return TRUE;
  path = g_build_filename (self->dir, g_str_has_prefix (entry->path, "./") ? entry->path + 2 : entry->path, NULL);
  dkms_attic_take (self->repair, path, self->stop);
  return TRUE;
}

static gboolean
take_kernel (const Repair *self, DkmsAtticRepair *repair, GError **error)
{
  const char *dir = self->finding->path, *kernel = self->finding->id.kernel;
  Husk husk = { repair, dir, self->places->install_tree };

  if (!take_builds_for (self, repair, error))
    return FALSE;
  if (self->finding->fault == DKMS_FAULT_KERNEL_HUSK)
    {
      g_auto (DkmsFd) fd = dkms_root_openat (self->places->root, dir, O_RDONLY | O_DIRECTORY, 0);
      if (fd < 0 || !dkms_walk_at (fd, ".", take_husk_file, &husk, error))
        return fd < 0 ? dkms_fail_errno (error, "read the directory", dir) : FALSE;
    }
  if (!commit (self, repair, error))
    return FALSE;
  return self->finding->fault != DKMS_FAULT_KERNEL_HUSK || !dkms_root_is_dir (self->places->root, dir)
         || dkms_kernel_dir_clean (self->places, kernel, error);
}

/* ---- links and files ---- */

static gboolean
put_link (const Repair *self, DkmsAtticRepair *repair, const char *version, GError **error)
{
  const DkmsId *id = &self->finding->id;
  g_autofree char *link = dkms_layout_link (self->places, id);
  g_autofree char *text = g_build_filename (version, id->kernel, id->arch, NULL);

  dkms_attic_put_link (repair, text, link);
  return commit (self, repair, error);
}

static gboolean
restrict_mode (const Repair *self, DkmsAtticRepair *repair, GError **error)
{
  const char *path = self->finding->path;
  struct stat st;

  if (dkms_root_stat (self->places->root, path, &st) < 0)
    return dkms_fail_errno (error, "look at", path);
  mode_t mode = st.st_mode & 07777 & ~(self->finding->fault == DKMS_FAULT_RIGHTS_READ ? 0077u : 0022u);
  return dkms_attic_change_mode (repair, path, mode, error) && commit (self, repair, error);
}

/* ---- all repairs ---- */

/* By moving files to the attic, and creating others. */
static gboolean
mend (const Repair *self, GError **error)
{
  const DkmsFaultFinding *finding = self->finding;
  g_autoptr (DkmsAtticRepair) repair = dkms_attic_repair_new (self->attic, finding);

  switch (finding->fault)
    {
    case DKMS_FAULT_SOURCE_MOVED:
    case DKMS_FAULT_CONF_MOVED:
    case DKMS_FAULT_SOURCE_OTHER:
      return relink (self, repair, error);
    case DKMS_FAULT_SOURCE_GONE:
    case DKMS_FAULT_NO_CONF:
      return keep_builds (self, repair, error);
    case DKMS_FAULT_SOURCE_GONE_ALONE:
    case DKMS_FAULT_NO_CONF_ALONE:
    case DKMS_FAULT_ORPHAN_VERSION:
    case DKMS_FAULT_ORPHAN_VERSION_OTHER:
      return take_version (self, repair, error);
    case DKMS_FAULT_STALE_BUILD:
    case DKMS_FAULT_STALE_BUILD_OTHER:
      return take_build (self, repair, error);
    case DKMS_FAULT_BUILD_LEFT:
      return take_content (self, repair, error);
    case DKMS_FAULT_LINK_ELSEWHERE:
      return put_link (self, repair, finding->text, error);
    case DKMS_FAULT_LINK_ABSENT:
      return put_link (self, repair, finding->id.version, error);
    case DKMS_FAULT_FILE_CHANGED:
      dkms_attic_put_copy (repair, finding->place, finding->path);
      return commit (self, repair, error);
    case DKMS_FAULT_ORIGINAL_STRAY:
      return take_original (self, repair, TRUE, error);
    case DKMS_FAULT_ORIGINAL_STRAY_THERE:
    case DKMS_FAULT_ORIGINAL_OUTDATED:
      return take_original (self, repair, FALSE, error);
    case DKMS_FAULT_KERNEL_GONE:
    case DKMS_FAULT_KERNEL_HUSK:
      return take_kernel (self, repair, error);
    case DKMS_FAULT_RIGHTS_WRITE:
    case DKMS_FAULT_RIGHTS_READ:
      return restrict_mode (self, repair, error);
    default:
      return take_path (self, repair, finding->path, error);
    }
}

/* By a run of dkms. */
static gboolean
run_for (const Repair *self, GError **error)
{
  switch (self->finding->fault)
    {
    case DKMS_FAULT_JOURNAL:
      return dkms_journal_try_recover (self->places, self->events, error);
    case DKMS_FAULT_WORK_LEFT:
      dkms_work_sweep (self->places, self->events);
      return TRUE;
    case DKMS_FAULT_DEPMOD_DUE:
    case DKMS_FAULT_INDEX_OLD:
    case DKMS_FAULT_INDEX_LACKS:
      return run_depmod (self, error);
    case DKMS_FAULT_FILE_LOST:
      return run (self, DKMS_GOAL_INSTALLED, "install", TRUE, error);
    case DKMS_FAULT_RECORD_BAD:
    case DKMS_FAULT_RECORD_WRONG:
    case DKMS_FAULT_RECORD_NONE:
      return adopt_again (self, error);
    case DKMS_FAULT_FORK_MIX:
      return record_installed (self, error);
    case DKMS_FAULT_UNSIGNED:
    case DKMS_FAULT_KEY_CHANGED:
      return run (self, DKMS_GOAL_SIGNED, "sign", FALSE, error);
    default:
      return rebuild (self, error);
    }
}

/* Whether no running dkms works on the module of the finding. */
static gboolean
is_free (const Repair *self, GError **error)
{
  const DkmsId *id = &self->finding->id;
  g_autofree char *module = id->module != NULL ? dkms_lock_name_module (id) : NULL;
  g_autofree char *build
      = id->module != NULL && id->kernel != NULL && id->arch != NULL ? dkms_lock_name_build (id) : NULL;

  if ((module == NULL || !dkms_lock_is_held (self->places, module))
      && (build == NULL || !dkms_lock_is_held (self->places, build)))
    return TRUE;
  return DKMS_FAIL (error, MODULE_BUSY, .id = { .module = id->module });
}

gboolean
dkms_repair (const DkmsSettings *settings, DkmsListener *events, DkmsAttic *attic, const DkmsFaultFinding *finding,
             GError **error)
{
  const Repair self = { settings, &settings->places, events, attic, finding };

  if (!is_free (&self, error))
    return FALSE;
  return (dkms_fault_repair (finding->fault) == DKMS_REPAIR_RUN ? run_for (&self, error) : mend (&self, error))
         && dkms_unread_check (error);
}
