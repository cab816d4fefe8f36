/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conclusions from the policy. */
#include "conf/policy.h"

#include <string.h>

#include "model/inputs.h"

void
dkms_policy_clear (DkmsPolicy *self)
{
  char *texts[] = { self->jobs,
                    self->addon_modules_dir,
                    self->compress_gzip_opts,
                    self->compress_xz_opts,
                    self->compress_zstd_opts,
                    self->post_transaction,
                    self->build_environment,
                    self->signing_key,
                    self->cache_dir,
                    self->cache_exclude,
                    self->cache_environment };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    g_free (texts[i]);
  dkms_remote_policy_clear (&self->remote);
  dkms_distro_free (self->distro);
}

char *
dkms_policy_destination (const DkmsPolicy *self)
{
  if (*self->addon_modules_dir != '\0')
    return g_strconcat ("/", self->addon_modules_dir, NULL);
  return g_strdup (self->distro->family->destination);
}

gboolean
dkms_policy_uses_weak (const DkmsPolicy *self)
{
  return self->distro->weak != DKMS_WEAK_NONE && !self->no_weak_modules;
}

guint
dkms_policy_rebuilds_after (const DkmsPolicy *self)
{
  guint changes = DKMS_STALE_HEADERS | DKMS_STALE_SOURCE | DKMS_STALE_DEPENDS;

  return !self->rebuild ? 0 : self->rebuild_on_compiler ? changes | DKMS_STALE_COMPILER : changes;
}

DkmsSandboxMode
dkms_sandbox_mode_stricter (DkmsSandboxMode a, DkmsSandboxMode b)
{
  if (a == DKMS_SANDBOX_STRICT || b == DKMS_SANDBOX_STRICT)
    return DKMS_SANDBOX_STRICT;
  return a == DKMS_SANDBOX_OFF ? b : a;
}

gboolean
dkms_stubs_mode_parse (const char *word, DkmsStubsMode *mode)
{
  static const char *const words[] = { "auto", "yes", "no" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_ascii_strcasecmp (word, words[i]) == 0)
      {
        *mode = (DkmsStubsMode)i;
        return TRUE;
      }
  return FALSE;
}

gboolean
dkms_forecast_mode_parse (const char *word, DkmsForecastMode *mode)
{
  static const char *const words[] = { "off", "warn", "abort" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (word, words[i]) == 0)
      {
        *mode = (DkmsForecastMode)i;
        return TRUE;
      }
  return FALSE;
}

gboolean
dkms_sandbox_mode_parse (const char *word, DkmsSandboxMode *mode)
{
  static const char *const words[] = { "auto", "strict", "off" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (word, words[i]) == 0)
      {
        *mode = (DkmsSandboxMode)i;
        return TRUE;
      }
  return FALSE;
}
