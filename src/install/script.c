/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "install/job.h"

char **
dkms_job_env (const DkmsJob *job)
{
  char **env = g_get_environ ();

  for (guint i = 0; i < job->settings->directives->len; i++)
    {
      g_auto (GStrv) pair = g_strsplit (job->settings->directives->pdata[i], "=", 2);
      if (pair[0] != NULL && pair[1] != NULL && *pair[0] != '\0')
        env = g_environ_setenv (env, pair[0], pair[1], TRUE);
    }
  env = g_environ_setenv (env, "module", job->module, TRUE);
  env = g_environ_setenv (env, "module_version", job->version, TRUE);
  if (job->kernel != NULL)
    {
      env = g_environ_setenv (env, "kernelver", job->kernel->release, TRUE);
      env = g_environ_setenv (env, "arch", job->kernel->arch, TRUE);
    }
  return env;
}

char *
dkms_job_base (const DkmsJob *job, const char *below)
{
  return dkms_tree_path (job->settings, job->module, job->version, job->kernel->release, job->kernel->arch, below,
                         NULL);
}

char *
dkms_job_find (const DkmsRoot *root, const char *dir, const char *name, const char *suffix)
{
  const char *kinds[] = { "", suffix };

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *file = g_strconcat (name, ".ko", kinds[i], NULL);
      g_autofree char *path = g_build_filename (dir, file, NULL);
      if (dkms_root_is_file (root, path))
        return g_steal_pointer (&file);
    }
  return NULL;
}

double
dkms_job_seconds (gint64 start)
{
  return (double)(g_get_monotonic_time () - start) / G_USEC_PER_SEC;
}

static gboolean
is_executable (const DkmsRoot *root, const char *path)
{
  struct stat st;

  return dkms_root_stat (root, path, &st) == 0 && S_ISREG (st.st_mode) && (st.st_mode & 0111) != 0;
}

char *
dkms_script_find (const DkmsJob *job, const char *directive, const char *base, const char *seen_as, char **cwd,
                  const char **rest)
{
  const char *text = job->recipe != NULL ? dkms_recipe_get (job->recipe, directive, 0) : "";
  const DkmsRoot *root = job->settings->root;
  gsize n = strcspn (text, " \t\n");
  g_autofree char *program = g_strndup (text, n);
  g_autofree char *dir = g_build_filename ("/etc/dkms", job->module, NULL);
  g_autofree char *path = g_build_filename (dir, program, NULL);
  g_autofree char *found = NULL;

  if (n == 0)
    return NULL;
  if (!is_executable (root, path))
    {
      g_free (dir);
      dir = g_strdup (base);
      g_free (path);
      path = g_build_filename (dir, program, NULL);
    }
  if (!is_executable (root, path))
    {
      dkms_ui_line (job->ui, "%s", "");
      dkms_ui_warn (job->ui, "%s names the script %s, which is missing or not executable; going on without it.",
                    directive, path);
      return NULL;
    }
  if (seen_as != NULL && strcmp (dir, base) == 0)
    {
      g_free (dir);
      dir = g_strdup (seen_as);
    }
  *cwd = dkms_root_tool_path (root, dir);
  *rest = text + n;
  found = g_build_filename (dir, program, NULL);
  return dkms_root_tool_path (root, found);
}

int
dkms_script_run (const DkmsJob *job, const char *directive)
{
  g_autofree char *base = dkms_tree_path (job->settings, job->module, job->version, "source", NULL);
  g_autofree char *cwd = NULL;
  const char *rest = NULL;
  g_autofree char *program = dkms_script_find (job, directive, base, NULL, &cwd, &rest);
  g_auto (GStrv) env = dkms_job_env (job);
  g_autoptr (GError) error = NULL;
  int status;

  if (program == NULL)
    return 0;
  /* The arguments are split at blanks and globbed, quotes stay: that is what bash does with a bare $2. */
  const char *argv[] = { "/bin/bash", "-p", "-c", "exec \"$1\" $2", "dkms", program, rest, NULL };
  DkmsCommand command
      = { .argv = argv, .env = env, .root = job->settings->root, .cwd = cwd, .output_fd = -1, .null_stdin = TRUE };

  dkms_ui_line (job->ui, "Running the %s script:", directive);
  if (dkms_ui_give_way (job->ui))
    status = dkms_process_run (&command, &error);
  else
    {
      g_autofree char *said = dkms_process_capture (&command, NULL, &status, &error);
      if (said != NULL && *said != '\0')
        dkms_ui_line (job->ui, "%s", g_strchomp (said));
    }
  if (error != NULL)
    dkms_ui_warn (job->ui, "%s", error->message);
  return status;
}

void
dkms_job_apply_force_list (DkmsJob *job)
{
  static const char path[] = "/usr/share/dkms/modules_to_force_install";
  g_auto (DkmsFd) fd = dkms_root_openat (job->settings->root, path, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  g_autofree char *override = g_strconcat (job->module, "_version-override", NULL);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *text = dkms_read_at (fd, names->pdata[i], 1 << 20, NULL, NULL);
      g_auto (GStrv) words = g_strsplit_set (text != NULL ? text : "", " \t\r\n", -1);

      if (g_strv_contains ((const char *const *)words, job->module) && !job->force)
        {
          job->force = TRUE;
          dkms_ui_line (job->ui, "%s is installed with force, as %s/%s asks.", job->module, path,
                        (const char *)names->pdata[i]);
        }
      if (g_strv_contains ((const char *const *)words, override) && !job->force_version_override)
        {
          job->force_version_override = TRUE;
          dkms_ui_line (job->ui, "%s is installed whatever its version, as %s/%s asks.", job->module, path,
                        (const char *)names->pdata[i]);
        }
    }
}
