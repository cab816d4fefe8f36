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
#include "base/language.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "conf/recipe.h"
#include "conf/settings-check.h"
#include "kernel/kernel.h"
#include "world/facts.h"

enum { MOST_JOBS = 9999 };

/* ---- numbers and names ---- */

/* -j is always checked. The setting is checked only if it is used, so that an invalid one does not prevent queries
 * about the tree. */
static gboolean
check_jobs (DkmsSettings *settings, const DkmsOptions *options, const DkmsVerbInfo *verb, GError **error)
{
  guint64 number;

  if (options->jobs == NULL && (!verb->builds || *settings->policy.jobs == '\0'))
    return TRUE;
  if (!g_ascii_string_to_unsigned (options->jobs != NULL ? options->jobs : settings->policy.jobs, 10, 0, MOST_JOBS,
                                   &number, NULL))
    return options->jobs != NULL ? DKMS_FAIL (error, BAD_JOBS, .text = options->jobs)
                                 : dkms_settings_fail (&settings->places,
                                                       &(DkmsErrorInfo){ .kind = DKMS_ERROR_SETTING_NOT_JOBS,
                                                                         .name = "parallel_jobs",
                                                                         .text = settings->policy.jobs },
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
  return DKMS_FAIL (error, BAD_DIRECTIVE, .text = directive);
}

static void
warn_of_directive (const char *directive, DkmsListener *events)
{
  g_autofree char *name = g_strndup (directive, strcspn (directive, "[="));
  const char *near = dkms_directive_near (name);

  if (near != NULL)
    DKMS_EMIT (events, DIRECTIVE_UNKNOWN, .place = "--directive", .name = name, .text = near);
}

/* ---- files ---- */

/* A file of the host. */
static gboolean
check_conf_file (const DkmsOptions *options, GError **error)
{
  if (access (options->conf_file, F_OK) == 0 && !dkms_is_file_at (AT_FDCWD, options->conf_file))
    return DKMS_FAIL (error, CONF_NOT_A_FILE, .path = options->conf_file);
  if (access (options->conf_file, R_OK) == 0)
    return TRUE;
  return DKMS_FAIL (error, CONF_UNREADABLE, .path = options->conf_file, .number = errno);
}

static gboolean
check_kernel_files (const DkmsPlaces *places, const DkmsOptions *options, const DkmsVerbInfo *verb, GError **error)
{
  if (options->config != NULL && (verb->options & DKMS_TAKES (HEADERS)) != 0)
    {
      g_autofree char *named = dkms_root_tool_path (places->root, options->config);
      g_autofree char *path = dkms_kernel_openable (places->root, named);

      if (dkms_is_dir_at (AT_FDCWD, path))
        return DKMS_FAIL (error, CONFIG_IS_DIRECTORY, .path = path);
      if (access (path, R_OK) < 0)
        return DKMS_FAIL (error, CONFIG_UNREADABLE, .path = path, .number = errno);
    }
  if (options->kernelsourcedir != NULL && verb->builds)
    {
      g_autofree char *named = dkms_root_tool_path (places->root, options->kernelsourcedir);
      g_autofree char *path = dkms_kernel_openable (places->root, named);

      if (!dkms_is_dir_at (AT_FDCWD, path))
        return DKMS_FAIL (error, KERNEL_SOURCE_ABSENT, .path = path);
    }
  return TRUE;
}

/* A tree that is named but does not exist is an error, unless a source is added to it: then it is created in an
 * existing directory. */
static gboolean
check_tree (const DkmsPlaces *places, const DkmsOptions *options, const DkmsVerbInfo *verb, DkmsListener *events,
            GError **error)
{
  g_autofree char *shown = dkms_root_host_path (places->root, places->dkms_tree);
  g_autofree char *parent = g_path_get_dirname (places->dkms_tree);
  struct stat st;

  if (options->dkmstree == NULL || dkms_root_stat (places->root, places->dkms_tree, &st) == 0 || errno != ENOENT)
    return TRUE;
  if (verb->filters && !verb->needs_tree)
    DKMS_EMIT (events, TREE_ABSENT, .path = shown);
  if (!verb->needs_tree
      || (verb->adds && (options->source != NULL || options->archive != NULL)
          && dkms_root_is_dir (places->root, parent)))
    return TRUE;
  return DKMS_FAIL (error, TREE_ABSENT, .path = shown, .text = verb->adds ? N_ ("that directory") : NULL);
}

static gboolean
is_absent (const DkmsPlaces *places, const char *directory)
{
  struct stat st;

  return dkms_root_stat (places->root, directory, &st) < 0 ? errno == ENOENT : !S_ISDIR (st.st_mode);
}

/* A directory that is named, and that the verb needs but does not create, must exist. */
static gboolean
check_other_trees (const DkmsPlaces *places, const DkmsOptions *options, const DkmsVerbInfo *verb, GError **error)
{
  g_autofree char *sources = dkms_root_host_path (places->root, places->source_tree);
  g_autofree char *kernels = dkms_root_host_path (places->root, places->install_tree);

  if (options->sourcetree != NULL && verb->adds && options->source == NULL && options->archive == NULL
      && is_absent (places, places->source_tree))
    return DKMS_FAIL (error, SOURCE_TREE_ABSENT, .path = sources);
  if (options->installtree != NULL && verb->builds && options->kernelsourcedir == NULL
      && is_absent (places, places->install_tree))
    return DKMS_FAIL (error, INSTALL_TREE_ABSENT, .path = kernels);
  return TRUE;
}

/* Checks the directory in which archives are unpacked. */
static gboolean
check_tmp_location (const DkmsPlaces *places, const DkmsOptions *options, const DkmsVerbInfo *verb, GError **error)
{
  g_autofree char *shown = dkms_root_host_path (places->root, places->tmp_location);
  g_autofree char *place = NULL, *file = NULL;

  if (options->archive == NULL || !verb->adds || dkms_root_is_dir (places->root, places->tmp_location)
      || strcmp (places->tmp_location, "/tmp") == 0)
    return TRUE;
  place = dkms_settings_place (places, "tmp_location", &file);
  if (file != NULL)
    return dkms_settings_fail (places,
                               &(DkmsErrorInfo){ .kind = DKMS_ERROR_SETTING_NOT_DIRECTORY,
                                                 .name = "tmp_location",
                                                 .text = places->tmp_location },
                               error);
  return DKMS_FAIL (error, TMPDIR_ABSENT, .path = shown);
}

/* ---- warnings about settings without effect ---- */

void
dkms_settings_warn_once (const DkmsPlaces *places, DkmsListener *events)
{
  static const char checked[] = "DKMS_SETTINGS_CHECKED";
  g_autoptr (GPtrArray) unknown = NULL;

  if (g_getenv (checked) != NULL)
    return;
  unknown = dkms_settings_unknown (places);
  for (guint i = 0; i < unknown->len; i++)
    dkms_listener_hear (events, unknown->pdata[i]);
  (void)g_setenv (checked, "1", TRUE);
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
      g_autofree char *file = NULL;
      g_autofree char *place = dkms_settings_place (&settings->places, "build_environment", &file);
      DKMS_EMIT (events, ENVIRONMENT_ABSENT, .path = file, .place = place, .text = settings->policy.build_environment);
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
      g_autofree char *near = dkms_kernel_near (places->root, places->install_tree, target->kernel);
      DKMS_EMIT (events, KERNEL_ABSENT, .id = { .kernel = target->kernel }, .path = shown, .text = near);
    }
}

gboolean
dkms_options_check (const DkmsOptions *options, DkmsSettings *settings, const DkmsVerbInfo *verb, DkmsListener *events,
                    GError **error)
{
  for (guint i = 0; i < options->directives->len; i++)
    {
      if (!check_directive (options->directives->pdata[i], error))
        return FALSE;
      warn_of_directive (options->directives->pdata[i], events);
    }
  if (!check_jobs (settings, options, verb, error)
      || (options->conf_file != NULL && (verb->options & DKMS_TAKES (CONF)) != 0 && !check_conf_file (options, error))
      || !check_kernel_files (&settings->places, options, verb, error)
      || !check_tree (&settings->places, options, verb, events, error)
      || !check_other_trees (&settings->places, options, verb, error)
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

gboolean
dkms_request_name_source (const DkmsSettings *settings, DkmsListener *events, DkmsRequest *request, GError **error)
{
  if (request->archive != NULL)
    return DKMS_FAIL (error, ARCHIVE_NOT_TAKEN, .path = request->archive, .name = request->action);
  if (request->source == NULL)
    return TRUE;
  g_autoptr (DkmsWorld) world = dkms_world_new (settings, request, events);
  g_autoptr (DkmsFacts) facts = dkms_facts_new (request);
  /* The targets are filters here; any kernel does for the names. */
  g_ptr_array_set_size (facts->targets, 0);
  dkms_targets_add (facts->targets, &(DkmsId){ .kernel = dkms_running_release (), .arch = dkms_running_machine () });
  if (!dkms_facts_identify (facts, world, TRUE, error))
    return FALSE;
  g_clear_pointer (&request->source, g_free);
  request->module = g_steal_pointer (&facts->module);
  request->version = g_steal_pointer (&facts->version);
  return TRUE;
}
