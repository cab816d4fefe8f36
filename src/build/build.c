/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "build/build.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"

static void
area_clear (DkmsWorkArea *self)
{
  g_free (self->dir);
  g_free (self->tool_dir);
  if (self->fd >= 0)
    (void)close (self->fd);
  if (self->log_fd >= 0)
    (void)close (self->log_fd);
  g_strfreev (self->env);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsWorkArea, area_clear)

/* ---- the work area ---- */

/* Step 1: a fresh copy of the source, with the admin's patches over the package's. */
static gboolean
fill_area (DkmsWorkArea *area, GError **error)
{
  const DkmsJob *job = area->job;
  const DkmsRoot *root = job->settings->root;
  g_autofree char *version_dir = dkms_tree_path (job->settings, job->module, job->version, NULL);
  g_autofree char *source = g_build_filename (version_dir, "source", NULL);
  g_autofree char *patches = g_build_filename ("/etc/dkms", job->module, "patches", NULL);
  g_auto (DkmsFd) version_fd = dkms_root_open_dir (root, version_dir, FALSE, error);
  g_auto (DkmsFd) source_fd = version_fd >= 0 ? dkms_root_open_dir (root, source, FALSE, error) : -1;
  g_auto (DkmsFd) patches_fd = dkms_root_openat (root, patches, O_RDONLY | O_DIRECTORY, 0);

  if (source_fd < 0 || !dkms_remove_tree_at (version_fd, "build", error)
      || !dkms_copy_tree_at (source_fd, ".", version_fd, "build", error))
    return FALSE;
  area->fd = openat (version_fd, "build", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (area->fd < 0)
    return dkms_fail_errno (error, "open", area->dir);
  return patches_fd < 0 || dkms_copy_tree_at (patches_fd, ".", area->fd, "patches", error);
}

/* What the admin's build_environment file exports, over @env (spec/framework-conf.md §2). */
static char **
add_build_environment (const DkmsJob *job, char **env)
{
  const DkmsRoot *root = job->settings->root;
  g_autofree char *path = g_strdup (job->settings->build_environment);
  const char *argv[]
      = { "/bin/bash", "-p", "-c", "exec 3>&1 >/dev/null 2>&1; . \"$1\"; exec env -0 >&3", "dkms", NULL, NULL };
  DkmsCommand command = { .argv = argv, .root = root, .null_stdin = TRUE };
  gsize size = 0;
  int status = 0;

  if (*path == '\0' || !dkms_root_is_file (root, path))
    return env;
  g_autofree char *tool_path = dkms_root_tool_path (root, path);
  argv[5] = tool_path;
  command.env = env;
  g_autofree char *text = dkms_process_capture (&command, &size, &status, NULL);
  if (text == NULL || status != 0)
    {
      dkms_ui_warn (job->ui, "Could not read the build environment %s; going on without it.", path);
      return env;
    }
  for (gsize at = 0; at < size; at += strlen (text + at) + 1)
    {
      g_auto (GStrv) pair = g_strsplit (text + at, "=", 2);
      if (pair[0] != NULL && pair[1] != NULL && strcmp (pair[0], "_") != 0)
        env = g_environ_setenv (env, pair[0], pair[1], TRUE);
    }
  return env;
}

static char **
build_env (const DkmsJob *job)
{
  return add_build_environment (
      job, dkms_kernel_compiler_env (job->kernel, job->settings->root, job->config, dkms_job_env (job)));
}

/* ---- failure ---- */

/* Keeps the log of a failed build per kernel: the next build of this version overwrites the work area. */
static void
keep_log (const DkmsWorkArea *area)
{
  const DkmsJob *job = area->job;
  g_autofree char *dir = dkms_tree_path (job->settings, ".dkms", "logs", job->module, job->version,
                                         job->kernel->release, job->kernel->arch, NULL);
  g_auto (DkmsFd) fd = dkms_root_open_dir (job->settings->root, dir, TRUE, NULL);

  if (fd < 0)
    return;
  (void)unlinkat (fd, "make.log", 0);
  if (!dkms_copy_file_at (area->fd, "make.log", fd, "make.log", 0644, FALSE, NULL))
    dkms_ui_warn (job->ui, "Could not keep a copy of make.log in %s.", dir);
}

/* Ubuntu's crash reporter takes note of failed builds. */
static void
tell_apport (const DkmsJob *job)
{
  static const char reporter[] = "/usr/share/apport/apport";
  const char *argv[] = { "python3", "/usr/share/apport/package-hooks/dkms_packages.py",
                         "-m",      job->module,
                         "-v",      job->version,
                         "-k",      job->kernel->release,
                         NULL };
  DkmsCommand command = { .argv = argv, .root = job->settings->root, .output_fd = -1, .null_stdin = TRUE };
  struct stat st;

  /* The one of the host has no business with a root that only holds data. */
  if (job->settings->root->has_shell && dkms_root_stat (job->settings->root, reporter, &st) == 0
      && (st.st_mode & 0111) != 0)
    dkms_process_try (&command);
}

static gboolean
step_failed (const DkmsWorkArea *area, DkmsError code, int status, const char *what, GError **error)
{
  const DkmsJob *job = area->job;
  g_autofree char *log = dkms_read_at (area->fd, "make.log", 64 << 20, NULL, NULL);
  g_autofree char *cause = log != NULL ? dkms_first_error (log) : NULL;
  g_autofree char *path = g_build_filename (area->dir, "make.log", NULL);
  g_autofree char *shown = dkms_root_host_path (job->settings->root, path);
  g_autofree char *advice = g_strdup_printf ("%s%s%sThe whole log: %s", cause != NULL ? "First error: " : "",
                                             cause != NULL ? cause : "", cause != NULL ? "\n" : "", shown);

  keep_log (area);
  if (code != DKMS_ERROR_SCRIPT)
    tell_apport (job);
  if (code == DKMS_ERROR_SCRIPT)
    return dkms_fail_script (error, status, shown, advice, "%s of %s/%s failed for kernel %s (exit status %d)", what,
                             job->module, job->version, job->kernel->release, status);
  return dkms_fail (error, code, shown, advice, "%s of %s/%s failed for kernel %s (exit status %d)", what, job->module,
                    job->version, job->kernel->release, status);
}

/* ---- the steps ---- */

static gboolean
apply_patches (DkmsWorkArea *area, GError **error)
{
  g_autoptr (GPtrArray) patches = dkms_recipe_patches (area->job->recipe, area->job->kernel->release);

  for (guint i = 0; i < patches->len; i++)
    {
      const char *patch = patches->pdata[i];
      g_autofree char *path = g_strconcat ("patches/", patch, NULL);
      g_autofree char *title = g_strdup_printf ("Applying patch %s", patch);
      g_autofree char *quoted = NULL;
      g_autofree char *line = NULL;
      int status;

      if (strstr (path, "/../") != NULL)
        return dkms_fail (error, DKMS_ERROR_PATCH_NAME, area->job->recipe->path, "Correct PATCH in that file.",
                          "The patch %s leads out of the patches directory", patch);
      if (!dkms_is_file_at (area->fd, path))
        return dkms_fail (error, DKMS_ERROR_PATCH_NAME, area->job->recipe->path,
                          "Correct PATCH in that file, or add the patch.", "The patch %s/%s does not exist", area->dir,
                          path);
      quoted = strpbrk (path, " '\"$`\\&;()<>|*?[]#~\n") != NULL ? g_shell_quote (path) : g_strdup (path);
      line = g_strdup_printf ("patch -p1 < ./%s", quoted);
      status = dkms_log_step (area, title, line, error);
      if (status < 0)
        return FALSE;
      if (status != 0)
        return step_failed (area, DKMS_ERROR_PATCH_FAILED, status, title, error);
    }
  return TRUE;
}

static gboolean
run_script (DkmsWorkArea *area, const char *directive, const char *title, GError **error)
{
  g_autofree char *cwd = NULL;
  const char *rest = NULL;
  g_autofree char *program = dkms_script_find (area->job, directive, area->dir, &cwd, &rest);
  g_autofree char *line = program != NULL ? g_strdup_printf ("cd %s/ && %s%s", cwd, program, rest) : NULL;
  int status = program != NULL ? dkms_log_step (area, title, line, error) : 0;

  if (status > 0)
    return step_failed (area, DKMS_ERROR_SCRIPT, status, directive, error);
  return status == 0;
}

static gboolean
run_make (DkmsWorkArea *area, double *seconds, GError **error)
{
  const DkmsJob *job = area->job;
  gboolean llvm = dkms_kernel_is_llvm (job->kernel, job->settings->root, job->config);
  g_autofree char *make = dkms_recipe_make (job->recipe, job->kernel, area->tool_dir, llvm);
  g_autofree char *line = dkms_recipe_inject (make, job->settings->jobs, job->kernel->release);
  gint64 start = g_get_monotonic_time ();
  int status = dkms_log_step (area, "Building module(s)", line, error);

  *seconds = dkms_job_seconds (start);
  if (status > 0)
    return step_failed (area, DKMS_ERROR_MAKE_FAILED, status, "Building", error);
  return status == 0;
}

/* ---- the result ---- */

static char *
built_path (const DkmsOutput *output)
{
  return g_strconcat (output->built_location, output->built_name, ".ko", NULL);
}

static gboolean
check_complete (const DkmsWorkArea *area, GError **error)
{
  for (guint i = 0; i < area->job->outputs->len; i++)
    {
      const DkmsOutput *output = area->job->outputs->pdata[i];
      g_autofree char *path = built_path (output);

      if (!output->excluded && !dkms_is_file_at (area->fd, path))
        {
          keep_log (area);
          tell_apport (area->job);
          return dkms_fail (error, DKMS_ERROR_INCOMPLETE, path,
                            "Compare BUILT_MODULE_NAME and BUILT_MODULE_LOCATION in dkms.conf with what make made.",
                            "make succeeded, but %s/%s was not built; make.log is in the same directory", area->dir,
                            path);
        }
    }
  return TRUE;
}

static void
strip (const DkmsWorkArea *area, const char *path)
{
  const char *cc = g_environ_getenv (area->env, "CC");
  g_autofree char *base = g_path_get_basename (cc != NULL ? cc : "");
  const char *argv[] = { g_str_has_prefix (base, "clang") ? "llvm-strip" : "strip", "-g", path, NULL };
  DkmsCommand command = { .argv = argv,
                          .env = area->env,
                          .root = area->job->settings->root,
                          .cwd = area->tool_dir,
                          .output_fd = -2,
                          .null_stdin = TRUE };
  g_autoptr (GError) error = NULL;
  int status = dkms_process_run (&command, &error);

  if (status != 0)
    dkms_ui_warn (area->job->ui, "Could not strip %s (%s); it keeps its debugging data.", path,
                  error != NULL ? error->message : "strip failed");
}

/* Strip, compress and copy one module into the result. */
static gboolean
collect (const DkmsWorkArea *area, int result, const DkmsOutput *output, DkmsRecord *record, GError **error)
{
  g_autofree char *path = built_path (output);
  g_autofree char *packed = g_strconcat (path, area->suffix, NULL);
  g_autofree char *full = g_build_filename (area->dir, path, NULL);
  g_autofree char *file = NULL;
  g_autofree char *target = NULL;
  gboolean compressed;
  struct stat st;

  if (output->strip)
    strip (area, path);
  if (area->job->signer != NULL && area->job->signer->ready)
    dkms_signer_sign (area->job->signer, area->job->settings, area->job->ui, full);
  if (*area->suffix != '\0')
    dkms_compress (area->job, full, area->suffix);
  compressed = *area->suffix != '\0' && dkms_is_file_at (area->fd, packed);
  file = g_strconcat (output->dest_name, ".ko", compressed ? area->suffix : "", NULL);
  target = g_build_filename ("module", file, NULL);
  if (!dkms_copy_file_at (area->fd, compressed ? packed : path, result, target, 0644, TRUE, error))
    return FALSE;

  DkmsRecordModule *module = dkms_record_add (record, output->dest_name, output->dest_location, file);
  module->sha256 = dkms_sha256_at (result, target, error);
  if (module->sha256 == NULL)
    return FALSE;
  if (fstatat (result, target, &st, 0) < 0)
    return dkms_fail_errno (error, "look at", target);
  module->built_sig = dkms_stat_signature (&st);
  const DkmsRecordModule *old = dkms_record_find (area->job->replaced, output->dest_name);
  module->owned_sig = old != NULL ? g_strdup (old->owned_sig) : NULL;
  return TRUE;
}

/* .dep_<name>, a line with the version (spec/dkms-conf.md §10). */
static gboolean
record_seen (const DkmsJob *job, int result, GError **error)
{
  GHashTableIter iter;
  gpointer name, version;

  if (job->seen == NULL)
    return TRUE;
  g_hash_table_iter_init (&iter, job->seen);
  while (g_hash_table_iter_next (&iter, &name, &version))
    {
      g_autofree char *file = g_strconcat (".dep_", name, NULL);
      g_autofree char *text = g_strconcat (version, "\n", NULL);
      if (!dkms_publish_at (result, file, text, strlen (text), 0644, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
fill_result (DkmsWorkArea *area, int result, double seconds, GError **error)
{
  g_autoptr (DkmsRecord) record = dkms_record_new ();
  g_auto (DkmsFd) modules = -1;

  record->seconds = seconds;
  if (mkdirat (result, "log", 0755) < 0 || mkdirat (result, "module", 0755) < 0)
    return dkms_fail_errno (error, "create", "the result directory");
  if (dkms_is_file_at (area->fd, "Module.symvers")
      && !dkms_copy_file_at (area->fd, "Module.symvers", result, "module/Module.symvers", 0644, FALSE, error))
    return FALSE;
  for (guint i = 0; i < area->job->outputs->len; i++)
    {
      const DkmsOutput *output = area->job->outputs->pdata[i];
      if (!output->excluded && !collect (area, result, output, record, error))
        return FALSE;
    }
  modules = openat (result, "module", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (modules < 0 || fsync (modules) < 0)
    return dkms_fail_errno (error, "flush", "the result directory");
  return record_seen (area->job, result, error) && dkms_record_write_recipe (area->job->recipe, result, error)
         && dkms_record_write (record, result, error);
}

/* Builds the result beside its place and renames it there; POST_BUILD runs before it becomes visible. */
static gboolean
publish (DkmsWorkArea *area, double seconds, GError **error)
{
  const DkmsJob *job = area->job;
  g_autofree char *dir = dkms_tree_path (job->settings, job->module, job->version, job->kernel->release, NULL);
  g_autofree char *name = g_strdup_printf (".tmp_%s_%06x", job->kernel->arch, g_random_int () & 0xffffff);
  g_auto (DkmsFd) fd = dkms_root_open_dir (job->settings->root, dir, TRUE, error);
  g_auto (DkmsFd) result = -1;

  if (fd < 0)
    return FALSE;
  if (mkdirat (fd, name, 0700) < 0 || (result = openat (fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
    {
      dkms_fail_errno (error, "create", dir);
      (void)unlinkat (fd, name, AT_REMOVEDIR);
      return FALSE;
    }
  if (!fill_result (area, result, seconds, error)
      || !run_script (area, "POST_BUILD", "Running the post_build script", error)
      || !dkms_copy_file_at (area->fd, "make.log", result, "log/make.log", 0644, FALSE, error))
    goto undo;
  if (fchmod (result, 0755) < 0 || fsync (result) < 0 || renameat (fd, name, fd, job->kernel->arch) < 0
      || fsync (fd) < 0)
    {
      dkms_fail_errno (error, "publish the build in", dir);
      dkms_error_set_code (error != NULL ? *error : NULL, DKMS_ERROR_INCOMPLETE);
      goto undo;
    }
  return TRUE;

undo:
  dkms_discard_tree_at (fd, name);
  g_auto (DkmsFd) version_fd = openat (fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (version_fd >= 0)
    (void)unlinkat (version_fd, job->kernel->release, AT_REMOVEDIR);
  return FALSE;
}

gboolean
dkms_build (const DkmsJob *job, GError **error)
{
  g_auto (DkmsWorkArea) area = { .job = job, .fd = -1, .log_fd = -1 };
  g_autofree char *version_dir = dkms_tree_path (job->settings, job->module, job->version, NULL);
  g_auto (DkmsFd) version_fd = -1;
  double seconds = 0;

  area.dir = g_build_filename (version_dir, "build", NULL);
  area.tool_dir = dkms_root_tool_path (job->settings->root, area.dir);
  area.env = build_env (job);
  area.suffix = dkms_kernel_compression (job->kernel, job->settings->root);
  if (!fill_area (&area, error) || !dkms_log_begin (&area, error) || !apply_patches (&area, error)
      || !run_script (&area, "PRE_BUILD", "Running the pre_build script", error) || !run_make (&area, &seconds, error)
      || !check_complete (&area, error) || !publish (&area, seconds, error))
    return FALSE;
  version_fd = dkms_root_open_dir (job->settings->root, version_dir, FALSE, error);
  return version_fd >= 0 && dkms_remove_tree_at (version_fd, "build", error);
}
