/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "plan/steps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "install/job.h"
#include "kernel/version.h"
#include "store/transaction.h"

/* ---- the graph ---- */

static DkmsOutcome
verdict_of_needs (const DkmsRun *run, const DkmsStep *step)
{
  gboolean any = FALSE;

  for (guint i = 0; i < step->needs->len; i++)
    {
      DkmsOutcome outcome = run->outcomes[g_array_index (step->needs, guint, i)];
      any |= outcome == OUTCOME_DONE;
      if (outcome != OUTCOME_DONE && step->kind != DKMS_STEP_DEPMOD && step->kind != DKMS_STEP_CLEAN)
        return outcome == OUTCOME_SKIPPED ? OUTCOME_SKIPPED : OUTCOME_BLOCKED;
    }
  for (guint i = 0; i < step->after->len; i++)
    {
      DkmsOutcome outcome = run->outcomes[g_array_index (step->after, guint, i)];
      if (outcome != OUTCOME_DONE && outcome != OUTCOME_SKIPPED)
        return OUTCOME_BLOCKED;
    }
  return step->kind == DKMS_STEP_DEPMOD && !any ? OUTCOME_BLOCKED : OUTCOME_WAITING;
}

static void
tell_failure (DkmsRun *run, const GError *error)
{
  if (error->domain == DKMS_ERROR && error->code == DKMS_ERROR_EXCLUDED)
    dkms_ui_warn (run->ui, "%s.", error->message);
  else
    dkms_ui_error (run->ui, error);
}

static void
run_step (DkmsRun *run, guint id)
{
  const DkmsStep *step = run->plan->steps->pdata[id];
  gboolean locks = step->module != NULL && g_strcmp0 (step->module, run->request->module) != 0;
  g_autofree char *name = locks ? g_strconcat ("locks/", step->module, NULL) : NULL;
  g_autoptr (DkmsLock) lock = NULL;
  g_autoptr (GError) error = NULL;

  if (step->dependent && step->text != NULL)
    dkms_ui_line (run->ui, "Rebuilding %s/%s %s", step->module, step->version, step->text);
  run->outcomes[id] = verdict_of_needs (run, step);
  if (run->outcomes[id] != OUTCOME_WAITING)
    {
      /* A blocked step carries the code of what blocks it. */
      for (guint i = 0; i < step->needs->len; i++)
        run->codes[id] = run->codes[g_array_index (step->needs, guint, i)];
      return;
    }
  lock = locks ? dkms_lock_take (run->settings, run->ui, name, TRUE, &error) : NULL;
  if (error == NULL && dkms_step_do (run, step, &error))
    {
      run->outcomes[id] = OUTCOME_DONE;
      return;
    }
  run->codes[id] = run->exit_code (error);
  run->outcomes[id]
      = error->code == DKMS_ERROR_EXCLUDED && error->domain == DKMS_ERROR ? OUTCOME_SKIPPED : OUTCOME_FAILED;
  tell_failure (run, error);
}

/* Does the steps, each after those it refers to; the plan lists them in such an order. */
static void
run_steps (DkmsRun *run)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    run_step (run, i);
}

/* ---- autoinstall's summary ---- */

static gboolean
summarise (DkmsRun *run, GError **error)
{
  g_autoptr (GString) installed = g_string_new (NULL);
  g_autoptr (GString) skipped = g_string_new (NULL);
  g_autoptr (GString) failed = g_string_new (NULL);
  const DkmsPlan *plan = run->plan;
  const char *kernel = ((DkmsTarget *)run->request->targets->pdata[0])->kernel;

  if (plan->steps->len == 0 && plan->failed->len == 0 && plan->deferred->len == 0)
    return TRUE;
  for (guint i = 0; i < plan->installed->len; i++)
    g_string_append_printf (installed, " %s", (char *)plan->installed->pdata[i]);
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const DkmsStep *step = plan->steps->pdata[i];
      if (step->kind != DKMS_STEP_INSTALL || (step->dependent && run->outcomes[i] == OUTCOME_DONE))
        continue;
      if (run->outcomes[i] == OUTCOME_DONE)
        g_string_append_printf (installed, " %s", step->module);
      else if (run->outcomes[i] == OUTCOME_SKIPPED)
        g_string_append_printf (skipped, " %s", step->module);
      else if (run->codes[i] != 0)
        g_string_append_printf (failed, " %s(%d)", step->module, run->codes[i]);
      else
        g_string_append_printf (failed, " %s(dependency)", step->module);
    }
  if (installed->len > 0)
    dkms_ui_line (run->ui, "Autoinstall on %s succeeded for:%s", kernel, installed->str);
  if (skipped->len > 0)
    dkms_ui_line (run->ui, "Autoinstall on %s was skipped for:%s", kernel, skipped->str);
  if (failed->len > 0)
    dkms_ui_line (run->ui, "Autoinstall on %s failed for:%s", kernel, failed->str);
  for (guint i = 0; i < plan->failed->len; i++)
    dkms_ui_note (run->ui, "%s", (char *)plan->failed->pdata[i]);
  for (guint i = 0; i < plan->deferred->len; i++)
    dkms_ui_line (run->ui, "Deferred: %s", (char *)plan->deferred->pdata[i]);
  if (failed->len == 0 && plan->failed->len == 0)
    return TRUE;
  return dkms_fail (error, DKMS_ERROR_AUTOINSTALL, NULL, "What was installed stays installed; see the errors above.",
                    "One or more modules could not be installed for kernel %s", kernel);
}

/* What kernel_preinst and kernel_prerm could not take away. */
static gboolean
summarise_clearing (const DkmsRun *run, GError **error)
{
  g_autoptr (GString) failed = g_string_new (NULL);
  const char *kernel = ((DkmsTarget *)run->request->targets->pdata[0])->kernel;

  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *step = run->plan->steps->pdata[i];
      if (step->kind == DKMS_STEP_UNBUILD && run->outcomes[i] != OUTCOME_DONE)
        g_string_append_printf (failed, " %s/%s(%d)", step->module, step->version, run->codes[i]);
    }
  for (guint i = 0; i < run->plan->failed->len; i++)
    {
      dkms_ui_note (run->ui, "%s", (char *)run->plan->failed->pdata[i]);
      g_string_append_printf (failed, " %s", (char *)run->plan->failed->pdata[i]);
    }
  return failed->len == 0
         || dkms_fail (error, DKMS_ERROR_CLEARING, NULL, "See the errors above; 'dkms status' shows what is left.",
                       "Some modules could not be taken away from kernel %s:%s", kernel, failed->str);
}

/* ---- state ---- */

/* Verbs about many modules go on without broken ones, but not without a word. */
static void
tell_broken (const DkmsRun *run, const DkmsState *state)
{
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      if (v->broken)
        dkms_ui_note (run->ui, "\nError! %s/%s is broken: its source is gone; it is skipped.", v->module, v->version);
    }
}

/* Whether the plan depends on what the recipe of @v says. */
static gboolean
is_candidate (const DkmsRun *run, const DkmsState *state, const DkmsVersion *v, const DkmsTarget *target)
{
  const DkmsBuild *build = dkms_version_find (v, target->kernel, target->arch);

  if (run->request->verb == DKMS_VERB_KERNEL_PREINST)
    return build != NULL;
  return dkms_plan_latest (state, v->module) == v && !v->weak && (build == NULL || !build->active);
}

/* Autoinstall and kernel_preinst plan by what recipes say: reads those that matter, all in one go. */
static gboolean
read_candidates (DkmsRun *run, DkmsState *state, GError **error)
{
  const DkmsTarget *target = run->request->targets->pdata[0];
  gboolean install = run->request->verb != DKMS_VERB_KERNEL_PREINST;

  for (guint i = 0; install && i < state->versions->len; i++)
    {
      DkmsVersion *v = state->versions->pdata[i];
      for (guint b = 0; b < v->builds->len && !v->weak; b++)
        v->weak = ((DkmsBuild *)v->builds->pdata[b])->active
                  && dkms_weak_serves (run->settings, v, v->builds->pdata[b], target->kernel);
    }
  for (int pass = 0; pass < 2; pass++)
    {
      for (guint i = 0; i < state->versions->len; i++)
        {
          DkmsVersion *v = state->versions->pdata[i];
          const DkmsRecipe *recipe;

          if (!is_candidate (run, state, v, target))
            continue;
          if (pass == 0)
            {
              dkms_world_want (run->world, v->module, v->version, target->kernel, target->arch);
              continue;
            }
          recipe = dkms_world_valid_recipe (run->world, v->module, v->version, target->kernel, target->arch, FALSE,
                                            &v->conf_error);
          v->autoinstall = recipe != NULL && dkms_recipe_yes (recipe, "AUTOINSTALL");
          v->depends = recipe != NULL ? dkms_recipe_depends (recipe) : NULL;
        }
      if (!dkms_world_load (run->world, error))
        return FALSE;
    }
  return TRUE;
}

/* Built ones before installed ones, each in the order of `sort -V` (spec/cli.md §5). */
static int
compare_builds (gconstpointer a, gconstpointer b)
{
  const DkmsBuild *x = *(const DkmsBuild *const *)a, *y = *(const DkmsBuild *const *)b;
  int order = dkms_version_sort (x->kernel, y->kernel);

  if (x->active != y->active)
    return x->active - y->active;
  return order != 0 ? order : dkms_version_sort (x->arch, y->arch);
}

/* --all: every kernel and arch that the version is built for. */
static void
expand_all (DkmsRequest *request, const DkmsState *state)
{
  const DkmsVersion *version = request->module != NULL && request->version != NULL
                                   ? dkms_state_find (state, request->module, request->version)
                                   : NULL;

  g_autoptr (GPtrArray) builds = g_ptr_array_new ();

  for (guint i = 0; version != NULL && i < version->builds->len; i++)
    g_ptr_array_add (builds, version->builds->pdata[i]);
  g_ptr_array_sort (builds, compare_builds);
  for (guint i = 0; i < builds->len; i++)
    {
      const DkmsBuild *build = builds->pdata[i];
      dkms_request_add_target (request, build->kernel, build->arch);
    }
}

/* Without headers nothing of an autoinstall can be built: it ends at once (21), but only if there is something to
 * build. */
static gboolean
check_autoinstall_headers (DkmsRun *run, GError **error)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *step = run->plan->steps->pdata[i];
      if (step->kind == DKMS_STEP_BUILD)
        return dkms_step_check_headers (run, dkms_world_kernel (run->world, step->kernel, step->arch).kernel, error);
    }
  return TRUE;
}

/* Kernels whose modules the plan installs. */
static gboolean
installs (const DkmsRun *run, const char *kernel)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *step = run->plan->steps->pdata[i];
      if (step->kind == DKMS_STEP_INSTALL && run->outcomes[i] == OUTCOME_DONE
          && (kernel == NULL || strcmp (step->kernel, kernel) == 0))
        return TRUE;
    }
  return FALSE;
}

static gboolean
changes_something (const DkmsRun *run)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *step = run->plan->steps->pdata[i];
      if (run->outcomes[i] == OUTCOME_DONE && (step->kind == DKMS_STEP_UNINSTALL || step->kind == DKMS_STEP_UNBUILD))
        return TRUE;
    }
  return installs (run, NULL);
}

/* What the admin wants done after the fact (spec/framework-conf.md §4, Q-69). */
static void
finish (const DkmsRun *run, gboolean ok)
{
  const DkmsRequest *request = run->request;
  const DkmsTarget *target = request->targets->len > 0 ? request->targets->pdata[0] : NULL;
  struct utsname uts;

  if (uname (&uts) == 0 && installs (run, uts.release))
    dkms_modprobe (run->settings);
  switch (request->verb)
    {
    case DKMS_VERB_INSTALL:
    case DKMS_VERB_UNINSTALL:
    case DKMS_VERB_UNBUILD:
    case DKMS_VERB_REMOVE:
      break;
    case DKMS_VERB_AUTOINSTALL:
    case DKMS_VERB_KERNEL_POSTINST:
    case DKMS_VERB_KERNEL_PREINST:
    case DKMS_VERB_KERNEL_PRERM:
      if (!changes_something (run))
        return;
      break;
    default:
      return;
    }
  if (ok)
    dkms_post_transaction (run->settings, run->ui, target != NULL ? target->kernel : uts.release);
}

static void
print_plan (DkmsRun *run)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      g_autofree char *line = dkms_step_describe (run->plan->steps->pdata[i]);
      dkms_ui_line (run->ui, "%s", line);
    }
  for (guint i = 0; i < run->plan->failed->len; i++)
    dkms_ui_line (run->ui, "fail: %s", (char *)run->plan->failed->pdata[i]);
  for (guint i = 0; i < run->plan->deferred->len; i++)
    dkms_ui_line (run->ui, "defer: %s", (char *)run->plan->deferred->pdata[i]);
  if (run->plan->steps->len == 0)
    dkms_ui_line (run->ui, "Nothing to do.");
}

/* Notes that depmod is due, left by runs that did not come to it. */
static void
run_due_depmods (const DkmsRun *run)
{
  g_autofree char *path = dkms_tree_path (run->settings, ".dkms", "depmod", NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (run->settings->root, path, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (*(const char *)names->pdata[i] != '.')
      dkms_depmod (run->settings, run->ui, names->pdata[i], run->request->no_depmod);
}

static gboolean
make_plan (DkmsRun *run, DkmsRequest *request, DkmsPlan **plan, GError **error)
{
  gboolean many = dkms_verb_is_autoinstall (request->verb) || dkms_verb_clears_kernel (request->verb)
                  || request->verb == DKMS_VERB_MATCH;
  gboolean dependents = !request->force && (request->verb == DKMS_VERB_INSTALL || many);
  const char *module = dependents ? NULL : request->module != NULL ? request->module : many ? NULL : "";
  g_autoptr (DkmsState) state = NULL;

  if (request->verb == DKMS_VERB_MATCH)
    module = request->module;
  state = dkms_state_read (run->settings, module, NULL, error);
  if (state == NULL)
    return FALSE;
  if (request->all)
    expand_all (request, state);
  if (dkms_verb_is_autoinstall (request->verb) || request->verb == DKMS_VERB_MATCH)
    tell_broken (run, state);
  for (guint i = 0; dependents && i < request->targets->len; i++)
    {
      const DkmsTarget *target = request->targets->pdata[i];
      dkms_state_read_seen (run->settings, state, target->kernel, target->arch);
    }
  if ((dkms_verb_is_autoinstall (request->verb) || request->verb == DKMS_VERB_KERNEL_PREINST)
      && !read_candidates (run, state, error))
    return FALSE;
  *plan = dkms_plan_make (request, state, error);
  return *plan != NULL;
}

/* One module is worked on by one run at a time; what follows is planned from what the other one left.
 * Autoinstall is about all modules and takes the lock of each in turn. */
static gboolean
lock_module (const DkmsRun *run, DkmsLock **lock, GError **error)
{
  const DkmsRequest *request = run->request;
  g_autofree char *name = NULL;

  if (dkms_verb_is_autoinstall (request->verb) || dkms_verb_clears_kernel (request->verb)
      || request->verb == DKMS_VERB_MATCH || request->module == NULL || *request->module == '\0')
    return TRUE;
  name = g_strconcat ("locks/", request->module, NULL);
  *lock = dkms_lock_take (run->settings, run->ui, name, TRUE, error);
  return *lock != NULL;
}

gboolean
dkms_run (const DkmsSettings *settings, DkmsUi *ui, DkmsRequest *request, int (*exit_code) (const GError *),
          int *status, GError **error)
{
  g_autoptr (DkmsWorld) world = dkms_world_new (settings, ui);
  g_autoptr (DkmsPlan) plan = NULL;
  g_autoptr (DkmsLock) lock = NULL;
  g_autoptr (DkmsTarball) tarball = NULL;
  gboolean ok = TRUE, cancelled = FALSE;
  g_autofree DkmsOutcome *outcomes = NULL;
  g_autofree int *codes = NULL;
  g_autoptr (GHashTable) signers
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)dkms_signer_free);
  DkmsRun run = {
    .signers = signers, .settings = settings, .ui = ui, .request = request, .world = world, .exit_code = exit_code
  };

  *status = 0;
  if (request->archive != NULL && request->verb != DKMS_VERB_MKTARBALL)
    {
      tarball = dkms_tarball_open (settings, request->archive, error);
      if (tarball == NULL)
        return FALSE;
      g_free (request->source);
      request->source = g_strdup (tarball->tree);
      request->loads = tarball->ours;
      run.tarball = tarball;
    }
  if (request->source != NULL && !dkms_world_identify (world, request, request->loads, error))
    return FALSE;
  if (!request->dry_run && (!lock_module (&run, &lock, error) || !dkms_transaction_recover (settings, ui, error)))
    return FALSE;
  if (request->rpm_safe_upgrade && !request->dry_run && !dkms_rpm_upgrade (&run, &cancelled, error))
    return FALSE;
  if (cancelled)
    return TRUE;
  if (!make_plan (&run, request, &plan, error))
    return FALSE;
  run.plan = plan;
  if (request->dry_run)
    return print_plan (&run), TRUE;
  run.outcomes = outcomes = g_new0 (DkmsOutcome, plan->steps->len + 1);
  run.codes = codes = g_new0 (int, plan->steps->len + 1);
  /* Recipes of a module that is yet to be added are announced by its add step. */
  if (plan->steps->len > 0 && ((const DkmsStep *)plan->steps->pdata[0])->kind != DKMS_STEP_ADD
      && ((const DkmsStep *)plan->steps->pdata[0])->kind != DKMS_STEP_LOAD)
    dkms_step_want_recipes (&run);
  if ((dkms_verb_is_autoinstall (request->verb) || request->verb == DKMS_VERB_MATCH)
      && !check_autoinstall_headers (&run, error))
    return FALSE;
  run_steps (&run);
  run_due_depmods (&run);
  for (guint i = 0; i < plan->cycles->len; i++)
    dkms_ui_warn (ui, "%s.", (char *)plan->cycles->pdata[i]);
  for (guint i = 0; i < plan->steps->len && *status == 0; i++)
    *status = codes[i];
  if (dkms_verb_is_autoinstall (request->verb))
    ok = summarise (&run, error);
  else if (dkms_verb_clears_kernel (request->verb))
    ok = summarise_clearing (&run, error);
  if (dkms_verb_is_autoinstall (request->verb) && ok)
    *status = 0; /* what was skipped is no failure */
  finish (&run, ok && *status == 0);
  return ok;
}
