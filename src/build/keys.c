/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the keys and certificates that sign modules, and creates missing ones. */
#define _GNU_SOURCE
#include "build/keys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/unread.h"
#include "build/secure-boot.h"
#include "check/policy.h"
#include "conf/key-list.h"
#include "conf/settings-check.h"

#define DEFAULT_CERTIFICATE "/var/lib/dkms/mok.pub"

static void
pair_free (gpointer data)
{
  DkmsKeyPair *self = data;

  g_free (self->key);
  g_free (self->certificate);
  g_free (self);
}

/* ---- settings ---- */

void
dkms_signing_values_clear (DkmsSigningValues *self)
{
  g_free (self->tool);
  g_free (self->key);
  g_free (self->certificate);
  g_free (self->try_sign);
}

gboolean
dkms_signing_values_read (const DkmsSettings *settings, const char *release, DkmsSigningValues *values, GError **error)
{
  const struct {
    const char *name;
    char **field;
  } fields[] = { { "sign_file", &values->tool },
                 { "mok_signing_key", &values->key },
                 { "mok_certificate", &values->certificate },
                 { "try_sign_modules", &values->try_sign } };
  g_autoptr (DkmsVars) vars = NULL;

  if (!dkms_settings_reread (settings, "sign_file mok_signing_key mok_certificate try_sign_modules", release, &vars,
                             error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      const char *value = vars != NULL ? dkms_vars_get (vars, fields[i].name, 0) : "";
      if (*value == '\0')
        value = g_getenv (fields[i].name);
      if (value != NULL && *value != '\0')
        *fields[i].field = g_strdup (value);
    }
  return TRUE;
}

/* ---- keys ---- */

/* Returns the value of NAME=value or NAME="value" at the beginning of a line of make.conf. */
static char *
from_make_conf (const DkmsRoot *root, const char *name)
{
  g_autofree char *text = dkms_root_read (root, "/etc/portage/make.conf", 1 << 20, NULL, NULL);
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);
  char *found = NULL;

  for (char **line = lines; *line != NULL; line++)
    if (g_str_has_prefix (*line, name) && (*line)[strlen (name)] == '=')
      {
        g_auto (GStrv) pieces = g_strsplit_set (*line + strlen (name) + 1, "\"'", -1);
        g_free (found);
        found = g_strchomp (g_strjoinv ("", pieces));
      }
  return found;
}

static char *
gentoo_value (const DkmsRoot *root, const char *name)
{
  const char *env = g_getenv (name);

  return env != NULL && *env != '\0' ? g_strdup (env) : from_make_conf (root, name);
}

/* CONFIG_MODULE_SIG_KEY names a file with key and certificate, relative to the build directory of the kernel. */
static char *
kernels_own_key (const DkmsKernel *kernel, const char *config)
{
  g_autofree char *name = dkms_kernel_config_value (config, "CONFIG_MODULE_SIG_KEY");

  return name != NULL && *name != '\0' ? g_canonicalize_filename (name, kernel->source_dir) : NULL;
}

/* Finds the settings for @kernel, which may be lists. */
static void
choose_lists (const DkmsSettings *settings, const DkmsKernel *kernel, const char *config,
              const DkmsSigningValues *values, DkmsKeyPair *lists)
{
  const DkmsFamily *family = settings->policy.distro->family;

  if (values->key != NULL)
    {
      lists->key = g_strdup (values->key);
      lists->certificate = g_strdup (values->certificate != NULL ? values->certificate : DEFAULT_CERTIFICATE);
      return;
    }
  if (family->key == NULL)
    {
      lists->key = gentoo_value (settings->places.root, "MODULES_SIGN_KEY");
      lists->certificate = gentoo_value (settings->places.root, "MODULES_SIGN_CERT");
      if (lists->key == NULL)
        {
          lists->key = kernels_own_key (kernel, config);
          g_free (lists->certificate);
          lists->certificate = g_strdup (lists->key);
        }
    }
  if (lists->key == NULL)
    lists->key = g_strdup (family->key != NULL ? family->key : "/var/lib/dkms/mok.key");
  if (values->certificate != NULL || lists->certificate == NULL)
    {
      g_free (lists->certificate);
      lists->certificate = g_strdup (values->certificate != NULL   ? values->certificate
                                     : family->certificate != NULL ? family->certificate
                                                                   : DEFAULT_CERTIFICATE);
    }
}

GPtrArray *
dkms_keys_choose (const DkmsSettings *settings, const DkmsKernel *kernel, const char *config,
                  const DkmsSigningValues *values, GError **error)
{
  g_autoptr (GPtrArray) pairs = g_ptr_array_new_with_free_func (pair_free);
  DkmsKeyPair lists = { 0 };

  choose_lists (settings, kernel, config, values, &lists);
  g_autoptr (GPtrArray) keys = dkms_key_list_split (lists.key);
  g_autoptr (GPtrArray) certificates = dkms_key_list_split (lists.certificate);
  g_free (lists.key);
  g_free (lists.certificate);
  if (keys->len != certificates->len)
    return DKMS_FAIL (error, KEYS_WITHOUT_CERTIFICATES, .number = keys->len, .limit = certificates->len), NULL;
  for (guint i = 0; i < keys->len; i++)
    {
      DkmsKeyPair *pair = g_new0 (DkmsKeyPair, 1);
      pair->key = g_strdup (keys->pdata[i]);
      pair->certificate = g_strdup (certificates->pdata[i]);
      g_ptr_array_add (pairs, pair);
    }
  return g_steal_pointer (&pairs);
}

/* Renames the certificate @path, so that its signatures can still be named. Its new name ends with @first (nullable)
 * or, if that name is taken, with the first free number. */
static gboolean
keep_aside (const DkmsRoot *root, DkmsListener *events, const char *path, const char *first, GError **error)
{
  enum { MOST = 1000 };
  g_autofree char *from = dkms_root_resolved (root, path);

  for (guint number = first != NULL ? 0 : 1; number < MOST; number++)
    {
      g_autofree char *suffix = number == 0 ? g_strdup (first) : g_strdup_printf (".%u", number);
      g_autofree char *to = g_strconcat (from, suffix, NULL);
      g_autofree char *shown = g_strconcat (path, suffix, NULL);

      if (renameat2 (AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        {
          DKMS_EMIT (events, CERTIFICATE_KEPT, .path = path, .place = shown);
          return TRUE;
        }
      if (errno != EEXIST)
        break;
    }
  return errno == ENOENT || dkms_fail_errno (error, "move away", from);
}

/* Ubuntu's own tool creates its key with the right permissions, and requests its enrolment. */
static gboolean
ask_mok_tool (const DkmsSettings *settings, DkmsListener *events, const DkmsKeyPair *self, GError **error)
{
  const char *tool = settings->policy.distro->family->mok_tool;
  const char *argv[][3] = { { tool, "--new-key", NULL }, { tool, "--enroll-key", NULL } };
  g_autofree char *found = g_find_program_in_path (tool);
  g_auto (GStrv) quiet = g_environ_setenv (g_get_environ (), "SHIM_NOTRIGGER", "y", TRUE);

  if (found == NULL)
    return DKMS_FAIL (error, NO_KEY_TOOL, .path = self->key, .name = tool);
  /* The tool creates nothing if only the certificate exists. That certificate may still be in use, so it is renamed. */
  if (!keep_aside (settings->places.root, events, self->certificate, ".old", error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (argv); i++)
    {
      DkmsCommand command = { .argv = argv[i],
                              .env = i == 0 ? quiet : NULL,
                              .root = settings->places.root,
                              .output_fd = i == 0 ? -2 : -1,
                              .null_stdin = i == 0 };
      if (dkms_process_run (&command, error) < 0)
        return FALSE;
    }
  return TRUE;
}

char *
dkms_key_host_path (const DkmsRoot *root, const char *path)
{
  return dkms_key_is_token (path) ? g_strdup (path) : dkms_root_resolved (root, path);
}

/* @authority: the kernel takes only certificates of certificate authorities as machine owner keys */
static gboolean
generate (const DkmsPlaces *places, DkmsListener *events, const DkmsKeyPair *self, gboolean authority, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-sign");
  g_autofree char *key_dir = g_path_get_dirname (self->key);
  g_autofree char *certificate_dir = g_path_get_dirname (self->certificate);
  g_auto (DkmsFd) a = dkms_root_open_dir (places->root, key_dir, TRUE, error);
  g_auto (DkmsFd) b = a >= 0 ? dkms_root_open_dir (places->root, certificate_dir, TRUE, error) : -1;
  g_autofree char *key = dkms_key_host_path (places->root, self->key);
  g_autofree char *certificate = dkms_key_host_path (places->root, self->certificate);
  const char *argv[] = { helper, authority ? "generate-ca" : "generate", key, certificate, NULL };
  DkmsCommand command = { .argv = argv, .root = places->root, .of_machine = TRUE, .null_stdin = TRUE };
  g_autofree char *output = NULL;
  int status = 0;

  if (b < 0)
    return FALSE;
  if (dkms_root_is_file (places->root, self->key))
    DKMS_EMIT (events, CERTIFICATE_GENERATED, .path = self->certificate);
  else
    DKMS_EMIT (events, KEY_GENERATED, .path = self->key);
  output = dkms_process_transcript (&command, &status, error);
  if (output == NULL)
    return FALSE;
  if (status == 0)
    return TRUE;
  dkms_recall_helper (g_strchomp (output));
  return DKMS_FAIL (error, KEY_NOT_GENERATED, .path = self->key, .text = output);
}

/* Emits whether the kernel will load the signed modules, or the next step. @created: the certificate is new */
static void
report_trust (const DkmsRoot *root, DkmsListener *events, DkmsKeyPair *self, gboolean created)
{
  DkmsSecureBoot state = dkms_secure_boot_of (root);

  if (state == DKMS_SECURE_BOOT_DISABLED)
    DKMS_EMIT (events, SECURE_BOOT_DISABLED);
  if (state == DKMS_SECURE_BOOT_ENABLED && g_strcmp0 (self->key, self->certificate) == 0) /* kernels_own_key() */
    DKMS_EMIT (events, CERTIFICATE_OF_KERNEL, .path = self->certificate);
  else if (state == DKMS_SECURE_BOOT_ENABLED && dkms_secure_boot_trusts (self->certificate))
    DKMS_EMIT (events, CERTIFICATE_ENROLLED, .path = self->certificate);
  else if (state == DKMS_SECURE_BOOT_ENABLED)
    {
      self->refused = TRUE;
      DKMS_EMIT (events, CERTIFICATE_NOT_ENROLLED, .path = self->certificate);
    }
  else if (created)
    {
      /* A system in another root may not have this program. */
      g_autofree char *command = dkms_root_is_host (root) ? g_strdup ("dkms secureboot --enroll")
                                                          : g_strconcat ("mokutil --import ", self->certificate, NULL);
      DKMS_EMIT (events, CERTIFICATE_TO_ENROL, .path = self->certificate, .text = command);
    }
}

static gboolean
is_readable (const DkmsRoot *root, const char *path)
{
  g_autofree char *resolved = dkms_root_resolved (root, path);

  return faccessat (AT_FDCWD, resolved, R_OK, AT_EACCESS) == 0; /* only the helper opens a key */
}

/* A certificate may be enrolled in the firmware. A new pair in its place would sign modules that no kernel trusts. */
static gboolean
fail_keyless (const DkmsPlaces *places, const DkmsKeyPair *self, GError **error)
{
  g_autofree char *file = NULL;
  g_autofree char *place = dkms_settings_place (places, "mok_signing_key", &file);

  return DKMS_FAIL (error, KEY_LOST, .path = self->key, .place = self->certificate,
                    .name = file != NULL ? place : NULL);
}

/* A token belongs to the machine. Another system must neither sign with it nor choose the library for it, unless the
 * caller names the same token. */
static gboolean
may_use_token (const DkmsPlaces *places, const char *key, GError **error)
{
  return places->root->wall == NULL || g_strcmp0 (g_getenv ("mok_signing_key"), key) == 0
         || DKMS_FAIL (error, TOKEN_REFUSED, .path = key, .name = places->root->host_path);
}

/* Creates missing files. Afterwards both exist, or signing is off. @authority: as for generate() */
static gboolean
provide_pair (const DkmsSettings *settings, DkmsListener *events, DkmsKeyPair *self, gboolean authority, GError **error)
{
  const DkmsRoot *root = settings->places.root;
  gboolean token = dkms_key_is_token (self->key);
  gboolean created = FALSE;
  gboolean complete = (token || dkms_root_is_file (root, self->key)) && dkms_root_is_file (root, self->certificate);
  const DkmsFamily *family = settings->policy.distro->family;
  struct stat st;

  DKMS_EMIT (events, SIGNING_KEY, .path = self->key);
  DKMS_EMIT (events, SIGNING_CERTIFICATE, .path = self->certificate);
  if (!complete && !token && family->mok_tool != NULL && g_strcmp0 (self->key, family->key) == 0)
    {
      if (!ask_mok_tool (settings, events, self, error))
        return FALSE;
      complete = dkms_root_is_file (root, self->key) && dkms_root_is_file (root, self->certificate);
    }
  if (!token && !dkms_root_is_file (root, self->key) && dkms_root_stat (root, self->certificate, &st) == 0)
    return fail_keyless (&settings->places, self, error);
  /* A pair that may exist is not replaced either. */
  if (!complete && !token)
    {
      if (!dkms_unread_check (error) || !generate (&settings->places, events, self, authority, error))
        return FALSE;
      created = TRUE;
    }
  if (!token && dkms_root_is_file (root, self->key) && !is_readable (root, self->key))
    return dkms_fail_errno (error, "read the signing key", self->key);
  if (!token && !dkms_root_is_file (root, self->key))
    return DKMS_FAIL (error, KEY_ABSENT, .path = self->key);
  if (!dkms_root_is_file (root, self->certificate))
    return DKMS_FAIL (error, CERTIFICATE_ABSENT, .path = self->certificate);
  if (token && !may_use_token (&settings->places, self->key, error))
    return FALSE;
  report_trust (root, events, self, created);
  return TRUE;
}

gboolean
dkms_keys_provide (const GPtrArray *pairs, const DkmsSettings *settings, DkmsListener *events, const char *config,
                   GError **error)
{
  const DkmsSigningOptions options = dkms_signing_options_read (config);

  for (guint i = 0; i < pairs->len; i++)
    if (!provide_pair (settings, events, pairs->pdata[i], options.only_ca, error))
      return FALSE;
  return TRUE;
}

gboolean
dkms_keys_renew (const GPtrArray *pairs, const DkmsRoot *root, DkmsListener *events, GError **error)
{
  for (guint i = 0; i < pairs->len; i++)
    {
      const DkmsKeyPair *pair = pairs->pdata[i];
      struct stat st;

      if (dkms_key_is_token (pair->key) || dkms_root_stat (root, pair->key, &st) == 0 || errno != ENOENT)
        continue;
      if (!keep_aside (root, events, pair->certificate, NULL, error))
        return FALSE;
    }
  return TRUE;
}
