/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the settings: framework.conf, its directory, and the environment. */
#define _GNU_SOURCE
#include "conf/settings.h"

#include <fcntl.h>
#include <pwd.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/jobs.h"
#include "base/process.h"
#include "conf/evaluate.h"
#include "conf/key-list.h"
#include "conf/sandbox.h"
#include "conf/settings-check.h"
#include "config.h"

#define BUILD_USER "_dkms"

static const char names[]
    = "source_tree dkms_tree install_tree tmp_location verbose symlink_modules parallel_jobs "
      "compress_gzip_opts compress_xz_opts compress_zstd_opts recipe_timeout build_timeout tarball_limit_mib sandbox "
      "build_user strict_symbols rebuild rebuild_on_compiler depmod_stubs "
      "forecast forecast_unattended forecast_seconds ahead_limit_mib "
      "cache_dir cache_exclude cache_size_mib cache_object_mib cache_negative reproducible cache_environment "
      "cache_url cache_write cache_signing_key cache_builder_name cache_netrc cache_tls_ca cache_tls_cert "
      "cache_tls_key "
      "cache_timeout cache_wait "
      "ADDON_MODULES_DIR NO_WEAK_MODULES "
      "modprobe_on_install post_transaction build_environment mok_signing_key";

/* Settings that are read when they are needed: for signing (with the key once more), and by common.postinst. */
static const char other_names[]
    = "sign_file mok_certificate try_sign_modules autoinstall_all_kernels continue_on_error";

char **
dkms_settings_known (void)
{
  g_autofree char *all = g_strconcat (names, " ", other_names, NULL);

  return g_strsplit (all, " ", -1);
}

static void
replace (char **field, const char *value)
{
  if (*value == '\0')
    return;
  g_free (*field);
  *field = g_strdup (value);
}

static char *
from_environment (const char *name)
{
  const char *value = g_getenv (name);

  return g_strdup (value != NULL ? value : "");
}

/* Whether a file contains only comments. Then no shell is needed. */
static gboolean
only_comments (const DkmsRoot *root, const char *path)
{
  g_autofree char *text = dkms_root_read (root, path, 1 << 20, NULL, NULL);

  if (text == NULL)
    return TRUE;
  for (const char *line = text; *line != '\0';)
    {
      line += strspn (line, " \t\r\n");
      if (*line != '#' && *line != '\0')
        return FALSE;
      line += strcspn (line, "\n");
    }
  return TRUE;
}

static void
add_file (const DkmsPlaces *places, DkmsQuery *query, const char *path)
{
  if (!dkms_root_is_file (places->root, path) || only_comments (places->root, path))
    return;
  if (query->shown == NULL)
    query->shown = dkms_root_host_path (places->root, path);
  g_ptr_array_add (query->files, dkms_root_tool_path (places->root, path));
}

GPtrArray *
dkms_settings_files (const DkmsPlaces *places)
{
  g_auto (DkmsFd) dir = dkms_root_openat (places->root, "/etc/dkms/framework.conf.d", O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) entries = dir >= 0 ? dkms_list_dir_at (dir, ".", NULL) : NULL;
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);

  if (dkms_root_is_file (places->root, "/etc/dkms/framework.conf"))
    g_ptr_array_add (files, g_strdup ("/etc/dkms/framework.conf"));
  for (guint i = 0; entries != NULL && i < entries->len; i++)
    {
      g_autofree char *path = g_build_filename ("/etc/dkms/framework.conf.d", entries->pdata[i], NULL);
      if (*(const char *)entries->pdata[i] != '.' && g_str_has_suffix (path, ".conf")
          && dkms_root_is_file (places->root, path))
        g_ptr_array_add (files, g_steal_pointer (&path));
    }
  return files;
}

static void
add_files (const DkmsSettings *self, DkmsQuery *query)
{
  g_autoptr (GPtrArray) files = dkms_settings_files (&self->places);

  if (*self->policy.addon_modules_dir == '\0')
    add_file (&self->places, query, "/etc/sysconfig/module-init-tools");
  for (guint i = 0; i < files->len; i++)
    add_file (&self->places, query, files->pdata[i]);
}

/* The user that packages of dkms create for builds; "" if it does not exist. libc is asked only if it exists, which
 * saves time in most runs. */
static const char *
default_user (void)
{
  g_autofree char *text = geteuid () == 0 ? dkms_read_at (AT_FDCWD, "/etc/passwd", 1 << 22, NULL, NULL) : NULL;

  return text != NULL && (g_str_has_prefix (text, BUILD_USER ":") || strstr (text, "\n" BUILD_USER ":") != NULL)
             ? BUILD_USER
             : "";
}

/* Settings of the sandbox must not be misread, so an invalid value is an error. @values: (nullable) */
static gboolean
take_confinement (DkmsSettings *self, const DkmsVars *values, GError **error)
{
  const char *mode = values != NULL ? dkms_vars_get (values, "sandbox", 0) : "";
  const char *given = values != NULL ? dkms_vars_get (values, "build_user", 0) : "";
  const char *name = *given != '\0' ? given : default_user ();
  const struct passwd *user = *name != '\0' && geteuid () == 0 ? getpwnam (name) : NULL;

  if (*mode != '\0' && !dkms_sandbox_mode_parse (mode, &self->policy.sandbox))
    return dkms_settings_fail (
        &self->places, &(DkmsErrorInfo){ .kind = DKMS_ERROR_SETTING_NOT_MODE, .name = "sandbox", .text = mode }, error);
  if (user != NULL)
    {
      self->policy.build_uid = user->pw_uid;
      self->policy.build_gid = user->pw_gid;
    }
  return user != NULL || *given == '\0' || geteuid () != 0
         || dkms_settings_fail (
             &self->places,
             &(DkmsErrorInfo){ .kind = DKMS_ERROR_SETTING_NOT_USER, .name = "build_user", .text = given }, error);
}

static gboolean
take_yes_or_no (const DkmsPlaces *places, const DkmsVars *values, const char *name, gboolean *field, GError **error)
{
  const char *text = dkms_vars_get (values, name, 0);
  gboolean yes = g_ascii_strcasecmp (text, "yes") == 0;

  if (*text == '\0')
    return TRUE;
  if (!yes && g_ascii_strcasecmp (text, "no") != 0)
    return dkms_settings_fail (
        places, &(DkmsErrorInfo){ .kind = DKMS_ERROR_SETTING_NOT_SWITCH, .name = name, .text = text }, error);
  *field = yes;
  return TRUE;
}

static gboolean
take_stubs_mode (const DkmsPlaces *places, const DkmsVars *values, DkmsStubsMode *mode, GError **error)
{
  const char *text = dkms_vars_get (values, "depmod_stubs", 0);

  if (*text == '\0' || dkms_stubs_mode_parse (text, mode))
    return TRUE;
  return dkms_settings_fail (
      places, &(DkmsErrorInfo){ .kind = DKMS_ERROR_SETTING_NOT_STUBS, .name = "depmod_stubs", .text = text }, error);
}

static gboolean
take_forecast_mode (const DkmsPlaces *places, const DkmsVars *values, const char *name, DkmsForecastMode *mode,
                    GError **error)
{
  const char *text = dkms_vars_get (values, name, 0);

  if (*text == '\0' || dkms_forecast_mode_parse (text, mode))
    return TRUE;
  return dkms_settings_fail (
      places, &(DkmsErrorInfo){ .kind = DKMS_ERROR_SETTING_NOT_FORECAST, .name = name, .text = text }, error);
}

/* A relative path would mean another directory for each working directory of the caller. */
static gboolean
check_directories (const DkmsPlaces *places, const DkmsVars *values, GError **error)
{
  static const char *const directories[] = { "dkms_tree", "source_tree", "install_tree", "tmp_location", "cache_dir" };

  for (gsize i = 0; i < G_N_ELEMENTS (directories); i++)
    {
      const char *path = dkms_vars_get (values, directories[i], 0);
      if (*path != '\0' && *path != '/')
        return dkms_settings_fail (
            places, &(DkmsErrorInfo){ .kind = DKMS_ERROR_SETTING_NOT_ABSOLUTE, .name = directories[i], .text = path },
            error);
    }
  return TRUE;
}

static gboolean
take_values (DkmsSettings *self, const DkmsVars *values, GError **error)
{
  const struct {
    const char *name;
    char **field;
  } texts[] = {
    { "tmp_location", &self->places.tmp_location },
    { "parallel_jobs", &self->policy.jobs },
    { "compress_gzip_opts", &self->policy.compress_gzip_opts },
    { "compress_xz_opts", &self->policy.compress_xz_opts },
    { "compress_zstd_opts", &self->policy.compress_zstd_opts },
    { "ADDON_MODULES_DIR", &self->policy.addon_modules_dir },
    { "post_transaction", &self->policy.post_transaction },
    { "build_environment", &self->policy.build_environment },
    { "mok_signing_key", &self->policy.signing_key },
    { "cache_dir", &self->policy.cache_dir },
    { "cache_exclude", &self->policy.cache_exclude },
    { "cache_environment", &self->policy.cache_environment },
  };
  const struct {
    const char *name;
    char **field;
  } paths[] = { { "dkms_tree", &self->places.dkms_tree },
                { "source_tree", &self->places.source_tree },
                { "install_tree", &self->places.install_tree } };
  const DkmsNumberSetting numbers[] = { { "recipe_timeout", 1, 3600, &self->policy.recipe_timeout },
                                        { "build_timeout", 0, 1 << 20, &self->policy.build_timeout },
                                        { "tarball_limit_mib", 1, 1 << 20, &self->policy.tarball_limit_mib },
                                        { "forecast_seconds", 0, 1 << 20, &self->policy.forecast_seconds },
                                        { "ahead_limit_mib", 0, 1 << 20, &self->policy.ahead_limit_mib },
                                        { "cache_size_mib", 1, 1 << 20, &self->policy.cache_size_mib },
                                        { "cache_object_mib", 1, 1024, &self->policy.cache_object_mib },
                                        { "cache_negative", 0, 3650, &self->policy.cache_negative } };

  if (!check_directories (&self->places, values, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    replace (texts[i].field, dkms_vars_get (values, texts[i].name, 0));
  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    if (*dkms_vars_get (values, paths[i].name, 0) != '\0')
      dkms_places_set (&self->places, paths[i].field, dkms_vars_get (values, paths[i].name, 0));
  self->policy.modprobe_on_install |= *dkms_vars_get (values, "modprobe_on_install", 0) != '\0';
  self->policy.no_weak_modules |= *dkms_vars_get (values, "NO_WEAK_MODULES", 0) != '\0';
  self->policy.verbose = *dkms_vars_get (values, "verbose", 0) != '\0';
  self->policy.symlink_modules = *dkms_vars_get (values, "symlink_modules", 0) != '\0';
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (!dkms_settings_number (&self->places, values, &numbers[i], error))
      return FALSE;
  if (!dkms_remote_policy_take (&self->policy.remote, &self->places, values, error))
    return FALSE;
  /* Builds of several machines have equal keys only if nothing of the caller is in them. */
  self->policy.reproducible = *self->policy.remote.url != '\0';
  return take_yes_or_no (&self->places, values, "strict_symbols", &self->policy.strict_symbols, error)
         && take_yes_or_no (&self->places, values, "reproducible", &self->policy.reproducible, error)
         && take_yes_or_no (&self->places, values, "rebuild", &self->policy.rebuild, error)
         && take_yes_or_no (&self->places, values, "rebuild_on_compiler", &self->policy.rebuild_on_compiler, error)
         && take_stubs_mode (&self->places, values, &self->policy.depmod_stubs, error)
         && take_forecast_mode (&self->places, values, "forecast", &self->policy.forecast, error)
         && take_forecast_mode (&self->places, values, "forecast_unattended", &self->policy.forecast_unattended, error);
}

/* A query about @wanted with the variables that the files see. */
static DkmsQuery *
new_query (GPtrArray *queries, const char *kernel)
{
  DkmsQuery *query = dkms_query_new ();

  g_ptr_array_add (queries, query);
  if (kernel != NULL)
    g_ptr_array_add (query->assign, g_strconcat ("kernelver=", kernel, NULL));
  return query;
}

/* Settings of the sandbox must not be ignored. */
static gboolean
is_about_confinement (const DkmsPlaces *places, const char *tool_path)
{
  g_autofree char *path = dkms_kernel_openable (places->root, tool_path);
  g_autofree char *text = dkms_read_at (AT_FDCWD, path, 1 << 20, NULL, NULL);

  return text == NULL || strstr (text, "sandbox") != NULL || strstr (text, "build_user") != NULL;
}

static void
give_values (DkmsQuery *query, const DkmsVars *values, const char *wanted)
{
  g_auto (GStrv) known = g_strsplit (wanted, " ", -1);

  for (char **name = known; *name != NULL; name++)
    if (dkms_vars_count (values, *name) > 0)
      g_ptr_array_add (query->assign, g_strconcat (*name, "=", dkms_vars_get (values, *name, 0), NULL));
}

/* What the files say. */
typedef struct {
  DkmsVars *values;   /* (nullable) */
  DkmsEvent *ignored; /* (nullable): about files that were ignored */
} Found;

static void
found_clear (Found *self)
{
  dkms_vars_free (self->values);
  dkms_event_free (self->ignored);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Found, found_clear)

/* Evaluates the files of @all one by one, and ignores a file that ends its shell. */
static gboolean
read_one_by_one (const DkmsEvaluation *how, const DkmsQuery *all, const char *kernel, Found *to, DkmsRemarks *remarks,
                 GError **error)
{
  const DkmsPlaces *places = &how->settings->places;
  g_autoptr (DkmsVars) sum = dkms_vars_new (all->shown);
  g_autoptr (GString) ended = g_string_new (NULL);

  for (guint i = 0; i < all->files->len; i++)
    {
      g_autoptr (GPtrArray) queries = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_query_free);
      DkmsQuery *query = new_query (queries, kernel);
      const char *file = all->files->pdata[i];

      g_ptr_array_add (query->files, g_strdup (file));
      query->shown = dkms_kernel_openable (places->root, file);
      give_values (query, sum, how->names);
      if (!dkms_evaluate (how, queries, remarks, error))
        return FALSE;
      if (query->error != NULL && (!query->ended || is_about_confinement (places, file)))
        return g_propagate_error (error, g_steal_pointer (&query->error)), FALSE;
      if (query->error != NULL)
        g_string_append_printf (ended, "%s%s", ended->len > 0 ? ", " : "", query->shown);
      else
        {
          dkms_vars_free (sum);
          sum = g_steal_pointer (&query->vars);
        }
    }
  to->values = g_steal_pointer (&sum);
  to->ignored = DKMS_EVENT_NEW (SETTINGS_FILE_IGNORED, .path = ended->str);
  return TRUE;
}

/* @to: (out); @remarks: (nullable): as for dkms_evaluate() */
static gboolean
read_files (const DkmsSettings *self, const char *wanted, const char *kernel, Found *to, DkmsRemarks *remarks,
            GError **error)
{
  g_autoptr (GPtrArray) queries = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_query_free);
  DkmsQuery *query = new_query (queries, kernel);
  const DkmsEvaluation how = { .settings = self, .names = wanted };

  add_files (self, query);
  if (query->files->len == 0)
    return TRUE;
  if (!dkms_evaluate (&how, queries, remarks, error))
    return FALSE;
  if (query->ended)
    return read_one_by_one (&how, query, kernel, to, remarks, error);
  if (query->error != NULL)
    return g_propagate_error (error, g_steal_pointer (&query->error)), FALSE;
  to->values = g_steal_pointer (&query->vars);
  return TRUE;
}

gboolean
dkms_settings_reread (const DkmsSettings *self, const char *wanted, const char *kernel, DkmsVars **values,
                      GError **error)
{
  g_auto (DkmsRemarks) remarks = { 0 }; /* the files have already written their messages */

  g_auto (Found) found = { NULL, NULL };

  gboolean ok = read_files (self, wanted, kernel, &found, &remarks, error);
  *values = g_steal_pointer (&found.values);
  return ok;
}

/* Whether the key may depend on the kernel. */
static gboolean
key_varies (const DkmsPlaces *places)
{
  g_autoptr (GPtrArray) files = dkms_settings_files (places);
  gboolean varies = FALSE;

  for (guint i = 0; i < files->len && !varies; i++)
    {
      g_autofree char *text = dkms_root_read (places->root, files->pdata[i], 1 << 20, NULL, NULL);
      varies = text == NULL || (strstr (text, "mok_signing_key") != NULL && strstr (text, "kernelver") != NULL);
    }
  return varies;
}

/* Adds the files in @list, as tools name them. */
static void
add_key_files (const DkmsRoot *root, const char *list, GPtrArray *files)
{
  g_autoptr (GPtrArray) entries = dkms_key_list_split (list);

  for (guint i = 0; i < entries->len; i++)
    if (*(const char *)entries->pdata[i] == '/')
      g_ptr_array_add (files, dkms_root_tool_path (root, entries->pdata[i]));
}

GPtrArray *
dkms_settings_key_files (const DkmsSettings *self, const GPtrArray *releases, GError **error)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func (g_free);

  add_key_files (self->places.root, self->policy.signing_key, keys);
  if (releases->len == 0 || !key_varies (&self->places))
    return g_steal_pointer (&keys);
  for (guint i = 0; i < releases->len; i++)
    {
      g_autoptr (DkmsVars) values = NULL;

      if (!dkms_settings_reread (self, "mok_signing_key", releases->pdata[i], &values, error))
        return NULL;
      add_key_files (self->places.root, values != NULL ? dkms_vars_get (values, "mok_signing_key", 0) : "", keys);
    }
  return g_steal_pointer (&keys);
}

/* Reads the settings of the sandbox for another root from framework.conf of this machine. Code of that root does not
 * run if it cannot be confined. @url: (out) (transfer full): cache_url of this machine; "": none */
static gboolean
take_confinement_of_machine (DkmsSettings *self, char **url, GError **error)
{
  g_autoptr (DkmsRoot) machine = dkms_root_open (NULL, error);
  g_auto (Found) found = { NULL, NULL };
  DkmsSettings here = *self;

  if (machine == NULL)
    return FALSE;
  here.places.root = machine;
  if (!read_files (&here, "sandbox build_user cache_url", NULL, &found, NULL, error)
      || !take_confinement (&here, found.values, error))
    return FALSE;
  *url = g_strdup (found.values != NULL ? dkms_vars_get (found.values, "cache_url", 0) : "");
  self->policy.build_uid = here.policy.build_uid;
  self->policy.build_gid = here.policy.build_gid;
  self->policy.sandbox = here.policy.sandbox;
  if (self->policy.sandbox == DKMS_SANDBOX_AUTO
      && g_strcmp0 (g_getenv (DKMS_WALL_VARIABLE), self->places.root->host_path) != 0)
    self->policy.sandbox = DKMS_SANDBOX_STRICT;
  return TRUE;
}

/* Files of the other root can only make the sandbox stricter. @values: (nullable) */
static gboolean
take_confinement_of_root (DkmsSettings *self, const DkmsVars *values, GError **error)
{
  const char *mode = values != NULL ? dkms_vars_get (values, "sandbox", 0) : "";
  const char *user = values != NULL ? dkms_vars_get (values, "build_user", 0) : "";
  DkmsSandboxMode asked = self->policy.sandbox;
  gboolean loose;

  if (dkms_root_is_host (self->places.root) || (*mode != '\0' && !dkms_sandbox_mode_parse (mode, &asked)))
    return take_confinement (self, values, error);
  self->policy.sandbox = dkms_sandbox_mode_stricter (self->policy.sandbox, asked);
  loose = asked == DKMS_SANDBOX_OFF && self->policy.sandbox != DKMS_SANDBOX_OFF;
  if ((loose || *user != '\0') && self->ignored == NULL)
    self->ignored = DKMS_EVENT_NEW (SETTING_OF_ROOT_IGNORED, .path = self->places.root->host_path,
                                    .name = loose ? "sandbox=off" : "build_user");
  return TRUE;
}

DkmsSettings *
dkms_settings_new (DkmsRoot *root, GError **error)
{
  g_autoptr (DkmsSettings) self = g_new0 (DkmsSettings, 1);
  g_auto (Found) found = { NULL, NULL };
  g_autofree char *url = NULL;
  const char *env;

  self->places.root = root;
  self->policy.recipe_timeout = 30;
  self->policy.build_timeout = 1800;
  self->policy.rebuild = TRUE;
  self->policy.tarball_limit_mib = 4096;
  self->policy.forecast = self->policy.forecast_unattended = DKMS_FORECAST_WARN;
  self->policy.forecast_seconds = 600;
  self->policy.ahead_limit_mib = 1024;
  self->policy.cache_dir = g_strdup ("");
  self->policy.cache_exclude = g_strdup ("");
  self->policy.cache_environment = g_strdup ("");
  self->policy.cache_size_mib = 1024;
  self->policy.cache_object_mib = 512;
  self->policy.cache_negative = 7;
  dkms_remote_policy_init (&self->policy.remote);
  self->places.source_tree = g_strdup ("/usr/src");
  self->places.dkms_tree = g_strdup (DKMS_DEFAULT_TREE);
  self->places.install_tree = g_strdup (DKMS_MODULE_DIR);
  self->places.tmp_location = g_strdup (g_getenv ("TMPDIR") != NULL ? g_getenv ("TMPDIR") : "/tmp");
  self->policy.jobs = from_environment ("parallel_jobs");
  self->policy.addon_modules_dir = from_environment ("ADDON_MODULES_DIR");
  self->policy.post_transaction = from_environment ("post_transaction");
  self->policy.build_environment = from_environment ("build_environment");
  self->policy.signing_key = from_environment ("mok_signing_key");
  env = g_getenv ("modprobe_on_install");
  self->policy.modprobe_on_install = env != NULL && *env != '\0';
  env = g_getenv ("NO_WEAK_MODULES");
  self->policy.no_weak_modules = env != NULL && *env != '\0';
  self->policy.distro = dkms_distro_read (root, error);
  if (self->policy.distro == NULL)
    return NULL;

  if (!dkms_root_is_host (root) && !take_confinement_of_machine (self, &url, error))
    return NULL;
  if (!read_files (self, names, NULL, &found, NULL, error))
    return NULL;
  const DkmsVars *values = found.values;
  self->ignored = g_steal_pointer (&found.ignored);
  if ((values != NULL && !take_values (self, values, error)) || !take_confinement_of_root (self, values, error))
    return NULL;
  const char *refused = url != NULL ? dkms_remote_policy_limit (&self->policy.remote, url) : NULL;
  if (refused != NULL && self->ignored == NULL)
    self->ignored = DKMS_EVENT_NEW (SETTING_OF_ROOT_IGNORED, .path = root->host_path, .name = refused);
  if (*self->policy.jobs == '\0')
    {
      g_free (self->policy.jobs);
      self->policy.jobs = dkms_jobs_default ();
    }
  else if (strcmp (self->policy.jobs, "0") == 0)
    *self->policy.jobs = '\0';
  dkms_places_set (&self->places, &self->places.dkms_tree, self->places.dkms_tree);
  dkms_sandbox_close_root (self);
  return g_steal_pointer (&self);
}

void
dkms_settings_free (DkmsSettings *self)
{
  if (self == NULL)
    return;
  dkms_event_free (self->ignored);
  dkms_policy_clear (&self->policy);
  dkms_places_clear (&self->places);
  g_free (self);
}
