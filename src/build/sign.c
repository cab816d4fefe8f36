/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decides whether modules are signed, and signs them. */
#define _GNU_SOURCE
#include "build/sign.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/language.h"
#include "base/process.h"
#include "base/unread.h"
#include "build/secure-boot.h"
#include "conf/key-list.h"
#include "conf/settings-check.h"

void
dkms_signer_free (DkmsSigner *self)
{
  if (self == NULL)
    return;
  g_free (self->hash);
  g_free (self->tool);
  g_clear_error (&self->error);
  if (self->pairs != NULL)
    g_ptr_array_unref (self->pairs);
  g_free (self);
}

char *
dkms_signer_name (const DkmsSigner *self)
{
  GString *name = g_string_new (NULL);

  for (guint i = 0; i < self->pairs->len; i++)
    g_string_append_printf (name, "%s%s", i > 0 ? ";" : "", ((const DkmsKeyPair *)self->pairs->pdata[i])->certificate);
  return g_string_free (name, FALSE);
}

/* ---- the decision ---- */

static gboolean
choose_tool (DkmsSigner *self, const DkmsPlaces *places, DkmsListener *events, const char *configured, GError **error)
{
  struct stat st;

  if (configured == NULL)
    return TRUE;
  DKMS_EMIT (events, SIGNING_TOOL, .path = configured);
  if (self->pairs->len > 1)
    return DKMS_FAIL (error, SIGN_TOOL_ONE_KEY, .path = configured, .number = self->pairs->len);
  if (dkms_root_stat (places->root, configured, &st) < 0 || !S_ISREG (st.st_mode) || (st.st_mode & 0111) == 0)
    {
      g_autofree char *file = NULL;
      g_autofree char *place = dkms_settings_place (places, "sign_file", &file);
      return DKMS_FAIL (error, SIGN_TOOL_BAD, .path = configured, .place = place);
    }
  self->tool = dkms_root_tool_path (places->root, configured);
  return TRUE;
}

static gboolean
prepare (DkmsSigner *self, const DkmsSettings *settings, DkmsListener *events, const DkmsKernel *kernel,
         const char *config, GError **error)
{
  g_auto (DkmsSigningValues) values = { 0 };

  if (!dkms_signing_values_read (settings, kernel->release, &values, error))
    return FALSE;
  if (g_strcmp0 (values.try_sign, "false") == 0)
    return DKMS_FAIL (error, SIGNING_OFF, .name = "try_sign_modules");
  if (g_strcmp0 (values.try_sign, "true") != 0 && dkms_secure_boot_in_chroot (settings->places.root))
    return DKMS_FAIL (error, SIGNING_IN_CHROOT);
  if (config == NULL)
    return DKMS_FAIL (error, NO_KERNEL_CONFIG, .path = kernel->config);
  self->hash = dkms_kernel_config_value (config, "CONFIG_MODULE_SIG_HASH");
  if (self->hash == NULL || *self->hash == '\0')
    return DKMS_FAIL (error, KERNEL_WITHOUT_SIGNATURES, .path = kernel->config);
  self->pairs = dkms_keys_choose (settings, kernel, config, &values, error);
  return self->pairs != NULL && choose_tool (self, &settings->places, events, values.tool, error)
         && dkms_keys_provide (self->pairs, settings, events, config, error);
}

/* One known signature is enough. */
static gboolean
are_all_refused (const GPtrArray *pairs)
{
  for (guint i = 0; i < pairs->len; i++)
    if (!((const DkmsKeyPair *)pairs->pdata[i])->refused)
      return FALSE;
  return TRUE;
}

DkmsSigner *
dkms_signer_new (const DkmsSettings *settings, DkmsListener *events, const DkmsKernel *kernel, const char *config)
{
  DkmsSigner *self = g_new0 (DkmsSigner, 1);

  self->ready = prepare (self, settings, events, kernel, config, &self->error);
  if (!self->ready)
    {
      DKMS_EMIT (events, NOT_SIGNING, .error = self->error);
      if (dkms_secure_boot_of (settings->places.root) == DKMS_SECURE_BOOT_ENABLED)
        {
          self->refused = TRUE;
          DKMS_EMIT (events, UNSIGNED_UNDER_SECURE_BOOT);
        }
    }
  else
    self->refused = are_all_refused (self->pairs);
  return self;
}

/* Returns: (transfer full) (element-type DkmsKeyPair) (nullable) */
GPtrArray *
dkms_signer_files (const DkmsSettings *settings, const DkmsKernel *kernel, const char *config, GError **error)
{
  g_auto (DkmsSigningValues) values = { 0 };

  return dkms_signing_values_read (settings, kernel->release, &values, error)
             ? dkms_keys_choose (settings, kernel, config, &values, error)
             : NULL;
}

gboolean
dkms_signer_generate (const DkmsSettings *settings, DkmsListener *events, const DkmsKernel *kernel, const char *config,
                      gboolean anew, GError **error)
{
  g_autoptr (GPtrArray) pairs = dkms_signer_files (settings, kernel, config, error);

  return pairs != NULL && (!anew || dkms_keys_renew (pairs, settings->places.root, events, error))
         && dkms_keys_provide (pairs, settings, events, config, error);
}

gboolean
dkms_signer_check_pair (const DkmsPlaces *places, const char *key, const char *certificate, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-sign");
  g_autofree char *key_path = dkms_root_resolved (places->root, key);
  g_autofree char *certificate_path = dkms_root_resolved (places->root, certificate);
  const char *const argv[] = { helper, "check", key_path, certificate_path, NULL };
  DkmsCommand command = { .argv = argv, .root = places->root, .of_machine = TRUE, .null_stdin = TRUE };
  int status = 0;

  if (faccessat (AT_FDCWD, key_path, R_OK, AT_EACCESS) < 0)
    return TRUE;
  g_autofree char *output = dkms_process_transcript (&command, &status, error);
  if (output == NULL)
    return FALSE;
  if (status == 0)
    return TRUE;
  dkms_recall_helper (g_strchomp (output));
  return DKMS_FAIL (error, KEY_PAIR_BAD, .path = key, .text = output);
}

/* ---- signing ---- */

/* Runs the tool of the administrator on one file, or dkms-sign on all of @files, which are paths as the tool names
 * them. Returns: (transfer full) (nullable): what it printed; NULL with an error */
static char *
run_tool (const DkmsSigner *self, const DkmsPlaces *places, const GPtrArray *files, int *status, GError **error)
{
  gboolean theirs = self->tool != NULL, tokens = FALSE;
  g_autofree char *helper = dkms_process_helper ("dkms-sign");
  const char *words[] = { theirs ? self->tool : helper, theirs ? NULL : "sign", self->hash };
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    if (words[i] != NULL)
      g_ptr_array_add (argv, g_strdup (words[i]));
  for (guint i = 0; i < self->pairs->len; i++)
    {
      const DkmsKeyPair *pair = self->pairs->pdata[i];

      tokens |= dkms_key_is_token (pair->key);
      if (i > 0)
        g_ptr_array_add (argv, g_strdup ("+"));
      g_ptr_array_add (argv, theirs && !dkms_key_is_token (pair->key) ? dkms_root_tool_path (places->root, pair->key)
                                                                      : dkms_key_host_path (places->root, pair->key));
      g_ptr_array_add (argv, theirs ? dkms_root_tool_path (places->root, pair->certificate)
                                    : dkms_root_resolved (places->root, pair->certificate));
    }
  for (guint i = 0; i < files->len; i++)
    g_ptr_array_add (argv, g_strdup (files->pdata[i]));
  g_ptr_array_add (argv, NULL);
  DkmsCommand command = { .argv = (const char *const *)argv->pdata,
                          .root = theirs || !tokens ? places->root : NULL,
                          .of_machine = !theirs,
                          .null_stdin = TRUE };
  return dkms_process_transcript (&command, status, error);
}

/* Returns: (transfer full): @path as the program that signs it names it */
static char *
path_for_tool (const DkmsSigner *self, const DkmsRoot *root, const char *path)
{
  return self->tool != NULL ? dkms_root_tool_path (root, path) : dkms_root_resolved (root, path);
}

/* Signs @paths in one call. */
static void
sign_together (const DkmsSigner *self, const DkmsPlaces *places, DkmsListener *events, const GPtrArray *paths,
               const GPtrArray *shown)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) before = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  struct stat st;
  int status = 0;

  for (guint i = 0; i < paths->len; i++)
    {
      const char *path = paths->pdata[i];
      g_ptr_array_add (files, path_for_tool (self, places->root, path));
      g_ptr_array_add (before, dkms_root_stat (places->root, path, &st) == 0 ? dkms_stat_signature (&st) : NULL);
    }
  g_autofree char *output = run_tool (self, places, files, &status, &error);
  if (output != NULL)
    dkms_recall_helper (g_strchomp (output));
  if (status == 0 && output != NULL && *output != '\0')
    DKMS_EMIT (events, SIGNER_REMARK, .text = output);
  for (guint i = 0; i < paths->len; i++)
    {
      DKMS_EMIT (events, SIGNING, .path = shown->pdata[i]);
      /* A file that was signed has changed. */
      if (output == NULL
          || (status != 0
              && (paths->len == 1 || dkms_root_stat (places->root, paths->pdata[i], &st) < 0
                  || dkms_stat_has_signature (&st, before->pdata[i]))))
        DKMS_EMIT (events, SIGN_FAILED, .path = shown->pdata[i], .error = error, .text = output);
    }
}

void
dkms_signer_sign (const DkmsSigner *self, const DkmsPlaces *places, DkmsListener *events, const GPtrArray *paths,
                  const GPtrArray *shown)
{
  guint together = self->tool != NULL ? 1 : MAX (paths->len, 1);

  for (guint i = 0; i < paths->len; i += together)
    {
      g_autoptr (GPtrArray) some = g_ptr_array_new ();
      g_autoptr (GPtrArray) names = g_ptr_array_new ();

      for (guint k = i; k < i + together; k++)
        {
          g_ptr_array_add (some, paths->pdata[k]);
          g_ptr_array_add (names, shown->pdata[k]);
        }
      sign_together (self, places, events, some, names);
    }
}

gboolean
dkms_signer_sign_all (const DkmsSigner *self, const DkmsPlaces *places, DkmsListener *events, const GPtrArray *paths,
                      GError **error)
{
  guint together = self->tool != NULL ? 1 : MAX (paths->len, 1);

  for (guint i = 0; i < paths->len; i += together)
    {
      g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
      struct stat before = { 0 }, after = { 0 };
      int status = 0;

      for (guint k = i; k < i + together; k++)
        g_ptr_array_add (files, path_for_tool (self, places->root, paths->pdata[k]));
      (void)dkms_root_stat (places->root, paths->pdata[i], &before);
      g_autofree char *output = run_tool (self, places, files, &status, error);
      if (output == NULL)
        return FALSE;
      dkms_recall_helper (g_strchomp (output));
      if (status != 0)
        return DKMS_FAIL (error, SIGN_PROGRAM_FAILED, .text = output, .status = status);
      if (*output != '\0')
        DKMS_EMIT (events, SIGNER_REMARK, .text = output);
      /* A tool of the administrator may succeed without a signature. */
      if (dkms_root_stat (places->root, paths->pdata[i], &after) < 0 || after.st_size <= before.st_size)
        return DKMS_FAIL (error, SIGN_PROGRAM_FAILED, .text = N_ ("the signing tool did not sign"));
    }
  return TRUE;
}
