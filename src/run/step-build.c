/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step that builds: its checks run here, and the build itself in a worker. */
#define _GNU_SOURCE
#include "run/step-build.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "base/walk.h"
#include "build/build.h"
#include "conf/recipe-place.h"
#include "conf/sandbox.h"
#include "conf/settings-check.h"
#include "config.h"
#include "kernel/arch.h"
#include "kernel/missing.h"
#include "run/caching.h"
#include "run/steps.h"
#include "store/attempts.h"
#include "store/layout.h"
#include "store/scan.h"
#include "world/cache-key.h"
#include "world/environment.h"
#include "world/inputs.h"

static gboolean
check_depends (const DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, GError **error)
{
  char *const *names = recipe->depends;
  g_autoptr (GString) missing = g_string_new (NULL);

  for (char *const *name = names; *name != NULL; name++)
    {
      g_autoptr (DkmsState) state = dkms_state_read (&run->settings->places, &(DkmsId){ .module = *name }, error);
      if (state == NULL)
        return FALSE;
      if (dkms_state_installed (state, &(DkmsId){ *name, NULL, step->id->kernel, step->id->arch }) == NULL)
        g_string_append_printf (missing, "%s%s", missing->len > 0 ? " " : "", *name);
    }
  if (missing->len == 0)
    return TRUE;
  if (!run->request->force)
    return DKMS_FAIL (error, DEPENDS, .id = *step->id, .cause = "depends", .path = recipe->path, .text = missing->str);
  DKMS_EMIT (run->events, DEPENDS_FORCED, .id = *step->id, .text = missing->str);
  return TRUE;
}

/* Fails because the name of the kernel is wrong, or its directory does not exist: @shown. */
static gboolean
fail_no_kernel (const DkmsRun *run, const DkmsKernel *kernel, const char *shown, GError **error)
{
  g_autoptr (GPtrArray) names = dkms_kernel_list (run->settings->places.root, run->settings->places.install_tree, TRUE);
  g_autofree char *near
      = dkms_kernel_near (run->settings->places.root, run->settings->places.install_tree, kernel->release);
  g_autofree char *advice
      = dkms_settings_absent (&run->settings->places, "install_tree", run->settings->places.install_tree);
  g_autoptr (GString) known = g_string_new (NULL);

  for (guint i = 0; i < names->len; i++)
    g_string_append_printf (known, "%s%s", i > 0 ? ", " : "", (char *)names->pdata[i]);
  return DKMS_FAIL (error, NO_KERNEL, .id = { .kernel = kernel->release }, .cause = "no-headers", .path = shown,
                    .text = names->len > 0 ? known->str : NULL, .near = near, .advice = advice);
}

gboolean
dkms_step_check_headers (const DkmsRun *run, const DkmsKernel *kernel, GError **error)
{
  const DkmsSettings *s = run->settings;
  g_autofree char *shown = dkms_root_host_path (s->places.root, kernel->dir);

  if (dkms_kernel_has_headers (kernel, s->places.root))
    return TRUE;
  if (run->request->kernel_source == NULL && !dkms_root_is_dir (s->places.root, kernel->dir))
    return fail_no_kernel (run, kernel, shown, error);
  if (run->request->kernel_source != NULL)
    return DKMS_FAIL (error, NO_HEADERS_GIVEN, .id = { .kernel = kernel->release }, .cause = "no-headers",
                      .path = kernel->source_dir);
  return dkms_missing_headers (s->policy.distro, s->places.root, kernel, error);
}

const DkmsSigner *
dkms_step_signer (DkmsRun *run, const DkmsStep *step, const char *config)
{
  g_autofree char *key = g_strconcat (step->id->kernel, "/", step->id->arch, NULL);
  DkmsSigner *signer = g_hash_table_lookup (run->signers, key);

  if (signer == NULL)
    {
      DkmsKernelFacts facts = dkms_world_kernel (run->world, step->id);
      signer = dkms_signer_new (run->settings, run->events, facts.kernel, config);
      DKMS_EMIT (run->events, BLANK);
      g_hash_table_insert (run->signers, g_steal_pointer (&key), signer);
    }
  return signer;
}

static gboolean
check_build (DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, const DkmsKernelFacts *facts, GError **error)
{
  g_autofree char *source = dkms_layout_source (&run->settings->places, step->id, NULL);
  g_auto (DkmsFd) fd = -1;
  g_autoptr (GPtrArray) names = NULL;
  guint visible = 0;

  g_autofree char *why = NULL;
  const char *directive = dkms_recipe_excluded (recipe, facts->kernel, facts->config, &why);

  if (directive != NULL)
    {
      g_autofree char *place = dkms_recipe_place (&run->settings->places, recipe, step->id, directive, 0);
      return DKMS_FAIL (error, EXCLUDED, .id = *step->id, .cause = "excluded", .path = recipe->path, .place = place,
                        .name = directive, .text = why);
    }
  fd = dkms_root_open_dir (run->settings->places.root, source, FALSE, error);
  names = fd >= 0 ? dkms_list_dir_at (fd, ".", error) : NULL;
  if (names == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    visible += *(const char *)names->pdata[i] != '.';
  if (visible < 2)
    {
      g_autofree char *shown = dkms_root_resolved (run->settings->places.root, source);
      return DKMS_FAIL (error, EMPTY_SOURCE, .id = *step->id, .path = shown);
    }
  if (!dkms_step_check_headers (run, facts->kernel, error))
    return FALSE;
  if (!run->request->forecast)
    (void)dkms_step_signer (run, step, facts->config); /* it reports its findings before further checks */
  return check_depends (run, step, recipe, error);
}

/* Finds the versions of the modules that this one depends on, as installed now. Only some modules need them. */
static gboolean
find_versions_seen (const DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, GHashTable **result,
                    GError **error)
{
  char *const *names = recipe->depends;
  g_autoptr (GHashTable) seen = NULL;

  *result = NULL;
  if (!recipe->rebuilds_with_depends)
    return TRUE;
  seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (char *const *name = names; *name != NULL; name++)
    {
      g_autoptr (DkmsState) state = dkms_state_read (&run->settings->places, &(DkmsId){ .module = *name }, error);
      if (state == NULL)
        return FALSE;
      const DkmsVersion *v = dkms_state_installed (state, &(DkmsId){ *name, NULL, step->id->kernel, step->id->arch });
      if (v != NULL)
        g_hash_table_insert (seen, g_strdup (*name), g_strdup (v->version));
    }
  *result = g_steal_pointer (&seen);
  return TRUE;
}

/* ---- a build: prepared here, done in a worker ---- */

gboolean
dkms_step_is_confined (DkmsRun *run, const DkmsStep *step, GError **error)
{
  const DkmsConfinement confinement = { .settings = run->settings };
  DkmsSandboxMode mode;

  if (!dkms_world_sandbox (run->world, step->id, &mode, error) || mode == DKMS_SANDBOX_OFF)
    return FALSE;
  /* A recipe that was evaluated in a sandbox has shown that it works. */
  if (!run->sandbox_asked && !dkms_world_has_sandbox (run->world))
    {
      if (!dkms_sandbox_missing (&confinement, &run->sandbox_missing, error))
        return FALSE;
      run->sandbox_asked = TRUE;
      if (run->sandbox_missing != NULL && mode == DKMS_SANDBOX_AUTO)
        DKMS_EMIT (run->events, BUILDS_UNCONFINED, .text = run->sandbox_missing);
    }
  if (run->sandbox_missing != NULL && mode == DKMS_SANDBOX_STRICT)
    return dkms_root_is_host (run->settings->places.root)
               ? DKMS_FAIL (error, NO_SANDBOX, .id = *step->id, .text = run->sandbox_missing)
               : DKMS_FAIL (error, NO_SANDBOX_IN_ROOT, .id = *step->id, .path = run->settings->places.root->host_path,
                            .text = run->sandbox_missing);
  return run->sandbox_missing == NULL;
}

/* Selects how the build gets its jobs: a number if it is alone, otherwise the slots that all builds share. */
static void
give_jobs (const DkmsRun *run, DkmsBuildWork *work)
{
  g_autofree char *others = dkms_makeflags_without_jobs (g_getenv ("MAKEFLAGS"));
  const char *shared = run->jobserver != NULL ? dkms_jobserver_flags (run->jobserver) : "";

  work->keep = g_array_new (FALSE, FALSE, sizeof (int));
  if (*shared != '\0')
    dkms_jobserver_keep (run->jobserver, work->keep);
  work->make_flags = g_strconcat (others, *others != '\0' && *shared != '\0' ? " " : "", shared, NULL);
  work->job.make_flags = work->make_flags;
  work->job.make_jobs = *shared != '\0' ? NULL : run->settings->policy.jobs;
  work->job.keep = work->keep;
  work->job.tokens = *shared != '\0' ? dkms_jobserver_pipe (run->jobserver) : -1;
}

/* If `uname -m` never prints the name of the architecture, no kernel finds the build in the tree. */
static void
warn_of_arch (const DkmsRun *run, const DkmsStep *step, const char *config)
{
  const char *name = dkms_arch_of_alias (step->id->arch);
  DkmsArch arch;

  if (dkms_arch_of_config (config, &arch))
    name = dkms_arch_is_named (&arch, step->id->arch) ? NULL : arch.name;
  if (name != NULL && dkms_world_is_first (run->world, step->id->kernel, step->id->arch))
    DKMS_EMIT (run->events, ARCH_ALIAS, .id = *step->id, .name = name);
}

/* A build replaces everything at its path, which must therefore be a directory of the tree and not a link. */
static gboolean
check_place (const DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_autofree char *dir = dkms_layout_version (&run->settings->places, step->id, NULL);
  g_autofree char *place = g_build_filename (dir, step->id->kernel, NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (run->settings->places.root, dir, O_RDONLY | O_DIRECTORY, 0);

  return fd < 0 || !dkms_is_link_at (fd, step->id->kernel)
         || DKMS_FAIL (error, LINK_IN_THE_WAY, .id = *step->id, .path = place);
}

/* Starts the record of a build. */
static DkmsAttempt *
begin_attempt (DkmsRun *run, const DkmsId *id, gboolean confined, const struct DkmsCaches *caches)
{
  DkmsAttempt *attempt = dkms_attempt_new (id, DKMS_VERSION, g_get_real_time ());

  attempt->inputs = dkms_world_inputs (run->world, id, NULL, &attempt->texts);
  attempt->sandbox = confined ? "confined" : "unconfined";
  attempt->reproducible = confined && dkms_world_is_reproducible (run->world);
  if (caches != NULL)
    attempt->cache_inputs = dkms_world_cache_inputs (run->world, id, attempt->inputs);
  return attempt;
}

gboolean
dkms_step_prepare (DkmsRun *run, const DkmsStep *step, DkmsBuildWork **result, gboolean needed, GError **error)
{
  g_autoptr (DkmsBuildWork) work = g_new0 (DkmsBuildWork, 1);
  g_autofree char *base = dkms_layout_build (&run->settings->places, step->id, NULL);
  g_autoptr (GError) local = NULL;
  g_auto (DkmsBuildState) now = { 0 };
  const DkmsRecipe *recipe;
  DkmsKernelFacts facts;
  gboolean confined, mapped;

  *result = NULL;
  if (!dkms_step_reread_build (run, step, &now, error))
    return FALSE;
  if (!now.added)
    return dkms_step_skip_removed (step, error);
  if (now.built && !step->replaces && !needed)
    return TRUE; /* another run did it during the wait */
  if (!check_place (run, step, error))
    return FALSE;
  if (!now.built && dkms_root_is_dir (run->settings->places.root, base) && !run->request->force
      && !dkms_request_is_about_many (run->request))
    return DKMS_FAIL (error, STALE_BUILD_DIR, .id = *step->id, .path = base);
  recipe = dkms_world_valid_recipe (run->world, step->id, TRUE, error);
  if (recipe == NULL)
    return FALSE;
  facts = dkms_world_kernel (run->world, step->id);
  if (!check_build (run, step, recipe, &facts, error))
    return FALSE;
  warn_of_arch (run, step, facts.config);
  confined = dkms_step_is_confined (run, step, &local);
  if (local != NULL)
    return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
  if (run->request->forecast && run->request->only == NULL && !confined)
    return DKMS_FAIL (error, NOT_FORECAST_WITHOUT_SANDBOX, .id = *step->id, .text = run->sandbox_missing);
  if (step->reason != NULL)
    DKMS_EMIT (run->events, REBUILDING, .id = *step->id, .reason = step->reason);
  else if (!run->request->force && dkms_root_is_dir (run->settings->places.root, base))
    DKMS_EMIT (run->events, BUILD_INCOMPLETE, .id = *step->id);
  DKMS_EMIT (run->events, BUILDING, .id = *step->id);
  if (now.active && run->request->goal == DKMS_GOAL_BUILT)
    DKMS_EMIT (run->events, INSTALLED_COPY_STAYS, .id = *step->id);
  (void)dkms_kernel_compression (facts.kernel, run->settings->places.root); /* evaluated once, for all workers */
  work->job = dkms_step_job (run, step, recipe, &work->outputs);
  work->work = dkms_work_new (&run->settings->places, error);
  if (work->work == NULL)
    return FALSE;
  work->replaced = dkms_record_read (&run->settings->places, step->id);
  work->job.work = work->work;
  work->job.confined = confined;
  work->job.replaced = work->replaced;
  work->job.signer = run->request->forecast ? NULL : dkms_step_signer (run, step, facts.config);
  work->job.symvers = dkms_world_symvers (run->world, step->id);
  work->env = confined ? dkms_world_environment (run->world, step->id, &mapped) : NULL;
  work->job.env = work->env;
  work->job.caches = confined ? dkms_run_caches (run, step->id) : NULL;
  work->attempt = begin_attempt (run, step->id, confined, work->job.caches);
  work->job.attempt = work->attempt;
  if (!run->request->force && !find_versions_seen (run, step, recipe, &work->job.seen, error))
    return FALSE;
  give_jobs (run, work);
  *result = g_steal_pointer (&work);
  return TRUE;
}

/* A build that was not started also leaves a record, unless the module was removed. */
static void
keep_refusal (const DkmsRun *run, const DkmsId *id, const GError *error)
{
  g_autoptr (DkmsAttempt) attempt = dkms_attempt_new (id, DKMS_VERSION, g_get_real_time ());
  g_autoptr (GError) local = NULL;

  if (g_error_matches (error, DKMS_ERROR, DKMS_ERROR_REMOVED_MEANWHILE))
    return;
  attempt->outcome
      = g_error_matches (error, DKMS_ERROR, DKMS_ERROR_EXCLUDED) ? DKMS_OUTCOME_EXCLUDED : DKMS_OUTCOME_FAILED;
  attempt->error = g_error_copy (error);
  attempt->cause = g_strdup (dkms_error_info (error)->cause);
  if (!dkms_attempts_refuse (&run->settings->places, attempt, &local))
    g_debug ("%s", local->message); /* @error is reported, which is more important */
}

gboolean
dkms_step_prepare_build (DkmsRun *run, const DkmsStep *step, DkmsBuildWork **work, GError **error)
{
  GError *local = NULL;

  if (dkms_step_settle (dkms_step_prepare (run, step, work, FALSE, &local), &local))
    return TRUE;
  g_clear_pointer (work, dkms_build_work_free);
  keep_refusal (run, step->id, local);
  g_propagate_error (error, local);
  return FALSE;
}

gboolean
dkms_build_work_do (gpointer data, DkmsListener *events, GError **error)
{
  DkmsBuildWork *self = data;

  self->job.events = events;
  (void)setpriority (PRIO_PROCESS, 0, getpriority (PRIO_PROCESS, 0) + self->nice);
  return dkms_step_settle (dkms_build (&self->job, error), error);
}

/* Stores the attempt of a build whose worker ended early. */
static void
keep_unfinished (const DkmsBuildWork *self)
{
  g_autoptr (GError) error = NULL;

  if (self->work != NULL && !dkms_attempts_sweep (self->work->places, self->work->fd, &error))
    g_debug ("%s", error->message); /* the end of the run reports the same */
}

void
dkms_build_work_free (DkmsBuildWork *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->outputs, g_ptr_array_unref);
  dkms_record_free (self->replaced);
  keep_unfinished (self);
  dkms_work_free (self->work);
  dkms_attempt_free (self->attempt);
  g_clear_pointer (&self->job.seen, g_hash_table_unref);
  g_free (self->make_flags);
  g_strfreev (self->env);
  if (self->keep != NULL)
    g_array_unref (self->keep);
  g_free (self);
}

static gboolean
add_size (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  if (entry->event == DKMS_WALK_FILE && S_ISREG (entry->st->st_mode) && g_str_has_suffix (entry->name, ".c"))
    *(goffset *)data += entry->st->st_size;
  return TRUE;
}

double
dkms_step_duration (const DkmsRun *run, const DkmsStep *step)
{
  guint mark = dkms_unread_mark ();
  g_autoptr (DkmsState) state = dkms_state_read (&run->settings->places, &(DkmsId){ .module = step->id->module }, NULL);
  double seconds = 0;

  for (guint i = 0; state != NULL && i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      for (guint b = 0; b < v->builds->len; b++)
        {
          const DkmsBuild *build = v->builds->pdata[b];
          const DkmsId id = dkms_build_id (v, build);
          g_autoptr (DkmsRecord) record = dkms_record_read (&run->settings->places, &id);
          seconds = MAX (seconds, record != NULL ? record->seconds : 0);
        }
    }
  dkms_unread_drop (mark); /* the duration is inexact in any case */
  return seconds;
}

double
dkms_step_estimate (const DkmsRun *run, const DkmsStep *step)
{
  enum { BYTES_PER_SECOND = 60000, CONFIGURE_SECONDS = 60 };
  guint mark = dkms_unread_mark ();
  g_autofree char *source = dkms_layout_source (&run->settings->places, step->id, NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (run->settings->places.root, source, O_RDONLY | O_DIRECTORY, 0);
  goffset size = 0;
  double seconds = 1;

  if (fd >= 0 && dkms_walk_at (fd, ".", add_size, &size, NULL))
    /* A configure script is a single long job. */
    seconds = (double)size / BYTES_PER_SECOND
              + (dkms_is_file_at (fd, "configure") || dkms_is_file_at (fd, "configure.ac") ? CONFIGURE_SECONDS : 0);
  dkms_unread_drop (mark); /* the estimate is inexact in any case */
  return seconds;
}
