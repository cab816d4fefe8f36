/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run, from its request to its summary. */
#define _GNU_SOURCE
#include "run/run.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/unread.h"
#include "install/depmod.h"
#include "install/modprobe.h"
#include "run/adopt.h"
#include "run/caching.h"
#include "run/image-advice.h"
#include "run/post-transaction.h"
#include "run/rpm-upgrade.h"
#include "run/schedule.h"
#include "run/step-build.h"
#include "run/step-install.h"
#include "run/steps.h"
#include "store/attempts.h"
#include "store/kept.h"
#include "store/layout.h"
#include "store/lock.h"
#include "store/logs.h"
#include "store/recovery.h"

/* ---- autoinstall's summary ---- */

/* Returns: whether @event is about @kernel */
static gboolean
is_about (const DkmsEvent *event, const char *kernel)
{
  return strcmp (event->id.kernel, kernel) == 0;
}

/* Reports the modules in the plan that cannot be attempted for @kernel. Returns: their number */
static guint
report_hopeless (const DkmsRun *run, const char *kernel)
{
  guint count = 0;

  for (guint i = 0; i < run->plan->failed->len; i++)
    {
      const DkmsEvent *remark = run->plan->failed->pdata[i];
      if (!is_about (remark, kernel))
        continue;
      count++;
      DKMS_EMIT (run->events, HOPELESS, .reason = remark);
    }
  return count;
}

static void
report_deferred (const DkmsRun *run, const char *kernel)
{
  for (guint i = 0; i < run->plan->deferred->len; i++)
    {
      const DkmsEvent *remark = run->plan->deferred->pdata[i];
      if (is_about (remark, kernel))
        DKMS_EMIT (run->events, DEFERRED, .reason = remark);
    }
}

static void
append_name (GString *list, const char *name)
{
  g_string_append_printf (list, "%s%s", list->len > 0 ? " " : "", name);
}

/* Returns: (transfer full) (nullable): the log of the build of @step, if this run created one */
static char *
find_log (const DkmsRun *run, const DkmsStep *step)
{
  /* The clock of a file system is coarser than that of the system. */
  return dkms_attempts_failed_log (&run->settings->places, step->id, run->start - 1);
}

/* Appends the log of a failed build, if this run created one. */
static void
append_log (const DkmsRun *run, const DkmsStep *step, GString *logs)
{
  g_autofree char *log = find_log (run, step);
  g_autofree char *shown = log != NULL ? dkms_root_host_path (run->settings->places.root, log) : NULL;

  if (shown != NULL)
    g_string_append_printf (logs, "%s%s", logs->len > 0 ? "\n" : "", shown);
}

/* Prints why builds for @kernel failed, and the commands that explain more. */
static void
print_causes (const DkmsRun *run, const char *kernel)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *step = run->plan->steps->pdata[i];
      if (!dkms_step_installs (step) || strcmp (step->id->kernel, kernel) != 0 || run->codes[i] == 0
          || run->outcomes[i] == OUTCOME_DONE || run->outcomes[i] == OUTCOME_SKIPPED)
        continue;
      g_autofree char *log = find_log (run, step);
      if (log == NULL)
        continue;
      g_autofree char *sentence = dkms_logs_sentence (&run->settings->places, step->id);
      g_autofree char *command = dkms_logs_command ("explain", step->id);
      DKMS_EMIT (run->events, BUILD_EXPLAINED, .id = *step->id, .text = sentence, .place = command);
    }
}

/* Tells which of the modules that were installed for @kernel will probably not load. */
static void
print_doubts (const DkmsRun *run, const char *kernel)
{
  g_autoptr (GString) doubtful = g_string_new (NULL);

  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *step = run->plan->steps->pdata[i];
      if (dkms_step_installs (step) && strcmp (step->id->kernel, kernel) == 0 && run->outcomes[i] == OUTCOME_DONE
          && dkms_step_is_doubtful (run, step))
        append_name (doubtful, step->id->module);
    }
  if (doubtful->len > 0)
    DKMS_EMIT (run->events, AUTOINSTALL_DOUBTFUL, .id = { .kernel = kernel }, .text = doubtful->str);
}

/* Returns: whether nothing failed for @kernel */
static gboolean
summarise_kernel (const DkmsRun *run, const char *kernel)
{
  g_autoptr (GString) installed = g_string_new (NULL);
  g_autoptr (GString) skipped = g_string_new (NULL);
  g_autoptr (GString) failed = g_string_new (NULL);
  g_autoptr (GString) logs = g_string_new (NULL);
  const DkmsPlan *plan = run->plan;

  for (guint i = 0; i < plan->installed->len; i++)
    {
      const DkmsEvent *event = plan->installed->pdata[i];
      if (is_about (event, kernel))
        append_name (installed, event->id.module);
    }
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const DkmsStep *step = plan->steps->pdata[i];
      if (!dkms_step_installs (step) || strcmp (step->id->kernel, kernel) != 0)
        continue;
      if (step->dependent && run->outcomes[i] == OUTCOME_DONE)
        continue;
      if (run->outcomes[i] == OUTCOME_DONE)
        append_name (installed, step->id->module);
      else if (run->outcomes[i] == OUTCOME_SKIPPED)
        append_name (skipped, step->id->module);
      else if (run->codes[i] != 0)
        {
          g_string_append_printf (failed, "%s%s(%d)", failed->len > 0 ? " " : "", step->id->module, run->codes[i]);
          append_log (run, step, logs);
        }
      else
        g_string_append_printf (failed, "%s%s(dependency)", failed->len > 0 ? " " : "", step->id->module);
    }
  if (installed->len > 0)
    DKMS_EMIT (run->events, AUTOINSTALL_DONE, .id = { .kernel = kernel }, .text = installed->str);
  print_doubts (run, kernel);
  if (skipped->len > 0)
    DKMS_EMIT (run->events, AUTOINSTALL_SKIPPED, .id = { .kernel = kernel }, .text = skipped->str);
  if (failed->len > 0)
    DKMS_EMIT (run->events, AUTOINSTALL_FAILED, .id = { .kernel = kernel }, .text = failed->str,
               .place = logs->len > 0 ? logs->str : NULL);
  print_causes (run, kernel);
  guint hopeless = report_hopeless (run, kernel);
  report_deferred (run, kernel);
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
  guint count = 0;

  if (!plans_installs (run->plan) && run->plan->failed->len == 0 && run->plan->deferred->len == 0)
    return TRUE;
  for (guint i = 0; i < run->facts->targets->len; i++)
    {
      const DkmsId *target = run->facts->targets->pdata[i];
      if (!summarise_kernel (run, target->kernel))
        g_string_append_printf (bad, "%s%s", count++ > 0 ? ", " : "", target->kernel);
    }
  return count == 0
         || DKMS_FAIL (error, AUTOINSTALL, .id = { .kernel = count == 1 ? bad->str : NULL },
                       .text = count > 1 ? bad->str : NULL);
}

static void
print_all_doubts (const DkmsRun *run)
{
  for (guint i = 0; i < run->facts->targets->len; i++)
    print_doubts (run, ((const DkmsId *)run->facts->targets->pdata[i])->kernel);
}

/* Fails with the modules that kernel_preinst and kernel_prerm could not remove. */
static gboolean
summarise_clearing (const DkmsRun *run, GError **error)
{
  g_autoptr (GString) failed = g_string_new (NULL);
  const char *kernel = ((DkmsId *)run->facts->targets->pdata[0])->kernel;

  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *step = run->plan->steps->pdata[i];
      if (step->kind == DKMS_STEP_UNBUILD && run->outcomes[i] != OUTCOME_DONE)
        g_string_append_printf (failed, " %s/%s(%d)", step->id->module, step->id->version, run->codes[i]);
    }
  for (guint i = 0; i < run->plan->failed->len; i++)
    {
      const DkmsEvent *remark = run->plan->failed->pdata[i];
      DKMS_EMIT (run->events, HOPELESS, .reason = remark);
      g_string_append_printf (failed, " %s%s%s(%d)", remark->id.module, remark->id.version != NULL ? "/" : "",
                              remark->id.version != NULL ? remark->id.version : "",
                              remark->error != NULL ? dkms_run_exit_code (run, remark->error) : 1);
    }
  return failed->len == 0 || DKMS_FAIL (error, CLEARING, .id = { .kernel = kernel }, .text = g_strchug (failed->str));
}

/* Whether headers for the planned builds exist. With several kernels, modules for kernels without headers fail one by
 * one, and work for the others continues. */
static gboolean
check_headers (DkmsRun *run, const DkmsPlan *plan, GError **error)
{
  for (guint i = 0; run->facts->targets->len == 1 && i < plan->steps->len; i++)
    {
      const DkmsStep *step = plan->steps->pdata[i];
      if (step->kind == DKMS_STEP_BUILD)
        return dkms_step_check_headers (run, dkms_world_kernel (run->world, step->id).kernel, error);
    }
  return TRUE;
}

/* Whether the plan installs modules for @kernel. */
static gboolean
installs (const DkmsRun *run, const char *kernel)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *step = run->plan->steps->pdata[i];
      if (dkms_step_installs (step) && run->outcomes[i] == OUTCOME_DONE
          && (kernel == NULL || strcmp (step->id->kernel, kernel) == 0))
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
  return run->resigned->len > 0 || installs (run, NULL);
}

/* Runs the programs that the administrator configured for the end of a run (docs/interface/framework-conf.md §4, Q-69).
 */
static void
finish (const DkmsRun *run, gboolean ok)
{
  const DkmsRequest *request = run->request;
  const DkmsId *target = run->facts->targets->len > 0 ? run->facts->targets->pdata[0] : NULL;
  struct utsname uts;

  if (uname (&uts) == 0 && installs (run, uts.release))
    dkms_modprobe (run->settings);
  if (request->goal == DKMS_GOAL_REGISTERED || request->goal == DKMS_GOAL_LOADED || request->goal == DKMS_GOAL_BUILT
      || request->goal == DKMS_GOAL_PACKED || request->selection == DKMS_SELECT_TEMPLATE)
    return;
  if (dkms_request_is_about_many (request) && !changes_something (run))
    return;
  if (ok)
    dkms_post_transaction (run->settings, run->events, target != NULL ? target->kernel : uts.release);
}

static void
print_plan (DkmsRun *run)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *step = run->plan->steps->pdata[i];
      DKMS_EMIT (run->events, PLAN_STEP, .id = *step->id, .name = dkms_step_word (step), .reason = step->reason);
    }
  for (guint i = 0; i < run->plan->failed->len; i++)
    DKMS_EMIT (run->events, PLAN_FAILS, .reason = run->plan->failed->pdata[i]);
  for (guint i = 0; i < run->plan->deferred->len; i++)
    DKMS_EMIT (run->events, PLAN_DEFERS, .reason = run->plan->deferred->pdata[i]);
  if (run->plan->steps->len == 0)
    DKMS_EMIT (run->events, PLAN_EMPTY);
}

static gboolean
take (const DkmsRun *run, char *name, gboolean exclusive, GError **error)
{
  DkmsLock *lock = dkms_lock_take (&run->settings->places, run->events, name, exclusive, error);

  if (lock == NULL)
    return g_free (name), FALSE;
  g_hash_table_insert (run->locks, name, lock);
  return TRUE;
}

/* Locks the builds of the request, in an order that is the same in every run. */
static gboolean
lock_builds (const DkmsRun *run, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < run->facts->targets->len; i++)
    {
      const DkmsId *target = run->facts->targets->pdata[i];
      g_ptr_array_add (names,
                       dkms_lock_name_build (&(DkmsId){ run->facts->module, NULL, target->kernel, target->arch }));
    }
  g_ptr_array_sort (names, dkms_compare_names);
  for (guint i = 0; i < names->len; i++)
    if (!g_hash_table_contains (run->locks, names->pdata[i]) && !take (run, g_strdup (names->pdata[i]), TRUE, error))
      return FALSE;
  return TRUE;
}

/* Whether the request may register or unregister the module, which needs the exclusive lock. */
static gboolean
changes_module (const DkmsRun *run)
{
  const DkmsRequest *request = run->request;
  const DkmsFacts *facts = run->facts;
  g_autofree char *version = NULL;

  if (request->goal == DKMS_GOAL_REGISTERED || request->goal == DKMS_GOAL_LOADED || request->goal == DKMS_GOAL_GONE
      || facts->source != NULL)
    return TRUE;
  if (facts->version == NULL || (request->goal != DKMS_GOAL_BUILT && request->goal != DKMS_GOAL_INSTALLED))
    return FALSE;
  version = dkms_layout_version (&run->settings->places, &(DkmsId){ facts->module, facts->version, NULL, NULL }, NULL);
  return !dkms_root_is_dir (run->settings->places.root, version); /* it will be registered */
}

/* The plan depends on the results of other runs, so the lock is held while it is made and carried out. A run for many
 * modules acquires the lock of each module when it starts to work on it (run/schedule.c). */
static gboolean
lock_module (const DkmsRun *run, GError **error)
{
  const char *module = run->facts->module;
  gboolean exclusive;

  if (!dkms_facts_name_one (run->facts, run->request))
    return TRUE;
  for (;;)
    {
      exclusive = changes_module (run);
      if (!take (run, dkms_lock_name_module (&(DkmsId){ .module = module }), exclusive, error))
        return FALSE;
      if (exclusive || !changes_module (run))
        break;
      g_hash_table_remove_all (run->locks); /* the module was removed during the wait: start again, to add it */
    }
  return run->request->all || run->request->goal == DKMS_GOAL_PACKED || lock_builds (run, error);
}

/* The kernels are known only after the tree was read. It is read again after they are locked. */
static gboolean
read_locked (const DkmsRun *run, GError **error)
{
  if (!dkms_facts_read (run->facts, run->world, run->request, error))
    return FALSE;
  if (!run->request->all || dkms_request_is_about_many (run->request) || run->request->dry_run
      || run->request->goal == DKMS_GOAL_PACKED)
    return TRUE;
  return lock_builds (run, error) && dkms_facts_read (run->facts, run->world, run->request, error);
}

/* A single build gets its jobs from make's own option; several builds share those of the job server. */
static gboolean
open_jobserver (DkmsRun *run, GError **error)
{
  const char *argv[] = { "make", "--version", NULL };
  DkmsCommand command = { .argv = argv, .root = run->settings->places.root, .null_stdin = TRUE };
  const char *outer = g_getenv ("MAKEFLAGS");
  g_autofree char *dir = dkms_root_host_path (run->settings->places.root, run->work->path);
  g_autofree char *tool_dir = dkms_root_tool_path (run->settings->places.root, run->work->path);
  g_autofree char *version = NULL;
  int status = 0;

  if (dkms_plan_count_builds (run->plan) < 2 && (outer == NULL || strstr (outer, "--jobserver-auth=") == NULL))
    return TRUE;
  version = dkms_process_capture (&command, NULL, &status, NULL);
  run->jobserver = dkms_jobserver_new (run->settings->policy.jobs, outer, version, dir, tool_dir, error);
  return run->jobserver != NULL;
}

static gboolean
carry_out (DkmsRun *run, DkmsPlan *plan, int *status, GError **error)
{
  const DkmsRequest *request = run->request;
  g_autoptr (GError) no_headers = NULL;
  gboolean ok = TRUE, latest = request->selection == DKMS_SELECT_LATEST;

  /* Recipes of a module that must be added first are announced by its add step. */
  if (plan->steps->len > 0 && ((const DkmsStep *)plan->steps->pdata[0])->kind != DKMS_STEP_ADD
      && ((const DkmsStep *)plan->steps->pdata[0])->kind != DKMS_STEP_LOAD)
    dkms_step_want_recipes (run);
  if (request->selection == DKMS_SELECT_TEMPLATE && !check_headers (run, plan, error))
    return FALSE;
  /* An autoinstall ends (21) at the first module that must be built; the modules before it are installed. */
  if (latest && !check_headers (run, plan, &no_headers))
    dkms_plan_cut_builds (plan);
  if (plan->steps->len > 0)
    {
      if (request->goal != DKMS_GOAL_PACKED
          && ((run->work = dkms_work_new (&run->settings->places, error)) == NULL || !open_jobserver (run, error)))
        return FALSE;
      if (!dkms_schedule (run, error))
        return FALSE;
    }
  for (guint i = 0; i < plan->cycles->len; i++)
    dkms_listener_hear (run->events, plan->cycles->pdata[i]);
  for (guint i = 0; i < plan->steps->len && *status == 0; i++)
    *status = run->codes[i];
  if (no_headers != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&no_headers));
      ok = FALSE;
    }
  else if (latest)
    ok = summarise (run, error);
  else if (dkms_request_clears_kernel (request))
    ok = summarise_clearing (run, error);
  else if (request->selection == DKMS_SELECT_ORPHANED && plan->steps->len == 0)
    DKMS_EMIT (run->events, PRUNE_EMPTY);
  else if (request->selection == DKMS_SELECT_EXISTING && plan->steps->len == 0)
    DKMS_EMIT (run->events, SIGN_EMPTY);
  else if (request->goal == DKMS_GOAL_INSTALLED && plan->steps->len > 0)
    print_all_doubts (run);
  if (latest && ok)
    *status = 0; /* a skipped module is not a failure */
  finish (run, ok && *status == 0);
  dkms_image_advice (run->settings, run->events, run->resigned); /* the programs at the end may make images */
  return ok;
}

/* Completes the work of killed runs: unfinished changes, scratch files, a due depmod. */
static gboolean
clear_up (const DkmsRun *run, GError **error)
{
  if (!dkms_journal_recover (&run->settings->places, run->events, error)
      || !dkms_lock_prepare (&run->settings->places, error))
    return FALSE;
  dkms_work_sweep (&run->settings->places, run->events);
  if (!run->request->forecast)
    dkms_kept_sweep (&run->settings->places);
  dkms_adopt (run->settings, FALSE);
  dkms_depmod_due (run->settings, run->events, run->request->no_depmod);
  return TRUE;
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
run_locked (DkmsRun *run, int *status, GError **error)
{
  const DkmsRequest *request = run->request;
  DkmsFacts *facts = run->facts;
  g_autoptr (DkmsPlan) plan = NULL;
  g_autofree DkmsOutcome *outcomes = NULL;
  g_autofree int *codes = NULL;
  gboolean ok, cancelled = FALSE;

  if (request->rpm_safe_upgrade && !request->dry_run && !dkms_rpm_upgrade (run, &cancelled, error))
    return FALSE;
  if (cancelled)
    return TRUE;
  if (run->tarball != NULL && run->tarball->stub)
    facts->source_state = DKMS_SOURCE_SAME; /* it has no sources */
  else
    dkms_facts_compare_source (facts, &run->settings->places);
  if (!read_locked (run, error) || (plan = dkms_plan_make (request, facts, error)) == NULL
      || !dkms_unread_check (error))
    return FALSE;
  run->plan = plan;
  if (facts->source != NULL && !facts->loads && facts->source_state == DKMS_SOURCE_SAME && !is_added_by (plan))
    DKMS_EMIT (run->events, REGISTERED, .id = { facts->module, facts->version, NULL, NULL });
  if (request->dry_run)
    return print_plan (run), TRUE;
  if (request->selection == DKMS_SELECT_LATEST)
    (void)dkms_adopt_builds (run->settings, facts->state); /* otherwise next time */
  run->outcomes = outcomes = g_new0 (DkmsOutcome, plan->steps->len + 1);
  run->codes = codes = g_new0 (int, plan->steps->len + 1);
  for (guint i = 0; request->forecast && i < plan->steps->len; i++)
    DKMS_EMIT (run->events, FORECAST_PLANNED, .id = *((const DkmsStep *)plan->steps->pdata[i])->id);
  ok = carry_out (run, plan, status, error);
  dkms_digests_save (dkms_world_digests (run->world));
  run->plan = NULL;
  return ok;
}

/* Unpacks the archive in the request, if any, and identifies the module of a source. */
static gboolean
open_source (DkmsRun *run, GError **error)
{
  DkmsFacts *facts = run->facts;

  if (run->request->archive != NULL && run->request->goal != DKMS_GOAL_PACKED)
    {
      run->tarball = dkms_tarball_open (run->settings, run->request->archive, error);
      if (run->tarball == NULL)
        return FALSE;
      g_free (facts->source);
      facts->source = g_strdup (run->tarball->tree);
      facts->loads = run->tarball->ours;
    }
  if (!dkms_facts_identify (facts, run->world, facts->loads, error))
    return FALSE;
  dkms_facts_complete (facts, &run->settings->places, run->request);
  return TRUE;
}

/* Packing changes nothing, so every user who can read the tree may pack. A user who cannot write to it packs without
 * locks. Builds are replaced completely, so the worst result is a failure because a build was deleted. */
static gboolean
only_reads (const DkmsRun *run)
{
  g_auto (DkmsFd) fd
      = dkms_root_openat (run->settings->places.root, run->settings->places.dkms_tree, O_RDONLY | O_DIRECTORY, 0);

  return run->request->dry_run
         || (run->request->goal == DKMS_GOAL_PACKED && (fd < 0 || faccessat (fd, ".", W_OK, AT_EACCESS) < 0));
}

gboolean
dkms_run (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
          int (*exit_code) (const char *, const GError *), int *status, GError **error)
{
  g_autoptr (DkmsWorld) world = dkms_world_new (settings, request, events);
  g_autoptr (DkmsFacts) facts = dkms_facts_new (request);
  g_autoptr (GPtrArray) resigned = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) signers
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)dkms_signer_free);
  g_autoptr (GHashTable) locks
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)dkms_lock_release);
  DkmsRun run = { .signers = signers,
                  .resigned = resigned,
                  .locks = locks,
                  .settings = settings,
                  .events = events,
                  .request = request,
                  .world = world,
                  .facts = facts,
                  .exit_code = exit_code,
                  .start = g_get_real_time () / G_USEC_PER_SEC };
  gboolean ok;

  *status = 0;
  ok = (request->dry_run || dkms_proc_ensure (error)) && open_source (&run, error)
       && (only_reads (&run) || (lock_module (&run, error) && dkms_unread_check (error) && clear_up (&run, error)))
       && run_locked (&run, status, error);
  dkms_jobserver_free (run.jobserver);
  dkms_work_free (run.work);
  dkms_tarball_close (run.tarball);
  g_free (run.sandbox_missing);
  dkms_run_close_cache (&run);
  if (ok && *status == 0 && events->incomplete)
    *status = 1;
  return ok && dkms_unread_check (error);
}
