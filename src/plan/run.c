/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run from its request to its summary. */
#define _GNU_SOURCE
#include "plan/steps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/unread.h"
#include "install/job.h"
#include "kernel/version.h"
#include "plan/plan-private.h"
#include "store/health.h"
#include "store/transaction.h"

/* ---- autoinstall's summary ---- */

static void
append_remarks (GString *line, const GPtrArray *remarks, const char *kernel)
{
  for (guint i = 0; i < remarks->len; i++)
    {
      const DkmsRemark *remark = remarks->pdata[i];
      if (strcmp (remark->kernel, kernel) == 0)
        g_string_append_printf (line, " %s", remark->text);
    }
}

/* Returns: how many remarks about @kernel there were */
static guint
tell_remarks (const DkmsRun *run, const GPtrArray *remarks, const char *kernel, gboolean failed)
{
  guint count = 0;

  for (guint i = 0; i < remarks->len; i++)
    {
      const DkmsRemark *remark = remarks->pdata[i];
      if (strcmp (remark->kernel, kernel) != 0)
        continue;
      count++;
      if (failed)
        dkms_ui_note (run->ui, "%s", remark->text);
      else
        dkms_ui_line (run->ui, "Deferred: %s", remark->text);
    }
  return count;
}

/* The command that shows why the build failed, if this run left a log of it. */
static void
append_log (const DkmsRun *run, const DkmsStep *step, GString *why)
{
  g_autofree char *log = dkms_tree_path (run->settings, ".dkms", "logs", step->module, step->version, step->kernel,
                                         step->arch, "make.log", NULL);
  g_autofree char *shown = dkms_root_host_path (run->settings->root, log);

  struct stat st;

  /* The clock of a file system is coarser than ours. */
  if (dkms_root_stat (run->settings->root, log, &st) == 0 && st.st_mtime >= run->start - 1)
    g_string_append_printf (why, "\n  less %s", shown);
}

/* Returns: whether nothing failed for @kernel */
static gboolean
summarise_kernel (const DkmsRun *run, const char *kernel)
{
  g_autoptr (GString) installed = g_string_new (NULL);
  g_autoptr (GString) skipped = g_string_new (NULL);
  g_autoptr (GString) failed = g_string_new (NULL);
  g_autoptr (GString) why = g_string_new (NULL);
  g_autoptr (GString) doubtful = g_string_new (NULL);
  const DkmsPlan *plan = run->plan;

  append_remarks (installed, plan->installed, kernel);
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const DkmsStep *step = plan->steps->pdata[i];
      if (!dkms_step_installs (step) || strcmp (step->kernel, kernel) != 0)
        continue;
      if (run->outcomes[i] == OUTCOME_DONE && dkms_step_is_doubtful (run, step))
        g_string_append_printf (doubtful, " %s", step->module);
      if (step->dependent && run->outcomes[i] == OUTCOME_DONE)
        continue;
      if (run->outcomes[i] == OUTCOME_DONE)
        g_string_append_printf (installed, " %s", step->module);
      else if (run->outcomes[i] == OUTCOME_SKIPPED)
        g_string_append_printf (skipped, " %s", step->module);
      else if (run->codes[i] != 0)
        {
          g_string_append_printf (failed, " %s(%d)", step->module, run->codes[i]);
          append_log (run, step, why);
        }
      else
        g_string_append_printf (failed, " %s(dependency)", step->module);
    }
  if (installed->len > 0)
    dkms_ui_line (run->ui, "Autoinstall on %s succeeded for:%s", kernel, installed->str);
  if (doubtful->len > 0)
    dkms_ui_warn (run->ui, "Kernel %s may not load what was installed for:%s. See the warnings above.", kernel,
                  doubtful->str);
  if (skipped->len > 0)
    dkms_ui_line (run->ui, "Autoinstall on %s was skipped for:%s", kernel, skipped->str);
  if (failed->len > 0)
    dkms_ui_line (run->ui, "Autoinstall on %s failed for:%s%s", kernel, failed->str, why->str);
  guint hopeless = tell_remarks (run, plan->failed, kernel, TRUE);
  (void)tell_remarks (run, plan->deferred, kernel, FALSE);
  return failed->len == 0 && hopeless == 0;
}

static gboolean
plans_installs (const DkmsPlan *plan)
{
  for (guint i = 0; i < plan->steps->len; i++)
    if (dkms_step_installs (plan->steps->pdata[i]))
      return TRUE;
  return FALSE;
}

static gboolean
summarise (const DkmsRun *run, GError **error)
{
  g_autoptr (GString) bad = g_string_new (NULL);

  if (!plans_installs (run->plan) && run->plan->failed->len == 0 && run->plan->deferred->len == 0)
    return TRUE;
  for (guint i = 0; i < run->request->targets->len; i++)
    {
      const DkmsTarget *target = run->request->targets->pdata[i];
      if (!summarise_kernel (run, target->kernel))
        g_string_append_printf (bad, "%s%s", bad->len > 0 ? ", " : "", target->kernel);
    }
  return bad->len == 0
         || dkms_fail (error, DKMS_ERROR_AUTOINSTALL, NULL, "What was installed stays installed; see the errors above.",
                       "One or more modules could not be installed for kernel %s", bad->str);
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
      const DkmsRemark *remark = run->plan->failed->pdata[i];
      dkms_ui_note (run->ui, "%s", remark->text);
      g_string_append_printf (failed, " %s", remark->text);
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
    return build != NULL || dkms_version_find_remains (v, target->kernel, target->arch) != NULL;
  return dkms_plan_latest (state, v->module) == v && !dkms_version_wish (v, target->kernel, target->arch)->weak
         && !dkms_plan_is_sound (build);
}

/* Gives up the module of @v, of which something could not be read; the others go on. */
static void
give_up_unread (DkmsState *state, const DkmsVersion *v)
{
  GError *error = NULL;

  if (!dkms_unread_check (&error))
    dkms_state_give_up (state, v->module, error);
}

static void
find_weak (const DkmsRun *run, DkmsState *state, const DkmsTarget *target)
{
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      DkmsWish *wish = dkms_version_wish (v, target->kernel, target->arch);
      for (guint b = 0; b < v->builds->len && !wish->weak; b++)
        wish->weak = ((DkmsBuild *)v->builds->pdata[b])->active
                     && dkms_weak_serves (run->settings, v, v->builds->pdata[b], target->kernel);
      give_up_unread (state, v);
    }
}

/* ---- what is damaged ---- */

static gboolean
is_about_many (const DkmsRequest *request)
{
  return dkms_verb_is_autoinstall (request->verb) || dkms_verb_clears_kernel (request->verb)
         || request->verb == DKMS_VERB_MATCH || request->module == NULL || *request->module == '\0';
}

/* Whether modules that @v makes by its recipe, as it is now, are missing in @build. A recipe that cannot be read is an
 * error of the step that needs it. */
static gboolean
lacks_output (const DkmsRun *run, const DkmsVersion *v, const DkmsBuild *build)
{
  const DkmsRecipe *recipe = dkms_world_recipe (run->world, v->module, v->version, build->kernel, build->arch, NULL);
  DkmsKernelFacts facts = dkms_world_kernel (run->world, build->kernel, build->arch);
  g_autoptr (GPtrArray) outputs
      = recipe != NULL ? dkms_recipe_outputs (recipe, facts.kernel, NULL, facts.config) : NULL;

  return outputs != NULL
         && dkms_build_lacks_output (run->settings, v, build, outputs,
                                     dkms_kernel_compression (facts.kernel, run->settings->root));
}

/* Looks at the builds for all targets: of every module, or of the one that the request names. */
static gboolean
examine_builds (const DkmsRun *run, DkmsState *state, GError **error)
{
  const DkmsRequest *request = run->request;
  gboolean many = is_about_many (request);

  for (guint t = 0; t < request->targets->len; t++)
    {
      const DkmsTarget *target = request->targets->pdata[t];
      g_autoptr (DkmsIndex) index = dkms_index_read (run->settings, target->kernel);

      if (!dkms_unread_check (error))
        return FALSE;
      for (guint i = 0; i < state->versions->len; i++)
        {
          const DkmsVersion *v = state->versions->pdata[i];
          DkmsBuild *build = dkms_version_find (v, target->kernel, target->arch);

          if (build == NULL || v->broken
              || (!many && (strcmp (v->module, request->module) != 0 || strcmp (v->version, request->version) != 0)))
            continue;
          dkms_build_examine (run->settings, v, build, index);
          /* Autoinstall asks when it has read the recipes. */
          if (!build->incomplete && !dkms_verb_is_autoinstall (request->verb)
              && (request->verb == DKMS_VERB_MATCH || dkms_build_needs_recipe (run->settings, v, build)))
            build->incomplete = lacks_output (run, v, build);
          give_up_unread (state, v);
        }
    }
  return TRUE;
}

static void
read_wish (const DkmsRun *run, const DkmsVersion *v, const DkmsTarget *target)
{
  DkmsWish *wish = dkms_version_wish (v, target->kernel, target->arch);
  const DkmsRecipe *recipe = dkms_world_valid_recipe (run->world, v->module, v->version, target->kernel, target->arch,
                                                      FALSE, &wish->conf_error);

  DkmsBuild *build = dkms_version_find (v, target->kernel, target->arch);

  wish->autoinstall = recipe != NULL && dkms_recipe_yes (recipe, "AUTOINSTALL");
  wish->depends = recipe != NULL ? dkms_recipe_depends (recipe) : NULL;
  if (build != NULL && recipe != NULL && !build->incomplete)
    build->incomplete = lacks_output (run, v, build);
}

/* Autoinstall and kernel_preinst plan by what recipes say: reads those that matter, for all kernels, in one go. */
static gboolean
read_candidates (DkmsRun *run, DkmsState *state, GError **error)
{
  const GPtrArray *targets = run->request->targets;

  for (guint t = 0; run->request->verb != DKMS_VERB_KERNEL_PREINST && t < targets->len; t++)
    find_weak (run, state, targets->pdata[t]);
  for (int pass = 0; pass < 2; pass++)
    {
      for (guint t = 0; t < targets->len; t++)
        for (guint i = 0; i < state->versions->len; i++)
          {
            const DkmsTarget *target = targets->pdata[t];
            const DkmsVersion *v = state->versions->pdata[i];

            if (!is_candidate (run, state, v, target))
              continue;
            if (pass == 0)
              dkms_world_want (run->world, v->module, v->version, target->kernel, target->arch);
            else
              read_wish (run, v, target);
            give_up_unread (state, v);
          }
      if (!dkms_world_load (run->world, error) || !dkms_unread_check (error))
        return FALSE;
    }
  return TRUE;
}

/* Built ones before installed ones, each in the order of `sort -V` (docs/interface/cli.md §5). */
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
  for (guint i = 0; version != NULL && i < version->remains->len; i++)
    g_ptr_array_add (builds, version->remains->pdata[i]);
  for (guint i = 0; i < builds->len; i++)
    {
      const DkmsBuild *build = builds->pdata[i];
      dkms_request_add_target (request, build->kernel, build->arch);
    }
}

/* Whether the plan can build what it builds; of several kernels those without headers fail module by module, and the
 * others get what they can. */
static gboolean
check_headers (DkmsRun *run, const DkmsPlan *plan, GError **error)
{
  for (guint i = 0; run->request->targets->len == 1 && i < plan->steps->len; i++)
    {
      const DkmsStep *step = plan->steps->pdata[i];
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
      if (dkms_step_installs (step) && run->outcomes[i] == OUTCOME_DONE
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

/* What the admin wants done after the fact (docs/interface/framework-conf.md §4, Q-69). */
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
    dkms_ui_line (run->ui, "fail: %s", ((DkmsRemark *)run->plan->failed->pdata[i])->text);
  for (guint i = 0; i < run->plan->deferred->len; i++)
    dkms_ui_line (run->ui, "defer: %s", ((DkmsRemark *)run->plan->deferred->pdata[i])->text);
  if (run->plan->steps->len == 0)
    dkms_ui_line (run->ui, "Nothing to do.");
}

/* Of an autoinstall, or a removal for a kernel, a module that cannot be read is one that failed. Every other run ends,
 * unless the module is not its own. */
static gboolean
leave_out_unread (const DkmsRun *run, DkmsState *state, gboolean many, GError **error)
{
  for (guint i = 0; i < state->unread->len; i++)
    {
      DkmsUnread *unread = state->unread->pdata[i];

      if (!many && (run->request->verb == DKMS_VERB_MATCH || g_strcmp0 (unread->module, run->request->module) == 0))
        return g_propagate_error (error, g_steal_pointer (&unread->error)), FALSE;
      if (!many)
        dkms_ui_warn (run->ui, "%s. Whether %s has to be built again is not known.", unread->error->message,
                      unread->module);
    }
  dkms_state_drop_unread (state);
  return TRUE;
}

static void
remark_unread (const DkmsPlan *plan, const DkmsRequest *request, const DkmsState *state)
{
  for (guint t = 0; t < request->targets->len; t++)
    for (guint i = 0; i < state->unread->len; i++)
      {
        const DkmsUnread *unread = state->unread->pdata[i];
        gboolean repeated = FALSE;

        for (guint b = 0; b < i; b++)
          repeated |= strcmp (((const DkmsUnread *)state->unread->pdata[b])->module, unread->module) == 0;
        if (!repeated)
          dkms_plan_remark (plan->failed, ((const DkmsTarget *)request->targets->pdata[t])->kernel,
                            g_strdup_printf ("%s: %s", unread->module, unread->error->message));
      }
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
  state = (dependents || many) && request->verb != DKMS_VERB_MATCH
              ? dkms_state_read_most (run->settings, module, NULL, error)
              : dkms_state_read (run->settings, module, NULL, error);
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
  if (!dkms_unread_check (error))
    return FALSE;
  if ((dkms_verb_is_autoinstall (request->verb) || request->verb == DKMS_VERB_MATCH || request->verb == DKMS_VERB_BUILD
       || request->verb == DKMS_VERB_INSTALL)
      && !examine_builds (run, state, error))
    return FALSE;
  if ((dkms_verb_is_autoinstall (request->verb) || request->verb == DKMS_VERB_KERNEL_PREINST)
      && !read_candidates (run, state, error))
    return FALSE;
  if (!leave_out_unread (run, state, many && request->verb != DKMS_VERB_MATCH, error))
    return FALSE;
  *plan = dkms_plan_make (request, state, error);
  if (*plan == NULL || !dkms_unread_check (error))
    return FALSE;
  if (many)
    remark_unread (*plan, request, state);
  return TRUE;
}

static gboolean
take (const DkmsRun *run, char *name, gboolean exclusive, GError **error)
{
  DkmsLock *lock = dkms_lock_take (run->settings, run->ui, name, exclusive, error);

  if (lock == NULL)
    return g_free (name), FALSE;
  g_hash_table_insert (run->locks, name, lock);
  return TRUE;
}

/* The builds that the request is about, in an order that is the same in every run. */
static gboolean
lock_builds (const DkmsRun *run, const DkmsRequest *request, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < request->targets->len; i++)
    {
      const DkmsTarget *target = request->targets->pdata[i];
      g_ptr_array_add (names, dkms_lock_name (request->module, target->kernel, target->arch));
    }
  g_ptr_array_sort (names, dkms_compare_names);
  for (guint i = 0; i < names->len; i++)
    if (!g_hash_table_contains (run->locks, names->pdata[i]) && !take (run, g_strdup (names->pdata[i]), TRUE, error))
      return FALSE;
  return TRUE;
}

/* Whether the request may register or unregister the module, which nobody else may work on then. */
static gboolean
changes_module (const DkmsRun *run, const DkmsRequest *request)
{
  g_autofree char *version = NULL;

  if (request->verb == DKMS_VERB_ADD || request->verb == DKMS_VERB_LDTARBALL || request->verb == DKMS_VERB_REMOVE
      || request->source != NULL)
    return TRUE;
  if (request->version == NULL || (request->verb != DKMS_VERB_BUILD && request->verb != DKMS_VERB_INSTALL))
    return FALSE;
  version = dkms_tree_path (run->settings, request->module, request->version, NULL);
  return !dkms_root_is_dir (run->settings->root, version); /* it will be added */
}

/* What follows is planned from what others left, and nobody changes it while it is done. A run about many modules takes
 * the lock of each when its turn comes (plan/schedule.c). */
static gboolean
lock_module (const DkmsRun *run, const DkmsRequest *request, GError **error)
{
  gboolean exclusive;

  if (is_about_many (request))
    return TRUE;
  for (;;)
    {
      exclusive = changes_module (run, request);
      if (!take (run, dkms_lock_name (request->module, NULL, NULL), exclusive, error))
        return FALSE;
      if (exclusive || !changes_module (run, request))
        break;
      g_hash_table_remove_all (run->locks); /* it was removed while we waited: once more, now to add it */
    }
  return request->all || request->verb == DKMS_VERB_MKTARBALL || lock_builds (run, request, error);
}

/* The number of kernels is known only when the tree was read; that is done again once they are locked. */
static gboolean
plan_locked (DkmsRun *run, DkmsRequest *request, DkmsPlan **plan, GError **error)
{
  if (!make_plan (run, request, plan, error))
    return FALSE;
  if (!request->all || request->dry_run || request->verb == DKMS_VERB_MKTARBALL)
    return TRUE;
  if (!lock_builds (run, request, error))
    return FALSE;
  g_clear_pointer (plan, dkms_plan_free);
  g_ptr_array_set_size (request->targets, 0);
  return make_plan (run, request, plan, error);
}

/* One build alone gets its jobs from make itself, as ever; several share those of our jobserver. */
static gboolean
open_jobserver (DkmsRun *run, GError **error)
{
  const char *argv[] = { "make", "--version", NULL };
  DkmsCommand command = { .argv = argv, .root = run->settings->root, .null_stdin = TRUE };
  const char *outer = g_getenv ("MAKEFLAGS");
  g_autofree char *dir = dkms_root_host_path (run->settings->root, run->work->path);
  g_autofree char *tool_dir = dkms_root_tool_path (run->settings->root, run->work->path);
  g_autofree char *version = NULL;
  int status = 0;

  if (dkms_plan_count_builds (run->plan) < 2 && (outer == NULL || strstr (outer, "--jobserver-auth=") == NULL))
    return TRUE;
  version = dkms_process_capture (&command, NULL, &status, NULL);
  run->jobserver = dkms_jobserver_new (run->settings->jobs, outer, version, dir, tool_dir, error);
  return run->jobserver != NULL;
}

static gboolean
carry_out (DkmsRun *run, DkmsPlan *plan, int *status, GError **error)
{
  const DkmsRequest *request = run->request;
  g_autoptr (GError) no_headers = NULL;
  gboolean ok = TRUE;

  /* Recipes of a module that is yet to be added are announced by its add step. */
  if (plan->steps->len > 0 && ((const DkmsStep *)plan->steps->pdata[0])->kind != DKMS_STEP_ADD
      && ((const DkmsStep *)plan->steps->pdata[0])->kind != DKMS_STEP_LOAD)
    dkms_step_want_recipes (run);
  if (request->verb == DKMS_VERB_MATCH && !check_headers (run, plan, error))
    return FALSE;
  /* An autoinstall ends (21) when it comes to the first module that has to be built; those before it are installed. */
  if (dkms_verb_is_autoinstall (request->verb) && !check_headers (run, plan, &no_headers))
    dkms_plan_cut_builds (plan);
  if (plan->steps->len > 0)
    {
      if (request->verb != DKMS_VERB_MKTARBALL
          && ((run->work = dkms_work_new (run->settings, error)) == NULL || !open_jobserver (run, error)))
        return FALSE;
      if (!dkms_schedule (run, error))
        return FALSE;
    }
  for (guint i = 0; i < plan->cycles->len; i++)
    dkms_ui_warn (run->ui, "%s.", (char *)plan->cycles->pdata[i]);
  for (guint i = 0; i < plan->steps->len && *status == 0; i++)
    *status = run->codes[i];
  if (no_headers != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&no_headers));
      ok = FALSE;
    }
  else if (dkms_verb_is_autoinstall (request->verb))
    ok = summarise (run, error);
  else if (dkms_verb_clears_kernel (request->verb))
    ok = summarise_clearing (run, error);
  if (dkms_verb_is_autoinstall (request->verb) && ok)
    *status = 0; /* what was skipped is no failure */
  finish (run, ok && *status == 0);
  return ok;
}

/* What runs that are dead left: changes half done, files in the way, a depmod that is due. */
static gboolean
clear_up (const DkmsRun *run, GError **error)
{
  if (!dkms_transaction_recover (run->settings, run->ui, error))
    return FALSE;
  dkms_work_sweep (run->settings, run->ui);
  dkms_depmod_due (run->settings, run->ui, run->request->no_depmod);
  return TRUE;
}

/* What was given, and what is there: the plan depends on whether that is the same. */
static void
compare_source (const DkmsRun *run, DkmsRequest *request)
{
  if (request->source == NULL)
    return;
  if (run->tarball != NULL && run->tarball->stub)
    request->source_state = DKMS_SOURCE_SAME; /* it has no sources */
  else
    request->source_state
        = dkms_source_compare (run->settings, request->source, request->module, request->version, &request->differs);
}

static gboolean
is_added_by (const DkmsPlan *plan)
{
  for (guint i = 0; i < plan->steps->len; i++)
    if (((const DkmsStep *)plan->steps->pdata[i])->kind == DKMS_STEP_ADD)
      return TRUE;
  return FALSE;
}

static gboolean
run_locked (DkmsRun *run, DkmsRequest *request, int *status, GError **error)
{
  g_autoptr (DkmsPlan) plan = NULL;
  g_autofree DkmsOutcome *outcomes = NULL;
  g_autofree int *codes = NULL;
  gboolean ok, cancelled = FALSE;

  if (request->rpm_safe_upgrade && !request->dry_run && !dkms_rpm_upgrade (run, &cancelled, error))
    return FALSE;
  if (cancelled)
    return TRUE;
  compare_source (run, request);
  if (!plan_locked (run, request, &plan, error))
    return FALSE;
  run->plan = plan;
  if (request->source != NULL && !request->loads && request->source_state == DKMS_SOURCE_SAME && !is_added_by (plan))
    dkms_ui_line (run->ui, "%s/%s is registered already, from the same source.", request->module, request->version);
  if (request->dry_run)
    return print_plan (run), TRUE;
  run->outcomes = outcomes = g_new0 (DkmsOutcome, plan->steps->len + 1);
  run->codes = codes = g_new0 (int, plan->steps->len + 1);
  ok = carry_out (run, plan, status, error);
  run->plan = NULL;
  return ok;
}

/* Unpacks the archive that the request names, if it does, and finds out which module a source is. */
static gboolean
open_source (DkmsRun *run, DkmsRequest *request, GError **error)
{
  if (request->archive != NULL && request->verb != DKMS_VERB_MKTARBALL)
    {
      DkmsTarball *tarball = dkms_tarball_open (run->settings, request->archive, error);
      if (tarball == NULL)
        return FALSE;
      run->tarball = tarball;
      g_free (request->source);
      request->source = g_strdup (tarball->tree);
      request->loads = tarball->ours;
    }
  return request->source == NULL || dkms_world_identify (run->world, request, request->loads, error);
}

/* Packing changes nothing, and whoever may read the tree may pack: who cannot write in it packs without locks. Builds
 * are replaced as a whole, so the worst is an archive that fails because a build went away. */
static gboolean
only_reads (const DkmsRun *run)
{
  g_auto (DkmsFd) fd = dkms_root_openat (run->settings->root, run->settings->dkms_tree, O_RDONLY | O_DIRECTORY, 0);

  return run->request->dry_run
         || (run->request->verb == DKMS_VERB_MKTARBALL && (fd < 0 || faccessat (fd, ".", W_OK, AT_EACCESS) < 0));
}

gboolean
dkms_run (const DkmsSettings *settings, DkmsUi *ui, DkmsRequest *request, int (*exit_code) (const GError *),
          int *status, GError **error)
{
  g_autoptr (DkmsWorld) world = dkms_world_new (settings, ui);
  g_autoptr (GHashTable) signers
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)dkms_signer_free);
  g_autoptr (GHashTable) locks
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)dkms_lock_release);
  DkmsRun run = { .signers = signers,
                  .locks = locks,
                  .settings = settings,
                  .ui = ui,
                  .request = request,
                  .world = world,
                  .exit_code = exit_code,
                  .start = g_get_real_time () / G_USEC_PER_SEC };
  gboolean ok;

  *status = 0;
  ok = (request->dry_run || dkms_proc_ensure (error)) && open_source (&run, request, error)
       && (only_reads (&run)
           || (lock_module (&run, request, error) && dkms_unread_check (error) && clear_up (&run, error)))
       && run_locked (&run, request, status, error);
  dkms_jobserver_free (run.jobserver);
  dkms_work_free (run.work);
  dkms_tarball_close (run.tarball);
  g_free (run.sandbox_missing);
  return ok && dkms_unread_check (error);
}
