/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "plan/run.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "build/build.h"
#include "store/transaction.h"

typedef enum { OUTCOME_WAITING, OUTCOME_DONE, OUTCOME_SKIPPED, OUTCOME_FAILED, OUTCOME_BLOCKED } Outcome;

typedef struct {
  const DkmsSettings *settings;
  DkmsUi *ui;
  const DkmsRequest *request;
  DkmsWorld *world;
  const DkmsPlan *plan;
  GHashTable *signers; /* "release/arch" -> DkmsSigner */
  Outcome *outcomes;
  int *codes;
  int (*exit_code) (const GError *);
} Run;

/* ---- one step's job ---- */

static const char *
destination (const DkmsSettings *settings, char **owned)
{
  if (*settings->addon_modules_dir == '\0')
    return settings->distro->family->destination;
  return *owned = g_strconcat ("/", settings->addon_modules_dir, NULL);
}

static DkmsJob
job_for (Run *run, const DkmsStep *step, const DkmsRecipe *recipe, GPtrArray **outputs)
{
  DkmsKernelFacts facts = dkms_world_kernel (run->world, step->kernel, step->arch);
  g_autofree char *owned = NULL;

  *outputs = recipe != NULL
                 ? dkms_recipe_outputs (recipe, facts.kernel, destination (run->settings, &owned), facts.config)
                 : NULL;
  return (DkmsJob){ .settings = run->settings,
                    .ui = run->ui,
                    .module = step->module,
                    .version = step->version,
                    .kernel = facts.kernel,
                    .config = facts.config,
                    .recipe = recipe,
                    .outputs = *outputs,
                    .force = run->request->force,
                    .force_version_override = run->request->force_version_override };
}

static const DkmsRecipe *
recipe_for (Run *run, const DkmsStep *step, gboolean strict, GError **error)
{
  return dkms_world_valid_recipe (run->world, step->module, step->version, step->kernel, step->arch, strict, error);
}

/* Announces every recipe that the rest of the plan needs, so that one bash reads them all. */
static void
want_recipes (Run *run)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *step = g_ptr_array_index (run->plan->steps, i);
      if (step->kind == DKMS_STEP_BUILD || step->kind == DKMS_STEP_INSTALL || step->kind == DKMS_STEP_UNINSTALL)
        dkms_world_want (run->world, step->module, step->version, step->kernel, step->arch);
    }
}

/* What another run did meanwhile: the state of one build, read under the module's lock. */
static gboolean
look_again (const Run *run, const DkmsStep *step, gboolean *built, gboolean *active, char **installed, GError **error)
{
  g_autoptr (DkmsState) state = dkms_state_read (run->settings, step->module, NULL, error);
  const DkmsVersion *version = state != NULL ? dkms_state_find (state, step->module, step->version) : NULL;
  const DkmsBuild *build = version != NULL ? dkms_version_find (version, step->kernel, step->arch) : NULL;
  const DkmsVersion *other
      = state != NULL ? dkms_state_installed (state, step->module, step->kernel, step->arch) : NULL;

  *built = build != NULL && build->built;
  *active = *built && build->active;
  if (installed != NULL)
    *installed = other != NULL ? g_strdup (other->version) : NULL;
  return state != NULL;
}

/* ---- add ---- */

static gboolean
do_add (Run *run, const DkmsStep *step, GError **error)
{
  const DkmsSettings *s = run->settings;
  const DkmsTarget *target = run->request->targets->pdata[0];
  g_autofree char *source = g_strdup_printf ("%s/%s-%s", s->source_tree, step->module, step->version);
  g_autofree char *shown = dkms_root_host_path (s->root, source);
  const DkmsRecipe *recipe;
  int status;

  if (run->request->source != NULL)
    {
      if (geteuid () != 0 && dkms_root_is_host (s->root))
        return dkms_fail (error, DKMS_ERROR_NO_PRIVILEGE, NULL, "Run it with sudo.",
                          "Adding from a directory needs root");
      if (!dkms_tree_import (s, run->request->source, step->module, step->version, error))
        return FALSE;
    }
  if (!dkms_root_is_dir (s->root, source))
    return dkms_fail (error, DKMS_ERROR_NO_SOURCE, shown,
                      "Unpack the source there, or name its directory: dkms add <directory>",
                      "There is no source directory %s", shown);
  want_recipes (run);
  recipe = dkms_world_valid_recipe (run->world, step->module, step->version, target->kernel, target->arch, TRUE, error);
  if (recipe == NULL)
    return FALSE;
  if (g_strcmp0 (dkms_recipe_get (recipe, "PACKAGE_NAME", 0), step->module) != 0
      || g_strcmp0 (dkms_recipe_get (recipe, "PACKAGE_VERSION", 0), step->version) != 0)
    dkms_ui_warn (run->ui, "%s says it is %s/%s; it is added as %s/%s.", recipe->path,
                  dkms_recipe_get (recipe, "PACKAGE_NAME", 0), dkms_recipe_get (recipe, "PACKAGE_VERSION", 0),
                  step->module, step->version);
  if (!dkms_tree_register (s, step->module, step->version, error))
    return FALSE;
  dkms_ui_line (run->ui, "Added %s/%s, source in %s", step->module, step->version, source);

  DkmsJob job = { .settings = s,
                  .ui = run->ui,
                  .module = step->module,
                  .version = step->version,
                  .recipe = recipe,
                  .kernel = dkms_world_kernel (run->world, target->kernel, target->arch).kernel };
  status = dkms_script_run (&job, "POST_ADD");
  if (status != 0 && run->request->verb == DKMS_VERB_ADD)
    return dkms_fail_script (error, status, NULL, "The module stays added.",
                             "POST_ADD of %s/%s ended with exit status %d", step->module, step->version, status);
  return TRUE;
}

/* ---- build ---- */

static gboolean
check_depends (const Run *run, const DkmsStep *step, const DkmsRecipe *recipe, GError **error)
{
  g_auto (GStrv) names = dkms_recipe_depends (recipe);
  g_autoptr (GString) missing = g_string_new (NULL);

  for (char **name = names; *name != NULL; name++)
    {
      g_autoptr (DkmsState) state = dkms_state_read (run->settings, *name, NULL, error);
      if (state == NULL)
        return FALSE;
      if (dkms_state_installed (state, *name, step->kernel, step->arch) == NULL)
        g_string_append_printf (missing, " %s", *name);
    }
  if (missing->len == 0)
    return TRUE;
  if (!run->request->force)
    return dkms_fail (error, DKMS_ERROR_DEPENDS, recipe->path, "Install them for that kernel first, or use --force.",
                      "%s/%s needs modules that are not installed for kernel %s:%s", step->module, step->version,
                      step->kernel, missing->str);
  dkms_ui_warn (run->ui, "%s/%s needs modules that are not installed:%s; going on because of --force.", step->module,
                step->version, missing->str);
  return TRUE;
}

static gboolean
check_headers (const Run *run, const DkmsKernel *kernel, GError **error)
{
  g_autofree char *package = NULL;
  g_autofree char *advice = NULL;

  if (dkms_kernel_has_headers (kernel, run->settings->root))
    return TRUE;
  package = dkms_distro_headers_package (run->settings->distro, kernel->release);
  advice = g_strdup_printf ("Install %s, or name the directory with --kernelsourcedir.", package);
  return dkms_fail (error, DKMS_ERROR_NO_HEADERS, kernel->source_dir, advice,
                    "The headers of kernel %s are missing: there is no %s/include", kernel->release,
                    kernel->source_dir);
}

/* Decided once per kernel; in an autoinstall the first build does it for all. */
static const DkmsSigner *
signer_for (Run *run, const DkmsStep *step)
{
  g_autofree char *key = g_strconcat (step->kernel, "/", step->arch, NULL);
  DkmsSigner *signer = g_hash_table_lookup (run->signers, key);

  if (signer == NULL)
    {
      DkmsKernelFacts facts = dkms_world_kernel (run->world, step->kernel, step->arch);
      signer = dkms_signer_new (run->settings, run->ui, facts.kernel, facts.config);
      dkms_ui_line (run->ui, "%s", "");
      g_hash_table_insert (run->signers, g_steal_pointer (&key), signer);
    }
  return signer;
}

static gboolean
check_build (Run *run, const DkmsStep *step, const DkmsRecipe *recipe, const DkmsKernelFacts *facts, GError **error)
{
  g_autofree char *source = dkms_tree_path (run->settings, step->module, step->version, "source", NULL);
  g_auto (DkmsFd) fd = -1;
  g_autoptr (GPtrArray) names = NULL;
  guint visible = 0;

  if (dkms_recipe_excluded (recipe, facts->kernel, facts->config))
    return dkms_fail (error, DKMS_ERROR_EXCLUDED, recipe->path, NULL,
                      "%s/%s is not for kernel %s (%s): BUILD_EXCLUSIVE_* in %s excludes it", step->module,
                      step->version, step->kernel, step->arch, recipe->path);
  fd = dkms_root_open_dir (run->settings->root, source, FALSE, error);
  names = fd >= 0 ? dkms_list_dir_at (fd, ".", error) : NULL;
  if (names == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    visible += *(const char *)names->pdata[i] != '.';
  if (visible < 2)
    return dkms_fail (error, DKMS_ERROR_EMPTY_SOURCE, source, "Unpack the source beside its dkms.conf.",
                      "The source directory of %s/%s holds no source", step->module, step->version);
  if (!check_headers (run, facts->kernel, error))
    return FALSE;
  (void)signer_for (run, step); /* says what it found before anything else is looked at */
  return check_depends (run, step, recipe, error);
}

static gboolean
do_build (Run *run, const DkmsStep *step, GError **error)
{
  g_autoptr (GPtrArray) outputs = NULL;
  g_autoptr (DkmsRecord) replaced
      = dkms_record_read (run->settings, step->module, step->version, step->kernel, step->arch);
  g_autofree char *base = dkms_tree_path (run->settings, step->module, step->version, step->kernel, step->arch, NULL);
  const DkmsRecipe *recipe;
  gboolean built, active;
  DkmsKernelFacts facts;

  if (!look_again (run, step, &built, &active, NULL, error))
    return FALSE;
  if (built && !step->rebuild)
    return TRUE; /* somebody else did it while we waited */
  if (!built && dkms_root_is_dir (run->settings->root, base) && !run->request->force)
    return dkms_fail (error, DKMS_ERROR_STALE_BUILD_DIR, base, "dkms build --force clears it.",
                      "%s exists and is no complete build", base);
  recipe = recipe_for (run, step, TRUE, error);
  if (recipe == NULL)
    return FALSE;
  facts = dkms_world_kernel (run->world, step->kernel, step->arch);
  if (!check_build (run, step, recipe, &facts, error)
      || !dkms_tree_drop_build (run->settings, step->module, step->version, step->kernel, step->arch, error))
    return FALSE;
  dkms_ui_line (run->ui, "Building %s/%s for %s (%s)", step->module, step->version, step->kernel, step->arch);
  if (active)
    dkms_ui_line (run->ui, "The installed copy is left alone; 'dkms install --force' replaces it.");
  DkmsJob job = job_for (run, step, recipe, &outputs);
  job.replaced = replaced;
  job.signer = signer_for (run, step);
  return dkms_build (&job, error);
}

/* ---- install, uninstall, and the rest ---- */

static gboolean
do_install (Run *run, const DkmsStep *step, GError **error)
{
  g_autoptr (GPtrArray) outputs = NULL;
  g_autofree char *previous = NULL;
  const DkmsRecipe *recipe;
  gboolean built, active;
  int status;

  if (!look_again (run, step, &built, &active, &previous, error))
    return FALSE;
  if (active)
    return TRUE;
  recipe = recipe_for (run, step, TRUE, error);
  if (recipe == NULL)
    return FALSE;
  DkmsJob job = job_for (run, step, recipe, &outputs);
  if (!dkms_root_is_dir (run->settings->root, job.kernel->dir))
    return dkms_fail (error, DKMS_ERROR_NO_KERNEL, job.kernel->dir,
                      "Check the release with 'ls' there, or install that kernel.", "There is no kernel directory %s",
                      job.kernel->dir);
  status = dkms_script_run (&job, "PRE_INSTALL");
  if (status != 0 && !job.force)
    return dkms_fail (error, DKMS_ERROR_PRE_INSTALL, NULL, "--force installs in spite of it.",
                      "PRE_INSTALL of %s/%s ended with exit status %d", step->module, step->version, status);
  if (!dkms_install (&job, previous, error))
    return FALSE;
  (void)dkms_script_run (&job, "POST_INSTALL");
  return TRUE;
}

static gboolean
do_uninstall (Run *run, const DkmsStep *step, GError **error)
{
  g_autoptr (DkmsRecipe) recorded
      = dkms_record_recipe (run->settings, step->module, step->version, step->kernel, step->arch);
  g_autoptr (GPtrArray) outputs = NULL;
  const DkmsRecipe *recipe = recorded;
  gboolean built, active;

  if (!look_again (run, step, &built, &active, NULL, error))
    return FALSE;
  if (!active)
    return TRUE;
  /* What was installed is in the record; a build of the reference has none, then its recipe is asked. */
  if (recipe == NULL)
    recipe = recipe_for (run, step, FALSE, error);
  if (recipe == NULL)
    return FALSE;
  dkms_ui_line (run->ui, "Uninstalling %s/%s from %s (%s)", step->module, step->version, step->kernel, step->arch);
  DkmsJob job = job_for (run, step, recipe, &outputs);
  return dkms_uninstall (&job, error);
}

static gboolean
do_unregister (Run *run, const DkmsStep *step, GError **error)
{
  gboolean gone;

  if (!dkms_tree_unregister (run->settings, step->module, step->version, &gone, error))
    return FALSE;
  if (gone)
    dkms_ui_line (run->ui, "Removed %s/%s from the tree; its source stays in %s/%s-%s", step->module, step->version,
                  run->settings->source_tree, step->module, step->version);
  return TRUE;
}

static gboolean
do_step (Run *run, const DkmsStep *step, GError **error)
{
  switch (step->kind)
    {
    case DKMS_STEP_ADD:
      return do_add (run, step, error);
    case DKMS_STEP_BUILD:
      return do_build (run, step, error);
    case DKMS_STEP_INSTALL:
      return do_install (run, step, error);
    case DKMS_STEP_UNINSTALL:
      return do_uninstall (run, step, error);
    case DKMS_STEP_UNBUILD:
      dkms_ui_line (run->ui, "Deleting the build of %s/%s for %s (%s)", step->module, step->version, step->kernel,
                    step->arch);
      return dkms_tree_drop_build (run->settings, step->module, step->version, step->kernel, step->arch, error);
    case DKMS_STEP_UNREGISTER:
      return do_unregister (run, step, error);
    case DKMS_STEP_DEPMOD:
      dkms_depmod (run->settings, run->ui, step->kernel, run->request->no_depmod);
      return TRUE;
    default:
      dkms_ui_line (run->ui, "%s/%s for %s (%s): %s", step->module, step->version, step->kernel, step->arch,
                    step->text);
      return TRUE;
    }
}

/* ---- the graph ---- */

static Outcome
verdict_of_needs (const Run *run, const DkmsStep *step)
{
  gboolean any = FALSE;

  for (guint i = 0; i < step->needs->len; i++)
    {
      Outcome outcome = run->outcomes[g_array_index (step->needs, guint, i)];
      any |= outcome == OUTCOME_DONE;
      if (outcome != OUTCOME_DONE && step->kind != DKMS_STEP_DEPMOD)
        return outcome == OUTCOME_SKIPPED ? OUTCOME_SKIPPED : OUTCOME_BLOCKED;
    }
  for (guint i = 0; i < step->after->len; i++)
    {
      Outcome outcome = run->outcomes[g_array_index (step->after, guint, i)];
      if (outcome != OUTCOME_DONE && outcome != OUTCOME_SKIPPED)
        return OUTCOME_BLOCKED;
    }
  return step->kind == DKMS_STEP_DEPMOD && !any ? OUTCOME_BLOCKED : OUTCOME_WAITING;
}

static void
tell_failure (Run *run, const GError *error)
{
  if (error->domain == DKMS_ERROR && error->code == DKMS_ERROR_EXCLUDED)
    dkms_ui_warn (run->ui, "%s.", error->message);
  else
    dkms_ui_error (run->ui, error);
}

static void
run_step (Run *run, guint id)
{
  const DkmsStep *step = run->plan->steps->pdata[id];
  gboolean locks = run->request->verb == DKMS_VERB_AUTOINSTALL && step->module != NULL;
  g_autofree char *name = locks ? g_strconcat ("locks/", step->module, NULL) : NULL;
  g_autoptr (DkmsLock) lock = NULL;
  g_autoptr (GError) error = NULL;

  run->outcomes[id] = verdict_of_needs (run, step);
  if (run->outcomes[id] != OUTCOME_WAITING)
    {
      /* A blocked step carries the code of what blocks it. */
      for (guint i = 0; i < step->needs->len; i++)
        run->codes[id] = run->codes[g_array_index (step->needs, guint, i)];
      return;
    }
  lock = locks ? dkms_lock_take (run->settings, run->ui, name, TRUE, &error) : NULL;
  if (error == NULL && do_step (run, step, &error))
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
run_steps (Run *run)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    run_step (run, i);
}

/* ---- autoinstall's summary ---- */

static gboolean
summarise (Run *run, GError **error)
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
      if (step->kind != DKMS_STEP_INSTALL)
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

/* ---- state ---- */

/* Autoinstall plans by what recipes say: reads those of the latest versions, all in one go. */
static gboolean
read_candidates (Run *run, DkmsState *state, GError **error)
{
  const DkmsTarget *target = run->request->targets->pdata[0];

  for (int pass = 0; pass < 2; pass++)
    {
      for (guint i = 0; i < state->versions->len; i++)
        {
          DkmsVersion *v = state->versions->pdata[i];
          const DkmsBuild *build = dkms_version_find (v, target->kernel, target->arch);
          const DkmsRecipe *recipe;

          if (pass == 0 && v->broken)
            dkms_ui_note (run->ui, "\nError! %s/%s is broken: its source is gone; it is skipped.", v->module,
                          v->version);
          if (dkms_plan_latest (state, v->module) != v || (build != NULL && build->active))
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

/* --all: every kernel and arch that the version is built for, built ones first as the reference orders them. */
static void
expand_all (DkmsRequest *request, const DkmsState *state)
{
  const DkmsVersion *version = request->module != NULL && request->version != NULL
                                   ? dkms_state_find (state, request->module, request->version)
                                   : NULL;

  for (int active = 0; version != NULL && active < 2; active++)
    for (guint i = 0; i < version->builds->len; i++)
      {
        const DkmsBuild *build = version->builds->pdata[i];
        if (build->active == active)
          dkms_request_add_target (request, build->kernel, build->arch);
      }
}

/* Without headers nothing of an autoinstall can be built: it ends at once (21), but only if there is something to
 * build. */
static gboolean
check_autoinstall_headers (Run *run, GError **error)
{
  for (guint i = 0; i < run->plan->steps->len; i++)
    {
      const DkmsStep *step = run->plan->steps->pdata[i];
      if (step->kind == DKMS_STEP_BUILD)
        return check_headers (run, dkms_world_kernel (run->world, step->kernel, step->arch).kernel, error);
    }
  return TRUE;
}

static void
print_plan (Run *run)
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
run_due_depmods (const Run *run)
{
  g_autofree char *path = dkms_tree_path (run->settings, ".dkms", "depmod", NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (run->settings->root, path, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (*(const char *)names->pdata[i] != '.')
      dkms_depmod (run->settings, run->ui, names->pdata[i], run->request->no_depmod);
}

static gboolean
make_plan (Run *run, DkmsRequest *request, DkmsPlan **plan, GError **error)
{
  const char *module = request->verb == DKMS_VERB_AUTOINSTALL ? NULL : request->module;
  g_autoptr (DkmsState) state = NULL;

  if (module == NULL && request->verb != DKMS_VERB_AUTOINSTALL)
    module = request->module != NULL ? request->module : "";
  state = dkms_state_read (run->settings, module, NULL, error);
  if (state == NULL)
    return FALSE;
  if (request->all)
    expand_all (request, state);
  if (request->verb == DKMS_VERB_AUTOINSTALL && !read_candidates (run, state, error))
    return FALSE;
  *plan = dkms_plan_make (request, state, error);
  return *plan != NULL;
}

/* One module is worked on by one run at a time; what follows is planned from what the other one left.
 * Autoinstall is about all modules and takes the lock of each in turn. */
static gboolean
lock_module (const Run *run, DkmsLock **lock, GError **error)
{
  const DkmsRequest *request = run->request;
  g_autofree char *name = NULL;

  if (request->verb == DKMS_VERB_AUTOINSTALL || request->module == NULL || *request->module == '\0')
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
  g_autofree Outcome *outcomes = NULL;
  g_autofree int *codes = NULL;
  g_autoptr (GHashTable) signers
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)dkms_signer_free);
  Run run = {
    .signers = signers, .settings = settings, .ui = ui, .request = request, .world = world, .exit_code = exit_code
  };

  *status = 0;
  if (request->source != NULL && !dkms_world_identify (world, request, error))
    return FALSE;
  if (!request->dry_run && (!lock_module (&run, &lock, error) || !dkms_transaction_recover (settings, ui, error)))
    return FALSE;
  if (!make_plan (&run, request, &plan, error))
    return FALSE;
  run.plan = plan;
  if (request->dry_run)
    return print_plan (&run), TRUE;
  run.outcomes = outcomes = g_new0 (Outcome, plan->steps->len + 1);
  run.codes = codes = g_new0 (int, plan->steps->len + 1);
  /* Recipes of a module that is yet to be added are announced by its add step. */
  if (plan->steps->len > 0 && ((const DkmsStep *)plan->steps->pdata[0])->kind != DKMS_STEP_ADD)
    want_recipes (&run);
  if (request->verb == DKMS_VERB_AUTOINSTALL && !check_autoinstall_headers (&run, error))
    return FALSE;
  run_steps (&run);
  run_due_depmods (&run);
  if (request->verb == DKMS_VERB_AUTOINSTALL)
    return summarise (&run, error);
  for (guint i = 0; i < plan->steps->len && *status == 0; i++)
    *status = codes[i];
  return TRUE;
}
