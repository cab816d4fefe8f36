/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks the values of options and settings before any work is done. */
#define _GNU_SOURCE
#include "cli/check.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/near.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "conf/settings-check.h"
#include "kernel/kernel.h"

enum { MOST_JOBS = 9999 };

/* ---- numbers and names ---- */

/* -j is checked wherever it is given; the setting only where it is used, so that a bad one does not keep anybody from
 * looking at the tree. */
static gboolean
check_jobs (DkmsSettings *settings, const DkmsOptions *options, const DkmsVerbInfo *verb, GError **error)
{
  const char *advice = "Give a number from 0 to 9999; 0 means no limit.";
  guint64 number;

  if (options->jobs == NULL && (!verb->builds || *settings->policy.jobs == '\0'))
    return TRUE;
  if (!g_ascii_string_to_unsigned (options->jobs != NULL ? options->jobs : settings->policy.jobs, 10, 0, MOST_JOBS,
                                   &number, NULL))
    return options->jobs != NULL
               ? dkms_fail (error, DKMS_ERROR_USAGE, NULL, advice, "-j %s is not a number of jobs", options->jobs)
               : dkms_settings_fail (
                   &settings->places, DKMS_ERROR_USAGE,
                   &(DkmsWrongSetting){ "parallel_jobs", settings->policy.jobs, "is not a number of jobs", advice },
                   error);
  g_free (settings->policy.jobs);
  settings->policy.jobs = number > 0 ? g_strdup_printf ("%" G_GUINT64_FORMAT, number) : g_strdup ("");
  return TRUE;
}

/* NAME=value or NAME[i]=value. */
static gboolean
check_directive (const char *directive, GError **error)
{
  gsize n = strspn (directive, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
  const char *after = directive + n;

  if (*after == '[')
    {
      after += 1 + strspn (after + 1, "0123456789");
      after = *after == ']' && after[-1] != '[' ? after + 1 : "";
    }
  if (n > 0 && !g_ascii_isdigit (*directive) && *after == '=')
    return TRUE;
  return dkms_fail (error, DKMS_ERROR_USAGE, NULL, "Write NAME=value, as in: --directive MAKE=\"make all\"",
                    "--directive %s does not assign a value", directive);
}

/* ---- files ---- */

/* A file of the host. */
static gboolean
check_conf_file (const DkmsOptions *options, GError **error)
{
  if (access (options->conf_file, F_OK) == 0 && !dkms_is_file_at (AT_FDCWD, options->conf_file))
    return dkms_fail (error, DKMS_ERROR_NO_CONF, options->conf_file, "Name a dkms.conf.", "-c %s is not a regular file",
                      options->conf_file);
  if (access (options->conf_file, R_OK) == 0)
    return TRUE;
  return dkms_fail (error, DKMS_ERROR_NO_CONF, options->conf_file, "Correct the path after -c.", "Cannot read %s: %s",
                    options->conf_file, g_strerror (errno));
}

static gboolean
check_kernel_files (const DkmsPlaces *places, const DkmsOptions *options, const DkmsVerbInfo *verb, GError **error)
{
  if (options->config != NULL && (verb->options & DKMS_TAKES (HEADERS)) != 0)
    {
      g_autofree char *named = dkms_root_tool_path (places->root, options->config);
      g_autofree char *path = dkms_kernel_openable (places->root, named);

      if (dkms_is_dir_at (AT_FDCWD, path))
        return dkms_fail (error, DKMS_ERROR_USAGE, path, "Name a kernel configuration, such as /boot/config-<kernel>.",
                          "--config %s is a directory", path);
      if (access (path, R_OK) < 0)
        return dkms_fail (error, DKMS_ERROR_USAGE, path, "Correct the path after --config.", "Cannot read %s: %s", path,
                          g_strerror (errno));
    }
  if (options->kernelsourcedir != NULL && verb->builds)
    {
      g_autofree char *named = dkms_root_tool_path (places->root, options->kernelsourcedir);
      g_autofree char *path = dkms_kernel_openable (places->root, named);

      if (!dkms_is_dir_at (AT_FDCWD, path))
        return dkms_fail (error, DKMS_ERROR_NO_HEADERS, path, "Correct the path after --kernelsourcedir.",
                          "The directory %s does not exist", path);
    }
  return TRUE;
}

/* A tree that is named and does not exist is a mistake, unless a source is put into it: then it is made in a directory
 * that exists. */
static gboolean
check_tree (const DkmsPlaces *places, const DkmsOptions *options, const DkmsVerbInfo *verb, DkmsListener *events,
            GError **error)
{
  g_autofree char *shown = dkms_root_host_path (places->root, places->dkms_tree);
  g_autofree char *parent = g_path_get_dirname (places->dkms_tree);
  struct stat st;

  if (options->dkmstree == NULL || dkms_root_stat (places->root, places->dkms_tree, &st) == 0 || errno != ENOENT)
    return TRUE;
  if (verb->filters)
    DKMS_EMIT (events, TREE_ABSENT, .path = shown);
  if (verb->no_tree == 0
      || (verb->adds && (options->source != NULL || options->archive != NULL)
          && dkms_root_is_dir (places->root, parent)))
    return TRUE;
  return dkms_fail (error, verb->no_tree, shown,
                    verb->adds ? "Correct the path after --dkmstree, or create that directory for a new tree."
                               : "Correct the path after --dkmstree.",
                    "The tree %s does not exist", shown);
}

/* Where archives are unpacked. */
static gboolean
check_tmp_location (const DkmsPlaces *places, const DkmsOptions *options, const DkmsVerbInfo *verb, GError **error)
{
  g_autofree char *shown = dkms_root_host_path (places->root, places->tmp_location);
  g_autofree char *place = NULL;

  if (options->archive == NULL || !verb->adds || dkms_root_is_dir (places->root, places->tmp_location)
      || strcmp (places->tmp_location, "/tmp") == 0)
    return TRUE;
  place = dkms_settings_place (places, "tmp_location");
  if (place != NULL)
    return dkms_settings_fail (places, DKMS_ERROR_USAGE,
                               &(DkmsWrongSetting){ "tmp_location", places->tmp_location, "is not a directory",
                                                    "Correct it, or create that directory." },
                               error);
  return dkms_fail (error, DKMS_ERROR_USAGE, shown, "Correct it, or create that directory.",
                    "TMPDIR=%s in the environment is not a directory", shown);
}

/* ---- remarks: what has no effect, and stops nobody ---- */

void
dkms_settings_warn_once (const DkmsPlaces *places, DkmsListener *events)
{
  static const char told[] = "DKMS_SETTINGS_CHECKED";
  g_autoptr (GPtrArray) unknown = NULL;

  if (g_getenv (told) != NULL)
    return;
  unknown = dkms_settings_unknown (places);
  for (guint i = 0; i < unknown->len; i++)
    dkms_listener_hear (events, unknown->pdata[i]);
  (void)g_setenv (told, "1", TRUE);
}

static void
warn_of_settings (const DkmsSettings *settings, const DkmsVerbInfo *verb, DkmsListener *events)
{
  g_autoptr (DkmsEvent) command
      = dkms_settings_bad_command (&settings->places, "post_transaction", settings->policy.post_transaction);

  dkms_settings_warn_once (&settings->places, events);
  if (command != NULL && !verb->adds)
    dkms_listener_hear (events, command);
  if (verb->builds && *settings->policy.build_environment == '/'
      && strchr (settings->policy.build_environment, '$') == NULL
      && !dkms_root_is_file (settings->places.root, settings->policy.build_environment))
    {
      g_autofree char *place = dkms_settings_place (&settings->places, "build_environment");
      DKMS_EMIT (events, ENVIRONMENT_ABSENT, .path = place != NULL ? place : "framework.conf",
                 .text = settings->policy.build_environment);
    }
}

static void
warn_of_kernels (const DkmsPlaces *places, const DkmsOptions *options, DkmsListener *events)
{
  for (guint i = 0; i < options->kernels->len; i++)
    {
      const DkmsId *target = options->kernels->pdata[i];
      g_autofree char *dir = g_build_filename (places->install_tree, target->kernel, NULL);
      g_autofree char *shown = dkms_root_host_path (places->root, dir);

      if (dkms_root_is_dir (places->root, dir))
        continue;
      g_autoptr (GPtrArray) names = dkms_kernel_list (places->root, places->install_tree, FALSE);
      DKMS_EMIT (events, KERNEL_ABSENT, .id = { .kernel = target->kernel }, .path = shown,
                 .text = dkms_nearest_in (target->kernel, names));
    }
}

gboolean
dkms_options_check (const DkmsOptions *options, DkmsSettings *settings, const DkmsVerbInfo *verb, DkmsListener *events,
                    GError **error)
{
  for (guint i = 0; i < options->directives->len; i++)
    if (!check_directive (options->directives->pdata[i], error))
      return FALSE;
  if (!check_jobs (settings, options, verb, error)
      || (options->conf_file != NULL && (verb->options & DKMS_TAKES (CONF)) != 0 && !check_conf_file (options, error))
      || !check_kernel_files (&settings->places, options, verb, error)
      || !check_tree (&settings->places, options, verb, events, error)
      || !check_tmp_location (&settings->places, options, verb, error))
    return FALSE;
  return TRUE;
}

void
dkms_options_warn (const DkmsOptions *options, const DkmsSettings *settings, const DkmsVerbInfo *verb,
                   DkmsListener *events)
{
  if (!verb->filters)
    warn_of_settings (settings, verb, events);
  if ((verb->options & DKMS_TAKES (ALL_KERNELS)) != 0)
    warn_of_kernels (&settings->places, options, events);
}
