/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the settings about the build cache on a server. */
#include "conf/remote-policy.h"

#include <string.h>

#include "base/error.h"
#include "conf/key-list.h"
#include "conf/settings-check.h"

typedef struct {
  const char *name;
  char **field;
  gboolean file;
} Text;

enum { TEXTS = 7 };

static void
list_texts (DkmsRemotePolicy *self, Text texts[TEXTS])
{
  const Text all[TEXTS] = { { "cache_url", &self->url, FALSE },
                            { "cache_builder_name", &self->builder, FALSE },
                            { "cache_signing_key", &self->signing_key, TRUE },
                            { "cache_netrc", &self->netrc, TRUE },
                            { "cache_tls_ca", &self->tls_ca, TRUE },
                            { "cache_tls_cert", &self->tls_cert, TRUE },
                            { "cache_tls_key", &self->tls_key, TRUE } };

  memcpy (texts, all, sizeof all);
}

void
dkms_remote_policy_init (DkmsRemotePolicy *self)
{
  Text texts[TEXTS];

  *self = (DkmsRemotePolicy){ .timeout = 30 };
  list_texts (self, texts);
  for (gsize i = 0; i < TEXTS; i++)
    *texts[i].field = g_strdup ("");
}

void
dkms_remote_policy_clear (DkmsRemotePolicy *self)
{
  Text texts[TEXTS];

  list_texts (self, texts);
  for (gsize i = 0; i < TEXTS; i++)
    g_free (*texts[i].field);
}

static gboolean
fail (const DkmsPlaces *places, DkmsError kind, const char *name, const char *text, GError **error)
{
  return dkms_settings_fail (places, &(DkmsErrorInfo){ .kind = kind, .name = name, .text = text }, error);
}

/* The address is printed and stored with builds, so it must not contain a password. */
static gboolean
check_url (const DkmsPlaces *places, const char *url, GError **error)
{
  const char *host = g_str_has_prefix (url, "https://") ? url + 8 : g_str_has_prefix (url, "http://") ? url + 7 : "/";

  if (memchr (host, '@', strcspn (host, "/")) != NULL)
    return fail (places, DKMS_ERROR_SETTING_URL_SECRET, "cache_url", NULL, error);
  for (const char *c = url; *c != '\0'; c++)
    if (!g_ascii_isgraph (*c) || strchr ("?#\"\\<>", *c) != NULL)
      return fail (places, DKMS_ERROR_SETTING_NOT_URL, "cache_url", url, error);
  return *host != '/' && *host != '\0' ? TRUE : fail (places, DKMS_ERROR_SETTING_NOT_URL, "cache_url", url, error);
}

static void
cut_slashes (char *url)
{
  for (gsize length = strlen (url); length > 0 && url[length - 1] == '/'; length--)
    url[length - 1] = '\0';
}

const char *
dkms_remote_policy_limit (DkmsRemotePolicy *self, const char *url)
{
  g_autofree char *own = g_strdup (url);

  cut_slashes (own);
  if (*self->url != '\0' && strcmp (self->url, own) != 0)
    {
      *self->url = '\0';
      return "cache_url";
    }
  if (dkms_key_is_token (self->signing_key))
    {
      *self->signing_key = '\0';
      return "cache_signing_key";
    }
  return NULL;
}

gboolean
dkms_remote_policy_take (DkmsRemotePolicy *self, const DkmsPlaces *places, const DkmsVars *values, GError **error)
{
  Text texts[TEXTS];

  list_texts (self, texts);
  for (gsize i = 0; i < TEXTS; i++)
    {
      const char *value = dkms_vars_get (values, texts[i].name, 0);
      if (*value == '\0')
        continue;
      if (texts[i].file && *value != '/' && !(texts[i].field == &self->signing_key && dkms_key_is_token (value)))
        return fail (places, DKMS_ERROR_SETTING_NOT_ABSOLUTE, texts[i].name, value, error);
      g_free (*texts[i].field);
      *texts[i].field = g_strdup (value);
    }
  if (*self->url != '\0' && !check_url (places, self->url, error))
    return FALSE;
  cut_slashes (self->url);
  self->write = *dkms_vars_get (values, "cache_write", 0) != '\0';
  return dkms_settings_number (places, values, &(DkmsNumberSetting){ "cache_timeout", 1, 3600, &self->timeout }, error)
         && dkms_settings_number (places, values, &(DkmsNumberSetting){ "cache_wait", 0, 86400, &self->wait }, error);
}
