/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One build, from the work area to the last script. */
#define _GNU_SOURCE
#include "build/build.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/language.h"
#include "base/process.h"
#include "build/area.h"
#include "build/cached.h"
#include "build/environment.h"
#include "build/failure.h"
#include "build/log.h"
#include "build/result.h"
#include "build/take-over.h"
#include "conf/make-line.h"
#include "conf/recipe-place.h"
#include "conf/sandbox-session.h"
#include "conf/sandbox.h"
#include "install/job.h"
#include "install/script.h"
#include "store/attempts.h"
#include "store/layout.h"
#include "store/lock.h"
#include "store/transaction.h"

/* ---- the work area ---- */

/* Step 1: copies the source, and the administrator's patches over those of the package. In a sandbox the copy belongs
 * to the build user, who cannot write to files of other users. */
static gboolean
fill_area (DkmsWorkArea *area, GError **error)
{
  const DkmsJob *job = area->job;
  const DkmsRoot *root = job->settings->places.root;
  g_autofree char *parent = g_path_get_dirname (area->dir);
  g_autofree char *source = dkms_layout_source (&job->settings->places, &job->id, NULL);
  g_autofree char *patches = g_build_filename ("/etc/dkms", job->id.module, "patches", NULL);
  const DkmsOwner builder = { job->settings->policy.build_uid, job->settings->policy.build_gid };
  const DkmsOwner *owner = job->confined ? &builder : NULL;
  g_auto (DkmsFd) parent_fd = dkms_root_open_dir (root, parent, FALSE, error);
  g_auto (DkmsFd) source_fd = parent_fd >= 0 ? dkms_root_open_dir (root, source, FALSE, error) : -1;
  g_auto (DkmsFd) patches_fd = dkms_root_openat (root, patches, O_RDONLY | O_DIRECTORY, 0);

  if (source_fd < 0 || !dkms_remove_tree_at (parent_fd, "build", error))
    return FALSE;
  if (!dkms_copy_tree_as_at (source_fd, ".", parent_fd, "build", owner, error))
    {
      g_autofree char *from = dkms_root_resolved (root, source);
      g_autofree char *to = dkms_root_host_path (root, job->settings->places.dkms_tree);
      return dkms_copy_failed (error, from, to);
    }
  area->fd = openat (parent_fd, "build", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (area->fd < 0)
    return dkms_fail_errno (error, "open", area->dir);
  return patches_fd < 0 || dkms_copy_tree_as_at (patches_fd, ".", area->fd, "patches", owner, error);
}

static char **
build_env (const DkmsJob *job)
{
  static const char *const of_other_makes[] = { "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKE_TERMOUT", "MAKE_TERMERR" };
  char **env = job->env != NULL ? g_strdupv (job->env) : dkms_environment_of_caller (job);

  for (gsize i = 0; i < G_N_ELEMENTS (of_other_makes); i++)
    env = g_environ_unsetenv (env, of_other_makes[i]);
  if (job->make_flags != NULL && *job->make_flags != '\0')
    env = g_environ_setenv (env, "MAKEFLAGS", job->make_flags, TRUE);
  return env;
}

/* ---- the steps ---- */

static gboolean
patch_failed (DkmsWorkArea *area, int status, const char *patch, GError **error)
{
  return dkms_step_failed (
      area, &(DkmsStepFailure){ DKMS_ERROR_PATCH_FAILED, status, "PATCH", .who = "patch", .patch = patch }, error);
}

/* Fails because @patch, an element of PATCH, cannot be used. Users know the source, and not the copy of the build. */
static gboolean
patch_unusable (const DkmsJob *job, DkmsError kind, const char *patch, GError **error)
{
  const DkmsPlaces *places = &job->settings->places;
  const GPtrArray *all = job->recipe->patches;
  g_autofree char *link = dkms_layout_source (places, &job->id, NULL);
  g_autofree char *source = dkms_root_resolved (places->root, link);
  g_autofree char *missing = g_build_filename (source, "patches", patch, NULL);
  guint index = 0;

  while (index + 1 < all->len && ((const DkmsRecipeChoice *)all->pdata[index])->text != patch)
    index++;
  g_autofree char *place = dkms_recipe_place (places, job->recipe, &job->id, "PATCH", index);
  return dkms_fail_with (error, &(DkmsErrorInfo){ .kind = kind,
                                                  .id = job->id,
                                                  .path = job->recipe->path,
                                                  .place = place,
                                                  .name = missing,
                                                  .text = patch,
                                                  .step = "PATCH" });
}

static gboolean
apply_patches (DkmsWorkArea *area, GError **error)
{
  g_autoptr (GPtrArray) patches = dkms_recipe_patches (area->job->recipe);

  for (guint i = 0; i < patches->len; i++)
    {
      const char *patch = patches->pdata[i];
      g_autofree char *path = g_strconcat ("patches/", patch, NULL);
      g_autofree char *title = DKMS_SAY (STEP_PATCH, .name = patch);
      g_autofree char *quoted = NULL;
      g_autofree char *line = NULL;
      int status;

      if (strstr (path, "/../") != NULL)
        return patch_unusable (area->job, DKMS_ERROR_PATCH_LEADS_OUT, patch, error);
      if (!dkms_is_file_at (area->fd, path))
        return patch_unusable (area->job, DKMS_ERROR_PATCH_ABSENT, patch, error);
      quoted = strpbrk (path, " '\"$`\\&;()<>|*?[]#~\n") != NULL ? g_shell_quote (path) : g_strdup (path);
      line = g_strdup_printf ("patch -p1 < ./%s", quoted);
      status = dkms_area_step (area, title, line, error);
      if (status < 0)
        return FALSE;
      if (status != 0)
        return patch_failed (area, status, patch, error);
    }
  return TRUE;
}

static gboolean
script_failed (DkmsWorkArea *area, int status, const char *directive, const char *program, GError **error)
{
  g_autofree char *name = g_path_get_basename (program);

  return dkms_step_failed (
      area, &(DkmsStepFailure){ DKMS_ERROR_SCRIPT_FAILED, status, directive, .who = name, .script = program }, error);
}

static gboolean
run_script (DkmsWorkArea *area, DkmsScript script, GError **error)
{
  g_autofree char *name = g_ascii_strdown (dkms_script_directive (script), -1);
  g_autofree char *title = DKMS_SAY (STEP_SCRIPT, .name = name);
  g_autofree char *cwd = NULL;
  const char *rest = NULL;
  g_autofree char *program = dkms_script_find (area->job, script, area->dir, area->place, &cwd, &rest);
  g_autofree char *line = program != NULL ? g_strdup_printf ("cd %s/ && %s%s", cwd, program, rest) : NULL;
  int status = program != NULL ? dkms_area_step (area, title, line, error) : 0;

  if (status > 0)
    return script_failed (area, status, dkms_script_directive (script), program, error);
  return status == 0;
}

static gboolean
run_make (DkmsWorkArea *area, GError **error)
{
  const DkmsJob *job = area->job;
  gboolean llvm = dkms_kernel_is_llvm (job->kernel, job->settings->places.root, job->config);
  g_autofree char *make = dkms_recipe_make (job->recipe, job->kernel, area->tool_dir, llvm);
  g_autofree char *line = dkms_make_line_inject (make, job->make_jobs, job->kernel->release);
  g_autofree char *title = DKMS_SAY (STEP_BUILD, .name = NULL);
  int status;

  job->attempt->make = g_strdup (line);
  if (*make == '\'') /* a quoted 'make' opts out: dkms adds no jobs */
    area->env = g_environ_unsetenv (area->env, "MAKEFLAGS");
  status = dkms_area_step (area, title, line, error);
  if (status > 0)
    {
      const char *who = g_strstr_len (make, 5, "make") != NULL ? "make" : N_ ("the build command");
      return dkms_step_failed (area, &(DkmsStepFailure){ DKMS_ERROR_MAKE_FAILED, status, "MAKE", .who = who }, error);
    }
  return status == 0;
}

/* Strips debugging data from all modules that request it, in place and with one command. */
static void
strip (DkmsWorkArea *area)
{
  const char *cc = g_environ_getenv (area->env, "CC");
  g_autofree char *base = g_path_get_basename (cc != NULL ? cc : "");
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  int status;

  g_ptr_array_add (argv, g_strdup (g_str_has_prefix (base, "clang") ? "llvm-strip" : "strip"));
  g_ptr_array_add (argv, g_strdup ("-g"));
  for (guint i = 0; i < area->job->outputs->len; i++)
    {
      const DkmsOutput *output = area->job->outputs->pdata[i];
      if (output->excluded || !output->strip)
        continue;
      dkms_result_make_writable (area, output);
      g_ptr_array_add (argv, dkms_built_path (output));
    }
  if (argv->len == 2)
    return;
  g_ptr_array_add (argv, NULL);
  status = dkms_area_exec (area, (const char *const *)argv->pdata, -2, NULL, NULL, &error);
  if (status != 0)
    DKMS_EMIT (area->job->events, STRIP_FAILED, .id = area->job->id, .error = error);
}

/* Creates the copy of the result that POST_BUILD of a confined build sees. Its files are checked before they are taken.
 */
static gboolean
make_view (DkmsWorkArea *area, GError **error)
{
  const DkmsJob *job = area->job;
  g_autofree char *base = dkms_job_base (job, NULL);
  const DkmsSettings *settings = job->settings;

  area->post_build = *job->recipe->scripts[DKMS_SCRIPT_POST_BUILD] != '\0';
  if (!area->post_build || !job->confined)
    return TRUE;
  area->view = g_build_filename (job->work->path, "view", NULL);
  area->result_dir = dkms_root_tool_path (settings->places.root, base);
  if (mkdirat (job->work->fd, "view", 0755) < 0 || fchmodat (job->work->fd, "view", 0755, 0) < 0
      || (geteuid () == 0
          && fchownat (job->work->fd, "view", settings->policy.build_uid, settings->policy.build_gid, 0) < 0))
    return dkms_fail_errno (error, "create", area->view);
  return TRUE;
}

static gboolean
begin (DkmsWorkArea *area, GError **error)
{
  const DkmsJob *job = area->job;

  area->place = dkms_layout_version (&job->settings->places, &job->id, "build");
  area->dir = job->confined ? g_build_filename (job->work->path, "build", NULL) : g_strdup (area->place);
  area->tool_dir = dkms_root_tool_path (job->settings->places.root, area->place);
  if (!job->confined)
    {
      g_autofree char *name = g_strdup_printf ("locks/area/%s/%s", job->id.module, job->id.version);
      area->lock = dkms_lock_take (&job->settings->places, job->events, name, TRUE, error);
      if (area->lock == NULL)
        return FALSE;
    }
  if (!make_view (area, error) || !fill_area (area, error) || !dkms_area_prepare (area, error))
    return FALSE;
  area->env = build_env (job);
  area->suffix = dkms_area_suffix (job);
  return dkms_log_begin (area, error) && dkms_attempts_begin (job->attempt, job->work->fd, error);
}

static gboolean
check_complete (DkmsWorkArea *area, GError **error)
{
  if (dkms_result_check (area, error))
    return TRUE;
  dkms_failure_note (area, "not-made", error != NULL ? *error : NULL);
  return FALSE;
}

/* Runs POST_BUILD. Afterwards <m>/<v>/<k>/<a> is as before, whether the script succeeds or not. */
static gboolean
run_post_build (DkmsWorkArea *area, GError **error)
{
  gboolean ok;

  if (!area->post_build)
    return TRUE;
  if (!dkms_result_show (area, error))
    return FALSE;
  ok = run_script (area, DKMS_SCRIPT_POST_BUILD, error);
  return dkms_result_take (area, ok ? error : NULL) && ok;
}

gboolean
dkms_build (const DkmsJob *job, GError **error)
{
  g_auto (DkmsWorkArea) area = { .job = job, .fd = -1, .log_fd = -1, .result_fd = -1 };
  gint64 start = dkms_clock_now ();
  gboolean taken = FALSE;

  if (!dkms_take_over (job, &taken, error) || taken)
    return taken;
  if (!dkms_cached_take (job, &taken, error) || taken)
    return taken;
  gboolean ok = begin (&area, error) && apply_patches (&area, error) && run_script (&area, DKMS_SCRIPT_PRE_BUILD, error)
                && run_make (&area, error) && check_complete (&area, error);

  if (ok)
    {
      strip (&area);
      if (!area.post_build)
        dkms_sandbox_end (area.sandbox); /* while the result is signed */
      ok = dkms_result_collect (&area, error) && run_post_build (&area, error);
      dkms_sandbox_end (area.sandbox);
      ok = ok && dkms_result_publish (&area, start, error);
    }
  if (!ok)
    dkms_failure_end (&area, start, error != NULL ? *error : NULL);
  dkms_cached_store (&area, ok);
  return ok;
}
