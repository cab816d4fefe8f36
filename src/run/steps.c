/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each kind of step does. */
#define _GNU_SOURCE
#include "run/steps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "base/walk.h"
#include "build/build.h"
#include "build/loadable.h"
#include "conf/sandbox.h"
#include "kernel/arch.h"

/* ---- one step's job ---- */

static DkmsJob
job_for (DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, GPtrArray **outputs)
{
  DkmsKernelFacts facts = dkms_world_kernel (run->world, step->id->kernel, step->id->arch);
  g_autofree char *place = dkms_settings_destination (run->settings);

  *outputs = recipe != NULL ? dkms_recipe_outputs (recipe, facts.kernel, place, facts.config) : NULL;
  return (DkmsJob){ .settings = run->settings,
                    .ui = run->ui,
                    .id = *step->id,
                    .kernel = facts.kernel,
                    .config = facts.config,
                    .recipe = recipe,
                    .outputs = *outputs,
                    .work = run->work,
                    .force = run->request->force,
                    .force_version_override = run->request->force_version_override };
}

static const DkmsRecipe *
recipe_for (DkmsRun *run, const DkmsStep *step, gboolean strict, GError **error)
{
  return dkms_world_valid_recipe (run->world, step->id, strict, error);
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

typedef struct {
  gboolean added, broken;
  gboolean built;  /* there is a build, complete or not */
  gboolean active; /* the build, or what is left of it, is installed */
  char *installed; /* (nullable): the version that is */
} Meanwhile;

static void
meanwhile_clear (Meanwhile *self)
{
  g_free (self->installed);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Meanwhile, meanwhile_clear)

/* What another run did before the lock was ours: the state of one build. */
static gboolean
look_again (const DkmsRun *run, const DkmsStep *step, Meanwhile *now, GError **error)
{
  g_autoptr (DkmsState) state = dkms_state_read (run->settings, step->id->module, NULL, error);
  const DkmsVersion *version = state != NULL ? dkms_state_find (state, step->id) : NULL;
  const DkmsBuild *build = version != NULL ? dkms_version_find (version, step->id->kernel, step->id->arch) : NULL;
  const DkmsBuild *remains
      = version != NULL ? dkms_version_find_remains (version, step->id->kernel, step->id->arch) : NULL;
  const DkmsVersion *other = state != NULL ? dkms_state_installed (state, step->id) : NULL;

  now->added = version != NULL;
  now->broken = version != NULL && version->broken;
  now->built = build != NULL && build->built;
  now->active = build != NULL ? build->active : remains != NULL && remains->active;
  now->installed = other != NULL ? g_strdup (other->version) : NULL;
  return state != NULL;
}

/* A run about many modules meets one that another run removed: that is no failure. */
static gboolean
skip_removed (const DkmsStep *step, GError **error)
{
  return dkms_fail (error, DKMS_ERROR_EXCLUDED, NULL, NULL, "%s/%s was removed by another run meanwhile",
                    step->id->module, step->id->version);
}

/* ---- add ---- */

/* The source tree is root's, unless it was made or named by somebody who may write it. */
static gboolean
check_may_import (const DkmsRun *run, GError **error)
{
  const DkmsSettings *s = run->settings;
  g_autofree char *shown = dkms_root_host_path (s->root, s->source_tree);
  g_autofree char *parent = g_path_get_dirname (shown);
  const char *place = dkms_is_dir_at (AT_FDCWD, shown) ? shown : parent;

  if (geteuid () == 0 || !dkms_root_is_host (s->root) || faccessat (AT_FDCWD, place, W_OK, AT_EACCESS) == 0)
    return TRUE;
  return dkms_fail (error, DKMS_ERROR_NO_PRIVILEGE, shown,
                    "Run it with sudo, or name trees of your own with --dkmstree and --sourcetree.",
                    "Cannot copy the source to %s: %s", shown, g_strerror (errno));
}

/* A package's files are not overwritten unless that is asked for, and never silently. */
static gboolean
check_owner (const DkmsRun *run, const DkmsStep *step, const char *source, GError **error)
{
  const DkmsSettings *s = run->settings;
  g_autofree char *conf = g_build_filename (source, "dkms.conf", NULL);
  g_autofree char *shown = dkms_root_host_path (s->root, source);
  g_autofree char *package = dkms_distro_package (s->distro, s->root, conf);

  if (package != NULL && !run->request->force)
    return dkms_fail (error, DKMS_ERROR_ARCHIVE_ADDED, shown,
                      "Remove that package, give your source another version, or use --force to replace its files.",
                      "%s belongs to the package %s: %s", shown, package, run->facts->differs);
  if (package != NULL)
    dkms_ui_warn (run->ui, "%s belongs to the package %s; its files are replaced because of --force.", shown, package);
  else if (!step->again)
    dkms_ui_warn (run->ui, "%s exists already: %s.", shown, run->facts->differs);
  return TRUE;
}

/* Copies the source that is given to its place, unless the same one is there. */
static gboolean
import_source (const DkmsRun *run, const DkmsStep *step, const char *source, GError **error)
{
  if (run->facts->source_state == DKMS_SOURCE_SAME)
    return TRUE;
  return check_may_import (run, error)
         && (run->facts->source_state != DKMS_SOURCE_OTHER || check_owner (run, step, source, error))
         && dkms_tree_import (run->settings, run->ui, run->facts->source, &run->facts->source_seen, step->id,
                              step->again, error);
}

/* After a replacement, for those who have it installed elsewhere. */
static void
tell_stale (const DkmsRun *run, const DkmsStep *step)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsState) state = dkms_state_read (run->settings, step->id->module, step->id->version, &error);
  const DkmsVersion *v = state != NULL ? dkms_state_find (state, step->id) : NULL;
  g_autoptr (GString) kernels = g_string_new (NULL);

  for (guint i = 0; v != NULL && i < v->builds->len; i++)
    {
      const DkmsBuild *build = v->builds->pdata[i];
      gboolean follows = run->request->goal != DKMS_GOAL_REGISTERED
                         && dkms_targets_contain (run->facts->targets, build->kernel, build->arch);
      if (build->stale && !follows)
        g_string_append_printf (kernels, " %s", build->kernel);
    }
  if (error != NULL)
    dkms_ui_warn (run->ui, "%s. There may be builds of %s/%s from the earlier source.", error->message,
                  step->id->module, step->id->version);
  if (kernels->len > 0)
    dkms_ui_line (run->ui, "Still built from the earlier source for:%s", kernels->str);
}

/* Only when a module is added, by whoever can still correct its dkms.conf. */
static void
tell_misspelt (const DkmsRun *run, const char *source)
{
  g_autofree char *path = g_strconcat (source, "/dkms.conf", NULL);
  g_autofree char *shown = dkms_root_host_path (run->settings->root, path);
  g_autofree char *text = dkms_root_read (run->settings->root, path, 1 << 20, NULL, NULL);
  g_autoptr (GPtrArray) remarks = text != NULL ? dkms_recipe_misspelt (shown, text) : NULL;

  for (guint i = 0; remarks != NULL && i < remarks->len; i++)
    dkms_ui_warn (run->ui, "%s", (const char *)remarks->pdata[i]);
}

static gboolean
do_add (DkmsRun *run, const DkmsStep *step, GError **error)
{
  const DkmsSettings *s = run->settings;
  const DkmsTarget *target = run->facts->targets->pdata[0];
  g_autofree char *source = g_strdup_printf ("%s/%s-%s", s->source_tree, step->id->module, step->id->version);
  g_autofree char *shown = dkms_root_host_path (s->root, source);
  const DkmsRecipe *recipe;
  int status;

  if (run->facts->source != NULL && !run->facts->loads && !import_source (run, step, source, error))
    return FALSE;
  g_autofree char *stub = dkms_layout_source (s, step->id, "dkms.conf");
  if (!dkms_root_is_dir (s->root, source) && !dkms_root_is_file (s->root, stub))
    return dkms_fail (error, DKMS_ERROR_NO_SOURCE, shown,
                      "Unpack the source there, or name its directory: dkms add <directory>",
                      "The source directory %s does not exist", shown);
  dkms_step_want_recipes (run);
  const DkmsId id = { step->id->module, step->id->version, target->kernel, target->arch };
  recipe = dkms_world_valid_recipe (run->world, &id, TRUE, error);
  if (recipe == NULL)
    return FALSE;
  if (g_strcmp0 (recipe->name, step->id->module) != 0 || g_strcmp0 (recipe->version, step->id->version) != 0)
    dkms_ui_warn (run->ui, "%s says it is %s/%s; it is added as %s/%s.", recipe->path, recipe->name, recipe->version,
                  step->id->module, step->id->version);
  tell_misspelt (run, source);
  if (!dkms_tree_register (s, run->ui, step->id, error))
    return FALSE;
  dkms_ui_line (run->ui, "%s %s/%s, source in %s", step->again ? "Replaced" : "Added", step->id->module,
                step->id->version, source);
  if (step->again)
    tell_stale (run, step);

  DkmsJob job = { .settings = s,
                  .ui = run->ui,
                  .id = *step->id,
                  .recipe = recipe,
                  .work = run->work,
                  .lends_all = TRUE, /* all other steps of the plan come after this one */
                  .kernel = dkms_world_kernel (run->world, target->kernel, target->arch).kernel };
  status = dkms_script_run (&job, DKMS_SCRIPT_POST_ADD);
  if (status != 0 && run->request->goal == DKMS_GOAL_REGISTERED)
    return dkms_fail_script (error, status, NULL, "The module stays added.",
                             "POST_ADD of %s/%s ended with exit status %d", step->id->module, step->id->version,
                             status);
  return TRUE;
}

/* ---- build ---- */

static gboolean
check_depends (const DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, GError **error)
{
  char *const *names = recipe->depends;
  g_autoptr (GString) missing = g_string_new (NULL);

  for (char *const *name = names; *name != NULL; name++)
    {
      g_autoptr (DkmsState) state = dkms_state_read (run->settings, *name, NULL, error);
      if (state == NULL)
        return FALSE;
      if (dkms_state_installed (state, &(DkmsId){ *name, NULL, step->id->kernel, step->id->arch }) == NULL)
        g_string_append_printf (missing, " %s", *name);
    }
  if (missing->len == 0)
    return TRUE;
  if (!run->request->force)
    return dkms_fail (error, DKMS_ERROR_DEPENDS, recipe->path, "Install them for that kernel first, or use --force.",
                      "%s/%s needs modules that are not installed for kernel %s:%s", step->id->module,
                      step->id->version, step->id->kernel, missing->str);
  dkms_ui_warn (run->ui, "%s/%s needs modules that are not installed:%s; going on because of --force.",
                step->id->module, step->id->version, missing->str);
  return TRUE;
}

/* The kernel is misspelt, or not there: @shown is where it would be. */
static gboolean
fail_no_kernel (const DkmsRun *run, const DkmsKernel *kernel, const char *shown, GError **error)
{
  g_autoptr (GPtrArray) names = dkms_kernel_list (run->settings->root, run->settings->install_tree, TRUE);
  g_autoptr (GString) advice = g_string_new ("Kernels with headers:");

  for (guint i = 0; i < names->len; i++)
    g_string_append_printf (advice, "%s %s", i > 0 ? "," : "", (char *)names->pdata[i]);
  g_string_append (advice, names->len > 0 ? "." : " none.");
  return dkms_fail (error, DKMS_ERROR_NO_HEADERS, kernel->source_dir, advice->str,
                    "Kernel %s is not installed: %s does not exist", kernel->release, shown);
}

gboolean
dkms_step_check_headers (const DkmsRun *run, const DkmsKernel *kernel, GError **error)
{
  const DkmsSettings *s = run->settings;
  g_autofree char *shown = dkms_root_host_path (s->root, kernel->dir);
  g_autofree char *package = NULL;
  g_autofree char *advice = NULL;

  if (dkms_kernel_has_headers (kernel, s->root))
    return TRUE;
  if (s->kernelsourcedir == NULL && !dkms_root_is_dir (s->root, kernel->dir))
    return fail_no_kernel (run, kernel, shown, error);
  package = dkms_distro_headers_package (s->distro, kernel->release);
  advice = g_strdup_printf ("Install %s, or name the directory with --kernelsourcedir.", package);
  return dkms_fail (error, DKMS_ERROR_NO_HEADERS, kernel->source_dir, advice,
                    "The headers of kernel %s are missing: %s/include does not exist", kernel->release,
                    kernel->source_dir);
}

/* Decided once per kernel; in an autoinstall the first build does it for all. */
static const DkmsSigner *
signer_for (DkmsRun *run, const DkmsStep *step)
{
  g_autofree char *key = g_strconcat (step->id->kernel, "/", step->id->arch, NULL);
  DkmsSigner *signer = g_hash_table_lookup (run->signers, key);

  if (signer == NULL)
    {
      DkmsKernelFacts facts = dkms_world_kernel (run->world, step->id->kernel, step->id->arch);
      signer = dkms_signer_new (run->settings, run->ui, facts.kernel, facts.config);
      dkms_ui_line (run->ui, "%s", "");
      g_hash_table_insert (run->signers, g_steal_pointer (&key), signer);
    }
  return signer;
}

static gboolean
check_build (DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, const DkmsKernelFacts *facts, GError **error)
{
  g_autofree char *source = dkms_layout_source (run->settings, step->id, NULL);
  g_auto (DkmsFd) fd = -1;
  g_autoptr (GPtrArray) names = NULL;
  guint visible = 0;

  if (dkms_recipe_excluded (recipe, facts->kernel, facts->config))
    return dkms_fail (error, DKMS_ERROR_EXCLUDED, recipe->path, NULL,
                      "%s/%s is not for kernel %s (%s): BUILD_EXCLUSIVE_* in %s excludes it", step->id->module,
                      step->id->version, step->id->kernel, step->id->arch, recipe->path);
  fd = dkms_root_open_dir (run->settings->root, source, FALSE, error);
  names = fd >= 0 ? dkms_list_dir_at (fd, ".", error) : NULL;
  if (names == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    visible += *(const char *)names->pdata[i] != '.';
  if (visible < 2)
    return dkms_fail (error, DKMS_ERROR_EMPTY_SOURCE, source, "Unpack the source beside its dkms.conf.",
                      "The source directory of %s/%s holds no source", step->id->module, step->id->version);
  if (!dkms_step_check_headers (run, facts->kernel, error))
    return FALSE;
  (void)signer_for (run, step); /* says what it found before anything else is looked at */
  return check_depends (run, step, recipe, error);
}

/* The versions of the modules that this one depends on, as installed now; only for those that want it. */
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
      g_autoptr (DkmsState) state = dkms_state_read (run->settings, *name, NULL, error);
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
  if (!run->sandbox_asked)
    {
      if (!dkms_sandbox_missing (&confinement, &run->sandbox_missing, error))
        return FALSE;
      run->sandbox_asked = TRUE;
      if (run->sandbox_missing != NULL && mode == DKMS_SANDBOX_AUTO)
        dkms_ui_warn (run->ui, "Builds run without a sandbox here (%s).", run->sandbox_missing);
    }
  if (run->sandbox_missing != NULL && mode == DKMS_SANDBOX_STRICT)
    return dkms_root_is_host (run->settings->root)
               ? dkms_fail (error, DKMS_ERROR_SANDBOX, NULL, "sandbox=auto builds without it where it cannot be had.",
                            "sandbox=strict, and %s/%s cannot be confined here (%s)", step->id->module,
                            step->id->version, run->sandbox_missing)
               : dkms_fail (error, DKMS_ERROR_SANDBOX, NULL,
                            "If you trust that system, write sandbox=off to /etc/dkms/framework.conf of this machine.",
                            "%s/%s of %s cannot be confined here (%s)", step->id->module, step->id->version,
                            run->settings->root->host_path, run->sandbox_missing);
  return run->sandbox_missing == NULL;
}

/* How the build gets its jobs: its own number when it is alone, else from the slots that all builds share. */
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
  work->job.make_jobs = *shared != '\0' ? NULL : run->settings->jobs;
  work->job.keep = work->keep;
}

/* A build for a name that no `uname -m` prints is one that no kernel will find in the tree. */
static void
warn_of_arch (const DkmsRun *run, const DkmsStep *step, const char *config)
{
  const char *name = dkms_arch_of_alias (step->id->arch);
  DkmsArch arch;

  if (dkms_arch_of_config (config, &arch))
    name = dkms_arch_is_named (&arch, step->id->arch) ? NULL : arch.name;
  if (name != NULL && dkms_world_tell_once (run->world, step->id->kernel, step->id->arch))
    dkms_ui_warn (run->ui,
                  "The architecture of kernel %s is called %s; what is built for \"%s\" is kept apart from it.\n"
                  "Use -a %s, or leave out -a.",
                  step->id->kernel, name, step->id->arch, name);
}

/* What is built replaces all that is in its place, which therefore must be a directory of the tree and nothing that a
 * link leads to. */
static gboolean
check_place (const DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_autofree char *dir = dkms_layout_version (run->settings, step->id, NULL);
  g_autofree char *place = g_build_filename (dir, step->id->kernel, NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (run->settings->root, dir, O_RDONLY | O_DIRECTORY, 0);

  return fd < 0 || !dkms_is_link_at (fd, step->id->kernel)
         || dkms_fail (error, DKMS_ERROR_STALE_BUILD_DIR, place, "Delete the link, then try again.",
                       "%s is a symbolic link, and nothing is built into what it leads to", place);
}

static gboolean
prepare (DkmsRun *run, const DkmsStep *step, DkmsBuildWork **result, gboolean needed, GError **error)
{
  g_autoptr (DkmsBuildWork) work = g_new0 (DkmsBuildWork, 1);
  g_autofree char *base = dkms_layout_build (run->settings, step->id, NULL);
  g_autoptr (GError) local = NULL;
  g_auto (Meanwhile) now = { 0 };
  const DkmsRecipe *recipe;
  DkmsKernelFacts facts;
  gboolean confined;

  *result = NULL;
  if (!look_again (run, step, &now, error))
    return FALSE;
  if (!now.added)
    return skip_removed (step, error);
  if (now.built && !step->again && !needed)
    return TRUE; /* somebody else did it while we waited */
  if (!check_place (run, step, error))
    return FALSE;
  if (!now.built && dkms_root_is_dir (run->settings->root, base) && !run->request->force
      && !dkms_request_is_about_many (run->request))
    return dkms_fail (error, DKMS_ERROR_STALE_BUILD_DIR, base, "To replace it, use 'dkms build --force'.",
                      "%s exists and is not a complete build", base);
  recipe = recipe_for (run, step, TRUE, error);
  if (recipe == NULL)
    return FALSE;
  facts = dkms_world_kernel (run->world, step->id->kernel, step->id->arch);
  if (!check_build (run, step, recipe, &facts, error))
    return FALSE;
  warn_of_arch (run, step, facts.config);
  confined = dkms_step_is_confined (run, step, &local);
  if (local != NULL)
    return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
  if (step->dependent && step->text != NULL)
    dkms_ui_line (run->ui, "Rebuilding %s/%s %s", step->id->module, step->id->version, step->text);
  else if (!run->request->force && dkms_root_is_dir (run->settings->root, base))
    dkms_ui_line (run->ui, "The build of %s/%s for %s (%s) is incomplete.", step->id->module, step->id->version,
                  step->id->kernel, step->id->arch);
  dkms_ui_line (run->ui, "Building %s/%s for %s (%s)", step->id->module, step->id->version, step->id->kernel,
                step->id->arch);
  if (now.active && run->request->goal == DKMS_GOAL_BUILT)
    dkms_ui_line (run->ui, "The installed copy is left alone; 'dkms install --force' replaces it.");
  (void)dkms_kernel_compression (facts.kernel, run->settings->root); /* found out once, for all workers */
  work->job = job_for (run, step, recipe, &work->outputs);
  work->work = dkms_work_new (run->settings, error);
  if (work->work == NULL)
    return FALSE;
  work->replaced = dkms_record_read (run->settings, step->id);
  work->job.work = work->work;
  work->job.confined = confined;
  work->job.replaced = work->replaced;
  work->job.signer = signer_for (run, step);
  work->job.symvers = dkms_world_symvers (run->world, step->id->kernel, step->id->arch);
  if (!run->request->force && !find_versions_seen (run, step, recipe, &work->job.seen, error))
    return FALSE;
  give_jobs (run, work);
  *result = g_steal_pointer (&work);
  return TRUE;
}

/* The end of a step: it has not done its work if it could not read what it went by. */
static gboolean
settle (gboolean ok, GError **error)
{
  if (ok)
    return dkms_unread_check (error);
  dkms_unread_drop (0);
  return FALSE;
}

gboolean
dkms_step_prepare_build (DkmsRun *run, const DkmsStep *step, DkmsBuildWork **work, GError **error)
{
  if (settle (prepare (run, step, work, FALSE, error), error))
    return TRUE;
  g_clear_pointer (work, dkms_build_work_free);
  return FALSE;
}

gboolean
dkms_build_work_do (gpointer data, DkmsUi *ui, GError **error)
{
  DkmsBuildWork *self = data;

  self->job.ui = ui;
  (void)setpriority (PRIO_PROCESS, 0, getpriority (PRIO_PROCESS, 0) + self->nice);
  return settle (dkms_build (&self->job, error), error);
}

void
dkms_build_work_free (DkmsBuildWork *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->outputs, g_ptr_array_unref);
  dkms_record_free (self->replaced);
  dkms_work_free (self->work);
  g_clear_pointer (&self->job.seen, g_hash_table_unref);
  g_free (self->make_flags);
  if (self->keep != NULL)
    g_array_unref (self->keep);
  g_free (self);
}

static gboolean
add_size (DkmsWalkEvent event, int dir_fd, const char *name, const struct stat *st, const char *path, gpointer data,
          GError **error)
{
  if (event == DKMS_WALK_FILE && S_ISREG (st->st_mode) && g_str_has_suffix (name, ".c"))
    *(goffset *)data += st->st_size;
  return TRUE;
}

double
dkms_step_estimate (DkmsRun *run, const DkmsStep *step)
{
  enum { BYTES_PER_SECOND = 60000, CONFIGURE_SECONDS = 60 };
  guint mark = dkms_unread_mark ();
  g_autoptr (DkmsState) state = dkms_state_read (run->settings, step->id->module, NULL, NULL);
  g_autofree char *source = dkms_layout_source (run->settings, step->id, NULL);
  g_auto (DkmsFd) fd = -1;
  goffset size = 0;
  double seconds = 0;

  for (guint i = 0; state != NULL && i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      for (guint b = 0; b < v->builds->len; b++)
        {
          const DkmsBuild *build = v->builds->pdata[b];
          const DkmsId id = dkms_build_id (v, build);
          g_autoptr (DkmsRecord) record = dkms_record_read (run->settings, &id);
          seconds = MAX (seconds, record != NULL ? record->seconds : 0);
        }
    }
  fd = seconds > 0 ? -1 : dkms_root_openat (run->settings->root, source, O_RDONLY | O_DIRECTORY, 0);
  if (fd >= 0 && dkms_walk_at (fd, ".", add_size, &size, NULL))
    /* A configure script is a single long job. */
    seconds = (double)size / BYTES_PER_SECOND
              + (dkms_is_file_at (fd, "configure") || dkms_is_file_at (fd, "configure.ac") ? CONFIGURE_SECONDS : 0);
  else if (seconds <= 0)
    seconds = 1;
  dkms_unread_drop (mark); /* it was a guess anyway */
  return seconds;
}

/* ---- install, uninstall, and the rest ---- */

/* The build that was to be installed was taken away by another run while we waited for it. */
static gboolean
build_again (DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_autoptr (DkmsBuildWork) work = NULL;

  return prepare (run, step, &work, TRUE, error) && (work == NULL || dkms_build_work_do (work, run->ui, error));
}

/* The script may have called dkms. */
static gboolean
look_after_script (const DkmsRun *run, const DkmsStep *step, Meanwhile *now, GError **error)
{
  meanwhile_clear (now);
  if (!look_again (run, step, now, error))
    return FALSE;
  return (now->added && now->built)
         || dkms_fail (error, DKMS_ERROR_BUILT_MISSING, NULL, "Correct that script.",
                       "PRE_INSTALL of %s/%s deleted the build that was to be installed", step->id->module,
                       step->id->version);
}

/* Whether this run made the build: then it was judged a moment ago. */
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

/* Whether the modules are those that the record was made for. */
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

/* A build of the reference, or from an archive, is judged before it is installed; of others the judgement is kept. */
static gboolean
judge_build (DkmsRun *run, const DkmsStep *step, const DkmsJob *job, GError **error)
{
  g_autofree char *base = dkms_job_base (job, NULL);
  g_autofree char *dir = g_build_filename (base, "module", NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (run->settings->root, base, O_RDONLY | O_DIRECTORY, 0);
  g_auto (DkmsFd) module_dir = dkms_root_openat (run->settings->root, dir, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (DkmsRecord) record = dkms_record_read (run->settings, step->id);
  g_autoptr (DkmsRecord) files = dkms_record_new ();
  const char *suffix = dkms_kernel_compression (job->kernel, run->settings->root);
  gboolean recorded = record != NULL && module_dir >= 0 && is_as_recorded (module_dir, record);

  if (was_built_now (run, step))
    return TRUE;
  if (recorded && record->checked)
    return dkms_loadable_recall (job, record, error);
  for (guint i = 0; i < job->outputs->len; i++)
    {
      const DkmsOutput *output = job->outputs->pdata[i];
      g_autofree char *file
          = output->excluded ? NULL : dkms_job_find (run->settings->root, dir, output->dest_name, suffix);
      if (file != NULL)
        (void)dkms_record_add (files, output->dest_name, output->dest_location, file);
    }
  if (!dkms_loadable_judge_record (job, dir, recorded ? record : files, error))
    {
      dkms_error_set_code (error != NULL ? *error : NULL, DKMS_ERROR_NOTHING_INSTALLED);
      return FALSE;
    }
  return !recorded || dkms_record_write (record, fd, run->work->fd, error);
}

/* After the change: what could not be read since does not make it undone, and depmod has to follow. */
static void
warn_unread (const DkmsRun *run, const char *what)
{
  g_autoptr (GError) unread = NULL;

  if (!dkms_unread_check (&unread))
    dkms_ui_warn (run->ui, "%s. %s", unread->message, what);
}

static gboolean
do_install (DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_autoptr (GPtrArray) outputs = NULL;
  g_auto (Meanwhile) now = { 0 };
  const DkmsRecipe *recipe;
  int status;

  if (!look_again (run, step, &now, error))
    return FALSE;
  if (now.active && step->kind == DKMS_STEP_INSTALL && !step->again)
    return TRUE;
  if (!now.added)
    return skip_removed (step, error);
  if (!now.built && !build_again (run, step, error))
    return FALSE;
  recipe = recipe_for (run, step, TRUE, error);
  if (recipe == NULL)
    return FALSE;
  DkmsJob job = job_for (run, step, recipe, &outputs);
  /* An upgrade by rpm installs with force; what it builds has to fit, as ever. */
  job.force |= run->request->rpm_safe_upgrade && run->request->goal == DKMS_GOAL_INSTALLED;
  dkms_job_apply_force_list (&job);
  if (now.active) /* what it replaces is its own */
    job.force_version_override = TRUE;
  if (!dkms_root_is_dir (run->settings->root, job.kernel->dir))
    return dkms_fail (error, DKMS_ERROR_NO_KERNEL, job.kernel->dir,
                      "Check the release with 'ls' there, or install that kernel.",
                      "The kernel directory %s does not exist", job.kernel->dir);
  job.symvers = dkms_world_symvers (run->world, step->id->kernel, step->id->arch);
  if (!judge_build (run, step, &job, error))
    return FALSE;
  status = dkms_script_run (&job, DKMS_SCRIPT_PRE_INSTALL);
  if (status != 0 && !job.force)
    return dkms_fail (error, DKMS_ERROR_PRE_INSTALL, NULL, "--force installs in spite of it.",
                      "PRE_INSTALL of %s/%s ended with exit status %d", step->id->module, step->id->version, status);
  if (*recipe->scripts[DKMS_SCRIPT_PRE_INSTALL] != '\0' && !look_after_script (run, step, &now, error))
    return FALSE;
  if (!dkms_install (&job, now.installed, error))
    return FALSE;
  dkms_weak_modules (&job, TRUE);
  (void)dkms_script_run (&job, DKMS_SCRIPT_POST_INSTALL);
  warn_unread (run, "The modules are installed all the same.");
  return TRUE;
}

/* Once per version. */
static void
tell_source_gone (DkmsRun *run, const DkmsStep *step)
{
  if (dkms_world_tell_once (run->world, step->id->module, step->id->version))
    dkms_ui_warn (run->ui, "The source of %s/%s is gone; its scripts are not run.", step->id->module,
                  step->id->version);
}

gboolean
dkms_step_is_doubtful (const DkmsRun *run, const DkmsStep *step)
{
  g_autoptr (DkmsRecord) record = NULL;

  if (step->kind != DKMS_STEP_BUILD && !dkms_step_installs (step))
    return FALSE;
  record = dkms_record_read (run->settings, step->id);
  return record != NULL && record->doubts->len > 0;
}

/* By what the modules of @step are taken away: what was installed is in the record; a build of the reference has none,
 * then its recipe is asked. Nor may that be there: its files in the tree say what to look for.
 *
 * @recorded: (out) (transfer full) (nullable): owns what is returned, if it is not the run's */
static const DkmsRecipe *
recipe_to_remove (DkmsRun *run, const DkmsStep *step, gboolean broken, DkmsRecipe **recorded, GError **error)
{
  *recorded = dkms_record_recipe (run->settings, step->id);
  if (*recorded == NULL && !broken)
    return recipe_for (run, step, FALSE, error);
  if (*recorded == NULL)
    *recorded = dkms_recipe_of_files (run->settings, step->id,
                                      dkms_world_kernel (run->world, step->id->kernel, step->id->arch).kernel);
  return *recorded;
}

static gboolean
do_uninstall (DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_autoptr (DkmsRecipe) recorded = NULL;
  g_autoptr (GPtrArray) outputs = NULL;
  const DkmsRecipe *recipe;
  g_auto (Meanwhile) now = { 0 };

  if (!look_again (run, step, &now, error))
    return FALSE;
  if (!now.active)
    return TRUE;
  recipe = recipe_to_remove (run, step, now.broken, &recorded, error);
  if (recipe == NULL)
    return FALSE;
  if (now.broken)
    tell_source_gone (run, step);
  if (!dkms_request_clears_kernel (run->request))
    dkms_ui_line (run->ui, "Uninstalling %s/%s from %s (%s)", step->id->module, step->id->version, step->id->kernel,
                  step->id->arch);
  DkmsJob job = job_for (run, step, recipe, &outputs);
  job.no_scripts = now.broken;
  job.lends_all = run->request->goal == DKMS_GOAL_GONE; /* it holds the lock of the module alone */
  dkms_weak_modules (&job, FALSE);
  if (!dkms_uninstall (&job, error))
    return FALSE;
  warn_unread (run, "The modules are uninstalled all the same.");
  return TRUE;
}

/* As if it were taken away first, but its files stay until they are replaced: a kernel is not left without its module
 * in between. */
static gboolean
do_reinstall (DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_autoptr (DkmsRecipe) recorded = NULL;
  g_autoptr (GPtrArray) outputs = NULL;
  const DkmsRecipe *recipe;
  g_auto (Meanwhile) now = { 0 };

  if (!look_again (run, step, &now, error))
    return FALSE;
  if (now.active)
    {
      recipe = recipe_to_remove (run, step, now.broken, &recorded, error);
      if (recipe == NULL)
        return FALSE;
      DkmsJob job = job_for (run, step, recipe, &outputs);
      job.no_scripts = now.broken;
      dkms_weak_modules (&job, FALSE);
      (void)dkms_script_run (&job, DKMS_SCRIPT_POST_REMOVE);
    }
  return do_install (run, step, error);
}

static gboolean
do_unbuild (DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_auto (Meanwhile) now = { 0 };

  if (!look_again (run, step, &now, error))
    return FALSE;
  if (now.built && now.active)
    {
      dkms_ui_warn (run->ui, "A script of %s/%s installed it again for %s (%s); it stays.", step->id->module,
                    step->id->version, step->id->kernel, step->id->arch);
      return TRUE;
    }
  if (dkms_request_clears_kernel (run->request))
    dkms_ui_note (run->ui, "Removing %s/%s for %s (%s)", step->id->module, step->id->version, step->id->kernel,
                  step->id->arch);
  else
    dkms_ui_line (run->ui, "Deleting the build of %s/%s for %s (%s)", step->id->module, step->id->version,
                  step->id->kernel, step->id->arch);
  return dkms_tree_drop_build (run->settings, run->ui, step->id, error);
}

static gboolean
do_unregister (DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_autofree char *source
      = g_strdup_printf ("%s/%s-%s", run->settings->source_tree, step->id->module, step->id->version);
  gboolean gone;

  g_autoptr (DkmsState) state = dkms_state_read (run->settings, step->id->module, step->id->version, error);
  const DkmsVersion *v = state != NULL ? dkms_state_find (state, step->id) : NULL;

  if (state == NULL)
    return FALSE;
  if (v == NULL)
    return TRUE; /* a script of it did that */
  if (v->broken)
    tell_source_gone (run, step);
  if (!dkms_tree_unregister (run->settings, run->ui, step->id, &gone, error))
    return FALSE;
  if (gone && dkms_root_is_dir (run->settings->root, source))
    dkms_ui_line (run->ui, "Removed %s/%s from the tree; its source stays in %s", step->id->module, step->id->version,
                  source);
  else if (gone)
    dkms_ui_line (run->ui, "Removed %s/%s from the tree.", step->id->module, step->id->version);
  return TRUE;
}

/* ---- archives, kernels ---- */

static gboolean
do_pack (const DkmsRun *run, const DkmsStep *step, GError **error)
{
  DkmsId id = { step->id->module, step->id->version, "", "" };
  const DkmsRequest *request = run->request;
  g_autoptr (GPtrArray) builds = g_ptr_array_new ();
  g_autoptr (DkmsState) state = dkms_state_read (run->settings, step->id->module, step->id->version, error);
  const DkmsVersion *version = state != NULL ? dkms_state_find (state, step->id) : NULL;

  if (state == NULL)
    return FALSE;
  if (run->facts->targets->len > 0)
    {
      const DkmsTarget *target = run->facts->targets->pdata[0];
      id.kernel = target->kernel;
      id.arch = target->arch;
    }
  if (dkms_world_valid_recipe (run->world, &id, FALSE, error) == NULL)
    return FALSE;
  for (guint i = 0; version != NULL && i < run->facts->targets->len; i++)
    {
      const DkmsTarget *target = run->facts->targets->pdata[i];
      DkmsBuild *build = dkms_version_find (version, target->kernel, target->arch);
      if (build != NULL)
        g_ptr_array_add (builds, build);
    }
  return dkms_tarball_make (run->settings, run->ui, step->id, request->archive,
                            request->source_only     ? DKMS_TARBALL_SOURCE_ONLY
                            : request->binaries_only ? DKMS_TARBALL_BINARIES_ONLY
                                                     : DKMS_TARBALL_ALL,
                            builds, error);
}

static gboolean
do_step (DkmsRun *run, const DkmsStep *step, GError **error)
{
  switch (step->kind)
    {
    case DKMS_STEP_ADD:
      return do_add (run, step, error);
    case DKMS_STEP_BUILD:
    case DKMS_STEP_DEPMOD:
      return TRUE; /* workers do these: run/schedule.c */
    case DKMS_STEP_INSTALL:
      return do_install (run, step, error);
    case DKMS_STEP_REINSTALL:
      return do_reinstall (run, step, error);
    case DKMS_STEP_UNINSTALL:
      return do_uninstall (run, step, error);
    case DKMS_STEP_UNBUILD:
      return do_unbuild (run, step, error);
    case DKMS_STEP_UNREGISTER:
      return do_unregister (run, step, error);
    case DKMS_STEP_LOAD:
      return (run->tarball->stub || check_may_import (run, error))
             && dkms_tarball_load (run->tarball, run->ui, step->id, error);
    case DKMS_STEP_PACK:
      return do_pack (run, step, error);
    case DKMS_STEP_CLEAN:
      return dkms_kernel_dir_clean (run->settings, step->id->kernel, error);
    default:
      dkms_ui_line (run->ui, "%s/%s for %s (%s): %s", step->id->module, step->id->version, step->id->kernel,
                    step->id->arch, step->text);
      return TRUE;
    }
}

gboolean
dkms_step_do (DkmsRun *run, const DkmsStep *step, GError **error)
{
  return settle (do_step (run, step, error), error);
}
