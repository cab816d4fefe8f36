/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps that install a build, and that remove installed modules, builds and registered sources. */
#define _GNU_SOURCE
#include "run/step-install.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "build/loadable.h"
#include "install/install.h"
#include "install/job.h"
#include "install/script.h"
#include "install/weak-modules.h"
#include "run/caching.h"
#include "run/step-build.h"
#include "run/steps.h"
#include "store/layout.h"
#include "store/register.h"
#include "store/scan.h"

/* Builds again because another run deleted the build during the wait for its lock. */
static gboolean
build_again (DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_autoptr (DkmsBuildWork) work = NULL;

  return dkms_step_prepare (run, step, &work, TRUE, error)
         && (work == NULL || dkms_build_work_do (work, run->events, error));
}

/* Reads the state again, because the script may have called dkms. */
static gboolean
reread_after_script (const DkmsRun *run, const DkmsStep *step, DkmsBuildState *now, GError **error)
{
  dkms_build_state_clear (now);
  if (!dkms_step_reread_build (run, step, now, error))
    return FALSE;
  return (now->added && now->built) || DKMS_FAIL (error, BUILD_DELETED, .id = *step->id);
}

/* Whether this run made the build, so that it was checked already. */
static gboolean
was_built_now (const DkmsRun *run, const DkmsStep *step)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *other = run->plan->steps->pdata[i];
      if (other->kind == DKMS_STEP_BUILD && run->outcomes[i] == OUTCOME_DONE && dkms_id_equal (other->id, step->id))
        return TRUE;
    }
  return FALSE;
}

/* Whether the modules are the recorded ones. */
static gboolean
is_as_recorded (int module_dir, const DkmsRecord *record)
{
  for (guint i = 0; i < record->modules->len; i++)
    {
      const DkmsRecordModule *module = record->modules->pdata[i];
      struct stat st;

      if (module->file == NULL || fstatat (module_dir, module->file, &st, 0) < 0)
        return FALSE;
      g_autofree char *now = dkms_stat_signature (&st);
      if (g_strcmp0 (now, module->built_sig) != 0)
        return FALSE;
    }
  return TRUE;
}

/* Checks a build of the reference, or from an archive, before it is installed. Other builds have the result in their
 * record. */
static gboolean
judge_build (DkmsRun *run, const DkmsStep *step, const DkmsJob *job, GError **error)
{
  g_autofree char *base = dkms_job_base (job, NULL);
  g_autofree char *dir = g_build_filename (base, "module", NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (run->settings->places.root, base, O_RDONLY | O_DIRECTORY, 0);
  g_auto (DkmsFd) module_dir = dkms_root_openat (run->settings->places.root, dir, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (DkmsRecord) record = dkms_record_read (&run->settings->places, step->id);
  g_autoptr (DkmsRecord) files = dkms_record_new ();
  gboolean recorded = record != NULL && module_dir >= 0 && is_as_recorded (module_dir, record);
  g_autoptr (GError) refusal = NULL;

  if (was_built_now (run, step))
    return TRUE;
  if (recorded && record->checked)
    return dkms_loadable_recall (job, record, error);
  for (guint i = 0; i < job->outputs->len; i++)
    {
      const DkmsOutput *output = job->outputs->pdata[i];
      g_autofree char *file
          = output->excluded ? NULL : dkms_job_find (run->settings->places.root, dir, output->dest_name);
      if (file != NULL)
        (void)dkms_record_add (files, output->dest_name, output->dest_location, file);
    }
  if (!dkms_loadable_judge_record (job, dir, recorded ? record : files, &refusal))
    return DKMS_FAIL (error, BUILD_REFUSED, .id = *step->id, .error = refusal);
  return !recorded || dkms_record_write (record, fd, run->work->fd, error);
}

/* After the change, a file that could not be read does not undo it, and depmod has to follow. */
static void
warn_unread (const DkmsRun *run, const DkmsStep *step, DkmsEventKind kind)
{
  g_autoptr (GError) unread = NULL;

  if (!dkms_unread_check (&unread))
    dkms_listener_hear (run->events, &(const DkmsEvent){ .kind = kind, .id = *step->id, .error = unread });
}

gboolean
dkms_step_install (DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_autoptr (GPtrArray) outputs = NULL;
  g_auto (DkmsBuildState) now = { 0 };
  const DkmsRecipe *recipe;
  int status;

  if (!dkms_step_reread_build (run, step, &now, error))
    return FALSE;
  if (now.active && step->kind == DKMS_STEP_INSTALL && !step->replaces)
    return TRUE;
  if (!now.added)
    return dkms_step_skip_removed (step, error);
  if (!now.built && !build_again (run, step, error))
    return FALSE;
  recipe = dkms_world_valid_recipe (run->world, step->id, TRUE, error);
  if (recipe == NULL)
    return FALSE;
  DkmsJob job = dkms_step_job (run, step, recipe, &outputs);
  /* An upgrade by rpm installs with force. The checks of its builds are the usual ones. */
  job.force |= run->request->rpm_safe_upgrade && run->request->goal == DKMS_GOAL_INSTALLED;
  dkms_job_apply_force_list (&job);
  if (now.active) /* it replaces its own files */
    job.force_version_override = TRUE;
  if (!dkms_root_is_dir (run->settings->places.root, job.kernel->dir))
    return DKMS_FAIL (error, NO_KERNEL_DIRECTORY, .id = *step->id, .path = job.kernel->dir);
  job.symvers = dkms_world_symvers (run->world, step->id);
  if (!judge_build (run, step, &job, error))
    return FALSE;
  status = dkms_script_run (&job, DKMS_SCRIPT_PRE_INSTALL);
  if (status != 0 && !job.force)
    return DKMS_FAIL (error, PRE_INSTALL, .id = *step->id, .status = status);
  if (*recipe->scripts[DKMS_SCRIPT_PRE_INSTALL] != '\0' && !reread_after_script (run, step, &now, error))
    return FALSE;
  if (!dkms_install (&job, now.installed, error))
    return FALSE;
  dkms_weak_modules (&job, TRUE);
  (void)dkms_script_run (&job, DKMS_SCRIPT_POST_INSTALL);
  warn_unread (run, step, DKMS_EVENT_INSTALLED_ANYHOW);
  return TRUE;
}

/* Reports it once per version. */
static void
report_source_gone (DkmsRun *run, const DkmsStep *step)
{
  if (dkms_world_is_first (run->world, step->id->module, step->id->version))
    DKMS_EMIT (run->events, SCRIPTS_WITHOUT_SOURCE, .id = *step->id);
}

/* Whether this run signed modules for the kernel in a way that it will not accept. */
static gboolean
is_refused (const DkmsRun *run, const DkmsId *id)
{
  g_autofree char *key = g_strconcat (id->kernel, "/", id->arch, NULL);
  const DkmsSigner *signer = g_hash_table_lookup (run->signers, key);

  return signer != NULL && signer->refused;
}

gboolean
dkms_step_is_doubtful (const DkmsRun *run, const DkmsStep *step)
{
  g_autoptr (DkmsRecord) record = NULL;

  if (step->kind != DKMS_STEP_BUILD && !dkms_step_installs (step))
    return FALSE;
  record = dkms_record_read (&run->settings->places, step->id);
  return (record != NULL && record->doubts->len > 0) || is_refused (run, step->id);
}

/* Returns the recipe for the removal of the modules of @step. The record lists the installed files. For a build of the
 * reference, which has no record, the recipe is evaluated. If that does not exist either, its files in the tree are
 * used.
 *
 * @recorded: (out) (transfer full) (nullable): owns the returned recipe, unless the run owns it */
static const DkmsRecipe *
recipe_to_remove (DkmsRun *run, const DkmsStep *step, gboolean broken, DkmsRecipe **recorded, GError **error)
{
  *recorded = dkms_record_recipe (&run->settings->places, step->id);
  if (*recorded == NULL && !broken)
    return dkms_world_valid_recipe (run->world, step->id, FALSE, error);
  if (*recorded == NULL)
    *recorded
        = dkms_recipe_of_files (&run->settings->places, step->id, dkms_world_kernel (run->world, step->id).kernel);
  return *recorded;
}

/* @keep_files: whether installed files stay until an installation replaces them, so that the kernel is never without
 * its module */
static gboolean
remove_modules (DkmsRun *run, const DkmsStep *step, gboolean keep_files, GError **error)
{
  g_autoptr (DkmsRecipe) recorded = NULL;
  g_autoptr (GPtrArray) outputs = NULL;
  const DkmsRecipe *recipe;
  g_auto (DkmsBuildState) now = { 0 };

  if (!dkms_step_reread_build (run, step, &now, error))
    return FALSE;
  if (!now.active)
    return TRUE;
  recipe = recipe_to_remove (run, step, now.broken, &recorded, error);
  if (recipe == NULL)
    return FALSE;
  if (now.broken)
    report_source_gone (run, step);
  if (!keep_files && !dkms_request_clears_kernel (run->request))
    DKMS_EMIT (run->events, UNINSTALLING, .id = *step->id);
  DkmsJob job = dkms_step_job (run, step, recipe, &outputs);
  job.no_scripts = now.broken;
  job.lends_all = run->request->goal == DKMS_GOAL_GONE; /* it holds the lock of the module exclusively */
  dkms_weak_modules (&job, FALSE);
  if (keep_files)
    {
      (void)dkms_script_run (&job, DKMS_SCRIPT_POST_REMOVE);
      return TRUE;
    }
  if (!dkms_uninstall (&job, error))
    return FALSE;
  warn_unread (run, step, DKMS_EVENT_UNINSTALLED_ANYHOW);
  return TRUE;
}

gboolean
dkms_step_uninstall (DkmsRun *run, const DkmsStep *step, GError **error)
{
  return remove_modules (run, step, FALSE, error);
}

gboolean
dkms_step_reinstall (DkmsRun *run, const DkmsStep *step, GError **error)
{
  return remove_modules (run, step, TRUE, error) && dkms_step_install (run, step, error);
}

gboolean
dkms_step_unbuild (DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_auto (DkmsBuildState) now = { 0 };

  if (!dkms_step_reread_build (run, step, &now, error))
    return FALSE;
  if (now.built && now.active)
    {
      DKMS_EMIT (run->events, INSTALLED_AGAIN, .id = *step->id);
      return TRUE;
    }
  if (dkms_request_clears_kernel (run->request))
    DKMS_EMIT (run->events, REMOVING, .id = *step->id);
  else
    DKMS_EMIT (run->events, BUILD_DELETED, .id = *step->id);
  dkms_run_forget_cached (run, step->id);
  return dkms_tree_drop_build (&run->settings->places, run->events, step->id, error);
}

gboolean
dkms_step_unregister (DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_autofree char *source = dkms_layout_unpacked (&run->settings->places, step->id);
  gboolean gone;

  g_autoptr (DkmsState) state = dkms_state_read (&run->settings->places, step->id, error);
  const DkmsVersion *v = state != NULL ? dkms_state_find (state, step->id) : NULL;

  if (state == NULL)
    return FALSE;
  if (v == NULL)
    return TRUE; /* a script of the module removed it */
  if (v->broken)
    report_source_gone (run, step);
  dkms_run_forget_cached (run, step->id);
  if (!dkms_tree_unregister (&run->settings->places, run->events, step->id, &gone, error))
    return FALSE;
  if (gone && dkms_root_is_dir (run->settings->places.root, source))
    DKMS_EMIT (run->events, REMOVED_BUT_SOURCE, .id = *step->id, .path = source);
  else if (gone)
    DKMS_EMIT (run->events, REMOVED, .id = *step->id);
  return TRUE;
}
