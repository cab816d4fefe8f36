/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "plan/steps.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "build/build.h"

/* ---- one step's job ---- */

static const char *
destination (const DkmsSettings *settings, char **owned)
{
  if (*settings->addon_modules_dir == '\0')
    return settings->distro->family->destination;
  return *owned = g_strconcat ("/", settings->addon_modules_dir, NULL);
}

static DkmsJob
job_for (DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, GPtrArray **outputs)
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
recipe_for (DkmsRun *run, const DkmsStep *step, gboolean strict, GError **error)
{
  return dkms_world_valid_recipe (run->world, step->module, step->version, step->kernel, step->arch, strict, error);
}

void
dkms_step_want_recipes (DkmsRun *run)
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
look_again (const DkmsRun *run, const DkmsStep *step, gboolean *built, gboolean *active, char **installed,
            GError **error)
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

/* Sources go to a directory of root's, whoever may write the tree. */
static gboolean
check_may_import (const DkmsRun *run, GError **error)
{
  if (geteuid () == 0 || !dkms_root_is_host (run->settings->root))
    return TRUE;
  return dkms_fail (error, DKMS_ERROR_NO_PRIVILEGE, NULL, "Run it with sudo.",
                    "Adding from a directory or an archive needs root");
}

static gboolean
do_add (DkmsRun *run, const DkmsStep *step, GError **error)
{
  const DkmsSettings *s = run->settings;
  const DkmsTarget *target = run->request->targets->pdata[0];
  g_autofree char *source = g_strdup_printf ("%s/%s-%s", s->source_tree, step->module, step->version);
  g_autofree char *shown = dkms_root_host_path (s->root, source);
  const DkmsRecipe *recipe;
  int status;

  if (run->request->source != NULL && !run->request->loads)
    {
      if (!check_may_import (run, error))
        return FALSE;
      if (!dkms_tree_import (s, run->request->source, step->module, step->version, error))
        return FALSE;
    }
  g_autofree char *stub = dkms_tree_path (s, step->module, step->version, "source", "dkms.conf", NULL);
  if (!dkms_root_is_dir (s->root, source) && !dkms_root_is_file (s->root, stub))
    return dkms_fail (error, DKMS_ERROR_NO_SOURCE, shown,
                      "Unpack the source there, or name its directory: dkms add <directory>",
                      "There is no source directory %s", shown);
  dkms_step_want_recipes (run);
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
check_depends (const DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, GError **error)
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

gboolean
dkms_step_check_headers (const DkmsRun *run, const DkmsKernel *kernel, GError **error)
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
signer_for (DkmsRun *run, const DkmsStep *step)
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
check_build (DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, const DkmsKernelFacts *facts, GError **error)
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
  if (!dkms_step_check_headers (run, facts->kernel, error))
    return FALSE;
  (void)signer_for (run, step); /* says what it found before anything else is looked at */
  return check_depends (run, step, recipe, error);
}

/* The versions of the modules that this one depends on, as installed now; only for those that want it. */
static GHashTable *
versions_seen (const DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe)
{
  g_auto (GStrv) names = dkms_recipe_depends (recipe);
  GHashTable *seen;

  if (!dkms_recipe_yes (recipe, "BUILD_DEPENDS_REBUILD"))
    return NULL;
  seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (char **name = names; *name != NULL; name++)
    {
      g_autoptr (DkmsState) state = dkms_state_read (run->settings, *name, NULL, NULL);
      const DkmsVersion *v = state != NULL ? dkms_state_installed (state, *name, step->kernel, step->arch) : NULL;
      if (v != NULL)
        g_hash_table_insert (seen, g_strdup (*name), g_strdup (v->version));
    }
  return seen;
}

static gboolean
do_build (DkmsRun *run, const DkmsStep *step, GError **error)
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
  job.seen = run->request->force ? NULL : versions_seen (run, step, recipe);
  gboolean ok = dkms_build (&job, error);
  g_clear_pointer (&job.seen, g_hash_table_unref);
  return ok;
}

/* ---- install, uninstall, and the rest ---- */

static gboolean
do_install (DkmsRun *run, const DkmsStep *step, GError **error)
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
  dkms_job_apply_force_list (&job);
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
  dkms_weak_modules (&job, TRUE);
  (void)dkms_script_run (&job, "POST_INSTALL");
  return TRUE;
}

static gboolean
do_uninstall (DkmsRun *run, const DkmsStep *step, GError **error)
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
  dkms_weak_modules (&job, FALSE);
  return dkms_uninstall (&job, error);
}

static gboolean
do_unregister (DkmsRun *run, const DkmsStep *step, GError **error)
{
  gboolean gone;

  if (!dkms_tree_unregister (run->settings, step->module, step->version, &gone, error))
    return FALSE;
  if (gone)
    dkms_ui_line (run->ui, "Removed %s/%s from the tree; its source stays in %s/%s-%s", step->module, step->version,
                  run->settings->source_tree, step->module, step->version);
  return TRUE;
}

/* ---- archives, kernels ---- */

static gboolean
do_pack (const DkmsRun *run, const DkmsStep *step, GError **error)
{
  const DkmsRequest *request = run->request;
  g_autoptr (GPtrArray) builds = g_ptr_array_new ();
  g_autoptr (DkmsState) state = dkms_state_read (run->settings, step->module, step->version, error);
  const DkmsVersion *version = state != NULL ? dkms_state_find (state, step->module, step->version) : NULL;

  if (state == NULL)
    return FALSE;
  if (dkms_world_valid_recipe (run->world, step->module, step->version,
                               request->targets->len > 0 ? ((DkmsTarget *)request->targets->pdata[0])->kernel : "",
                               request->targets->len > 0 ? ((DkmsTarget *)request->targets->pdata[0])->arch : "", FALSE,
                               error)
      == NULL)
    return FALSE;
  for (guint i = 0; version != NULL && i < request->targets->len; i++)
    {
      const DkmsTarget *target = request->targets->pdata[i];
      DkmsBuild *build = dkms_version_find (version, target->kernel, target->arch);
      if (build != NULL)
        g_ptr_array_add (builds, build);
    }
  return dkms_tarball_make (run->settings, run->ui, step->module, step->version, request->archive,
                            request->source_only     ? DKMS_TARBALL_SOURCE_ONLY
                            : request->binaries_only ? DKMS_TARBALL_BINARIES_ONLY
                                                     : DKMS_TARBALL_ALL,
                            builds, error);
}

gboolean
dkms_step_do (DkmsRun *run, const DkmsStep *step, GError **error)
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
      if (dkms_verb_clears_kernel (run->request->verb))
        dkms_ui_note (run->ui, "Removing %s/%s for %s (%s)", step->module, step->version, step->kernel, step->arch);
      dkms_ui_line (run->ui, "Deleting the build of %s/%s for %s (%s)", step->module, step->version, step->kernel,
                    step->arch);
      return dkms_tree_drop_build (run->settings, step->module, step->version, step->kernel, step->arch, error);
    case DKMS_STEP_UNREGISTER:
      return do_unregister (run, step, error);
    case DKMS_STEP_LOAD:
      return (run->tarball->stub || check_may_import (run, error))
             && dkms_tarball_load (run->tarball, run->ui, step->module, step->version, error);
    case DKMS_STEP_PACK:
      return do_pack (run, step, error);
    case DKMS_STEP_CLEAN:
      return dkms_kernel_dir_clean (run->settings, step->kernel, error);
    case DKMS_STEP_DEPMOD:
      dkms_depmod (run->settings, run->ui, step->kernel, run->request->no_depmod);
      return TRUE;
    default:
      dkms_ui_line (run->ui, "%s/%s for %s (%s): %s", step->module, step->version, step->kernel, step->arch,
                    step->text);
      return TRUE;
    }
}
