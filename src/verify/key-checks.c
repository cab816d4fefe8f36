/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Examines the files of a key pair, and the certificates that are enrolled. */
#include "verify/key-checks.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/unread.h"
#include "build/sign.h"

enum { SOON = 60 * 24 * 3600 };

static void
warn (DkmsListener *events, char *text)
{
  DKMS_EMIT (events, SECURE_WARNING, .text = text);
  g_free (text);
}

/* ---- the certificate ---- */

static void
check_validity (DkmsListener *events, const DkmsOwnKey *key)
{
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  const DkmsCertificate *own = key->own;
  g_autofree char *ends = dkms_date_of (own->ends), *begins = dkms_date_of (own->begins);

  if (own->ends < now)
    warn (events, DKMS_SAY (HAS_EXPIRED, .path = key->certificate, .text = ends));
  else if (own->ends < now + SOON)
    warn (events, DKMS_SAY (EXPIRES_SOON, .path = key->certificate, .text = ends));
  if (own->begins > now)
    warn (events, DKMS_SAY (NOT_YET_VALID, .path = key->certificate, .text = begins));
}

/* Kernels find the certificate of a signer by its issuer and serial number. */
static void
check_twins (DkmsListener *events, const DkmsTrustReading *trust)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < trust->certificates->len; i++)
    {
      const DkmsCertificate *certificate = trust->certificates->pdata[i];
      if (certificate->known && certificate->issuer != NULL && !g_hash_table_add (seen, certificate->issuer))
        warn (events, DKMS_SAY (TWINS, .text = certificate->name));
    }
}

static void
check_form (const DkmsSettings *settings, DkmsListener *events, const DkmsOwnKey *key)
{
  static const char pem[] = "-----BEGIN";
  g_autofree char *content = dkms_root_read (settings->places.root, key->certificate, 1 << 20, NULL, NULL);

  if (content != NULL && g_str_has_prefix (content, pem))
    warn (events, DKMS_SAY (CERTIFICATE_IN_PEM, .path = key->certificate));
}

/* ---- the key ---- */

static void
check_key (const DkmsSettings *settings, DkmsListener *events, const DkmsOwnKey *key)
{
  const DkmsRoot *root = settings->places.root;
  g_autoptr (GError) error = NULL;
  struct stat st;

  if (key->key == NULL || g_str_has_prefix (key->key, "pkcs11:") || dkms_root_stat (root, key->key, &st) < 0)
    return;
  if ((st.st_mode & 077) != 0)
    {
      g_autofree char *mode = g_strdup_printf ("%04o", (guint)st.st_mode & 07777);
      warn (events, DKMS_SAY (KEY_OPEN, .path = key->key, .text = mode));
    }
  if (key->own != NULL && !dkms_signer_check_pair (&settings->places, key->key, key->certificate, &error))
    warn (events, g_strdup (error->message));
}

static void
check_hash (DkmsListener *events, const DkmsTrustReading *trust, const char *hash)
{
  const DkmsId id = { .kernel = trust->release };

  if (dkms_signing_options_have (&trust->options, hash, FALSE) == DKMS_NO)
    warn (events, DKMS_SAY (HASH_UNUSABLE, .id = id, .text = hash));
  else if (dkms_signing_options_have (&trust->options, hash, TRUE) == DKMS_NO)
    warn (events, DKMS_SAY (HASH_BY_MODULE, .id = id, .text = hash));
}

void
dkms_key_checks (const DkmsSettings *settings, DkmsListener *events, const DkmsTrustReading *trust, const char *hash)
{
  guint mark = dkms_unread_mark ();

  for (guint i = 0; i < trust->keys->len; i++)
    {
      const DkmsOwnKey *key = trust->keys->pdata[i];
      if (key->own != NULL)
        {
          check_validity (events, key);
          check_form (settings, events, key);
          if (key->own->facts.revoked && key->own->trust != DKMS_TRUST_REVOKED)
            warn (events, DKMS_SAY (FORBIDDEN_UNREAD, .path = key->certificate));
        }
      check_key (settings, events, key);
    }
  if (hash != NULL && *hash != '\0')
    check_hash (events, trust, hash);
  check_twins (events, trust);
  if (trust->policy.others != NULL)
    warn (events, DKMS_SAY (OTHERS_DECIDE, .id = { .kernel = trust->release }, .text = trust->policy.others));
  dkms_unread_drop (mark); /* a warning that is missing is no failure */
}
