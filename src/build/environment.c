/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the environment of builds: from that of the caller, or a defined one. */
#include "build/environment.h"

#include <string.h>

#include "base/process.h"
#include "conf/sandbox.h"

/* Adds the variables that the administrator's build_environment file exports to @env (docs/interface/framework-conf.md
 * §2). */
static char **
add_build_environment (const DkmsJob *job, char **env)
{
  const DkmsRoot *root = job->settings->places.root;
  g_autofree char *path = g_strdup (job->settings->policy.build_environment);
  const char *argv[] = { "/bin/bash", "-p", "-c", "exec 3>&1 >&0 2>&0; . \"$1\"; exec env -0 >&3", "dkms", NULL, NULL };
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
      DKMS_EMIT (job->events, ENVIRONMENT_UNREADABLE, .path = path);
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

/* Adds what the kernel and the administrator say to @env. */
static char **
complete (const DkmsJob *job, char **env)
{
  const DkmsRoot *root = job->settings->places.root;

  env = dkms_kernel_compiler_env (job->kernel, root, job->config, env);
  env = add_build_environment (job, env);
  return job->confined ? dkms_sandbox_env (root, env) : env;
}

char **
dkms_environment_of_caller (const DkmsJob *job)
{
  return complete (job, dkms_process_speak_english (dkms_job_env (job, g_get_environ ())));
}

char **
dkms_environment_defined (const DkmsJob *job)
{
  static const char *const defined[][2] = { { "PATH", DKMS_DEFINED_PATH },
                                            { "LC_ALL", "C" },
                                            { "TZ", "UTC" },
                                            { "SOURCE_DATE_EPOCH", "1577836800" },
                                            { "KBUILD_BUILD_TIMESTAMP", "2020-01-01" },
                                            { "KBUILD_BUILD_USER", "dkms" },
                                            { "KBUILD_BUILD_HOST", "dkms" } };
  g_auto (GStrv) names = g_strsplit_set (job->settings->policy.cache_environment, " \t", -1);
  char **env = g_new0 (char *, 1);

  for (gsize i = 0; i < G_N_ELEMENTS (defined); i++)
    env = g_environ_setenv (env, defined[i][0], defined[i][1], TRUE);
  for (char **name = names; *name != NULL; name++)
    if (**name != '\0' && g_getenv (*name) != NULL)
      env = g_environ_setenv (env, *name, g_getenv (*name), TRUE);
  return complete (job, dkms_job_env (job, env));
}

char **
dkms_environment_add_flags (char **env, const char *flags)
{
  static const char *const names[] = { "KCFLAGS", "KAFLAGS" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *before = g_environ_getenv (env, names[i]);
      g_autofree char *all = before != NULL && *before != '\0' ? g_strconcat (before, " ", flags, NULL) : NULL;
      env = g_environ_setenv (env, names[i], all != NULL ? all : flags, TRUE);
    }
  return env;
}
