/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values that depend on a job: its environment, paths and flags. */
#define _GNU_SOURCE
#include "install/job.h"

#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "store/layout.h"

char **
dkms_job_env (const DkmsJob *job, char **env)
{
  for (guint i = 0; i < job->request->directives->len; i++)
    {
      g_auto (GStrv) pair = g_strsplit (job->request->directives->pdata[i], "=", 2);
      if (pair[0] != NULL && pair[1] != NULL && *pair[0] != '\0')
        env = g_environ_setenv (env, pair[0], pair[1], TRUE);
    }
  env = g_environ_setenv (env, "module", job->id.module, TRUE);
  env = g_environ_setenv (env, "module_version", job->id.version, TRUE);
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
  return dkms_layout_build (&job->settings->places, &job->id, below);
}

char *
dkms_job_find (const DkmsRoot *root, const char *dir, const char *name)
{
  for (const char *const *suffix = dkms_module_suffixes; *suffix != NULL; suffix++)
    {
      g_autofree char *file = g_strconcat (name, ".ko", *suffix, NULL);
      g_autofree char *path = g_build_filename (dir, file, NULL);
      if (dkms_root_is_file (root, path))
        return g_steal_pointer (&file);
    }
  return NULL;
}

void
dkms_job_apply_force_list (DkmsJob *job)
{
  static const char path[] = "/usr/share/dkms/modules_to_force_install";
  g_auto (DkmsFd) fd = dkms_root_openat (job->settings->places.root, path, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  g_autofree char *override = g_strconcat (job->id.module, "_version-override", NULL);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *text = dkms_read_at (fd, names->pdata[i], 1 << 20, NULL, NULL);
      g_auto (GStrv) words = g_strsplit_set (text != NULL ? text : "", " \t\r\n", -1);
      g_autofree char *list = g_build_filename (path, names->pdata[i], NULL);

      if (g_strv_contains ((const char *const *)words, job->id.module) && !job->force)
        {
          job->force = TRUE;
          DKMS_EMIT (job->events, FORCED_BY_LIST, .id = job->id, .path = list);
        }
      if (g_strv_contains ((const char *const *)words, override) && !job->force_version_override)
        {
          job->force_version_override = TRUE;
          DKMS_EMIT (job->events, VERSION_FORCED_BY_LIST, .id = job->id, .path = list);
        }
    }
}
