/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions that all kinds of steps share; selects the function of each kind. */
#include "run/steps.h"

#include <string.h>

#include "base/error.h"
#include "base/unread.h"
#include "install/job.h"
#include "install/kernel-dir.h"
#include "run/step-add.h"
#include "run/step-install.h"
#include "run/step-sign.h"
#include "store/scan.h"

int
dkms_run_exit_code (const DkmsRun *run, const GError *error)
{
  return run->exit_code != NULL ? run->exit_code (run->request->action, error) : 1;
}

DkmsJob
dkms_step_job (DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, GPtrArray **outputs)
{
  DkmsKernelFacts facts = dkms_world_kernel (run->world, step->id);
  g_autofree char *place = dkms_policy_destination (&run->settings->policy);

  *outputs = recipe != NULL ? dkms_recipe_outputs (recipe, facts.kernel, place, facts.config) : NULL;
  return (DkmsJob){ .settings = run->settings,
                    .request = run->request,
                    .events = run->events,
                    .id = *step->id,
                    .kernel = facts.kernel,
                    .config = facts.config,
                    .recipe = recipe,
                    .outputs = *outputs,
                    .work = run->work,
                    .force = run->request->force,
                    .force_version_override = run->request->force_version_override };
}

void
dkms_step_want_recipes (DkmsRun *run)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *step = g_ptr_array_index (run->plan->steps, i);
      if (step->kind == DKMS_STEP_BUILD || dkms_step_installs (step) || step->kind == DKMS_STEP_UNINSTALL)
        dkms_world_want (run->world, step->id);
    }
}

void
dkms_build_state_clear (DkmsBuildState *self)
{
  g_free (self->installed);
}

gboolean
dkms_step_reread_build (const DkmsRun *run, const DkmsStep *step, DkmsBuildState *now, GError **error)
{
  g_autoptr (DkmsState) state
      = dkms_state_read (&run->settings->places, &(DkmsId){ .module = step->id->module }, error);
  const DkmsVersion *version = state != NULL ? dkms_state_find (state, step->id) : NULL;
  const DkmsBuild *build = version != NULL ? dkms_version_find (version, step->id) : NULL;
  const DkmsBuild *remains = version != NULL ? dkms_version_find_remains (version, step->id) : NULL;
  const DkmsVersion *other = state != NULL ? dkms_state_installed (state, step->id) : NULL;

  now->added = version != NULL;
  now->broken = version != NULL && version->broken;
  now->built = build != NULL && build->built;
  now->active = build != NULL ? build->active : remains != NULL && remains->active;
  now->installed = other != NULL ? g_strdup (other->version) : NULL;
  return state != NULL;
}

gboolean
dkms_step_skip_removed (const DkmsStep *step, GError **error)
{
  return DKMS_FAIL (error, REMOVED_MEANWHILE, .id = *step->id);
}

gboolean
dkms_step_settle (gboolean ok, GError **error)
{
  if (ok)
    return dkms_unread_check (error);
  dkms_unread_drop (0);
  return FALSE;
}

static gboolean
do_pack (const DkmsRun *run, const DkmsStep *step, GError **error)
{
  DkmsId id = { step->id->module, step->id->version, "", "" };
  const DkmsRequest *request = run->request;
  g_autoptr (GPtrArray) builds = g_ptr_array_new ();
  g_autoptr (DkmsState) state = dkms_state_read (&run->settings->places, step->id, error);
  const DkmsVersion *version = state != NULL ? dkms_state_find (state, step->id) : NULL;

  if (state == NULL)
    return FALSE;
  if (run->facts->targets->len > 0)
    {
      const DkmsId *target = run->facts->targets->pdata[0];
      id.kernel = target->kernel;
      id.arch = target->arch;
    }
  if (dkms_world_valid_recipe (run->world, &id, FALSE, error) == NULL)
    return FALSE;
  for (guint i = 0; version != NULL && i < run->facts->targets->len; i++)
    {
      const DkmsId *target = run->facts->targets->pdata[i];
      DkmsBuild *build = dkms_version_find (version, target);
      if (build != NULL)
        g_ptr_array_add (builds, build);
    }
  const DkmsPacking what = { .id = step->id,
                             .archive = request->archive,
                             .kind = request->source_only     ? DKMS_TARBALL_SOURCE_ONLY
                                     : request->binaries_only ? DKMS_TARBALL_BINARIES_ONLY
                                                              : DKMS_TARBALL_ALL,
                             .builds = builds,
                             .conf_file = request->conf_file };
  return dkms_tarball_make (&run->settings->places, run->events, &what, error);
}

static gboolean
do_step (DkmsRun *run, const DkmsStep *step, GError **error)
{
  switch (step->kind)
    {
    case DKMS_STEP_ADD:
      return dkms_step_add (run, step, error);
    case DKMS_STEP_BUILD:
    case DKMS_STEP_DEPMOD:
      return TRUE; /* these run in workers: run/schedule.c */
    case DKMS_STEP_INSTALL:
      return dkms_step_install (run, step, error);
    case DKMS_STEP_REINSTALL:
      return dkms_step_reinstall (run, step, error);
    case DKMS_STEP_UNINSTALL:
      return dkms_step_uninstall (run, step, error);
    case DKMS_STEP_UNBUILD:
      return dkms_step_unbuild (run, step, error);
    case DKMS_STEP_UNREGISTER:
      return dkms_step_unregister (run, step, error);
    case DKMS_STEP_LOAD:
      return (run->tarball->stub || dkms_step_check_may_import (run, error))
             && dkms_tarball_load (run->tarball, run->events, step->id, run->request->force, error);
    case DKMS_STEP_PACK:
      return do_pack (run, step, error);
    case DKMS_STEP_SIGN:
      return dkms_step_sign (run, step, error);
    case DKMS_STEP_CLEAN:
      return dkms_kernel_dir_clean (&run->settings->places, step->id->kernel, error);
    default:
      DKMS_EMIT (run->events, REMARK, .id = *step->id, .reason = step->reason);
      return TRUE;
    }
}

gboolean
dkms_step_do (DkmsRun *run, const DkmsStep *step, GError **error)
{
  return dkms_step_settle (do_step (run, step, error), error);
}
