/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parses what dkms-trust prints about certificates. */
#include "verify/certificate.h"

#include <string.h>

#include "base/pairs.h"
#include "store/answers.h"

/* ---- certificates ---- */

void
dkms_certificate_free (DkmsCertificate *self)
{
  if (self == NULL)
    return;
  g_free (self->sha256);
  g_free (self->subject);
  g_free (self->name);
  g_free (self->identifier);
  g_free (self->issuer);
  g_free (self->key);
  g_bytes_unref (self->der);
  g_free (self);
}

gboolean
dkms_certificate_is_on (const DkmsCertificate *self, DkmsKeyList list)
{
  return (self->lists & 1U << list) != 0;
}

void
dkms_certificate_take_key (DkmsCertificate *self, const char *value)
{
  static const struct {
    const char *name, *shown;
  } curves[]
      = { { "prime192v1", "P-192" }, { "prime256v1", "P-256" }, { "secp384r1", "P-384" }, { "secp521r1", "P-521" } };
  const char *rest = strchr (value, ' ') != NULL ? strchr (value, ' ') + 1 : "", *shown = rest;

  self->facts.is_rsa = g_str_has_prefix (value, "rsa ");
  self->facts.is_elliptic = g_str_has_prefix (value, "ec ");
  if (self->facts.is_rsa)
    self->facts.bits = (guint)g_ascii_strtoull (rest, NULL, 10);
  for (gsize i = 0; self->facts.is_elliptic && i < G_N_ELEMENTS (curves); i++)
    if (strcmp (rest, curves[i].name) == 0)
      {
        self->facts.known_curve = TRUE;
        self->facts.is_p521 = strcmp (shown = curves[i].shown, "P-521") == 0;
      }
  g_free (self->key);
  self->key = self->facts.is_rsa        ? g_strconcat ("RSA ", rest, NULL)
              : self->facts.is_elliptic ? g_strconcat ("EC ", shown, NULL)
                                        : g_strdup (value);
}

static void
take_flags (DkmsCertificate *self, const char *value)
{
  const struct {
    const char *word;
    gboolean *field;
  } flags[] = { { "ca", &self->facts.is_ca },
                { "signs-certificates", &self->facts.signs_certificates },
                { "signs-data", &self->facts.signs_data },
                { "odd-signature", &self->facts.odd_self_signature },
                { "md5-signature", &self->facts.md5_self_signature } };
  g_auto (GStrv) words = g_strsplit (value, " ", -1);

  for (gsize i = 0; i < G_N_ELEMENTS (flags); i++)
    *flags[i].field = g_strv_contains ((const char *const *)words, flags[i].word);
}

static void
take_pair (DkmsCertificate *self, const char *key, const char *value)
{
  const struct {
    const char *key;
    char **field;
  } texts[] = { { "subject", &self->subject },
                { "name", &self->name },
                { "issuer", &self->issuer },
                { "identifier", &self->identifier } };
  const struct {
    const char *key;
    gint64 *field;
  } times[] = { { "begins", &self->begins }, { "ends", &self->ends } };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    if (strcmp (key, texts[i].key) == 0 && *value != '\0')
      dkms_replace_text (texts[i].field, value);
  for (gsize i = 0; i < G_N_ELEMENTS (times); i++)
    if (strcmp (key, times[i].key) == 0)
      *times[i].field = g_ascii_strtoll (value, NULL, 10);
  if (strcmp (key, "key") == 0)
    dkms_certificate_take_key (self, value);
  else if (strcmp (key, "flags") == 0)
    take_flags (self, value);
  else if (strcmp (key, "der") == 0)
    {
      GBytes *der = dkms_bytes_of_hex (value);
      if (der == NULL)
        return;
      g_bytes_unref (self->der);
      self->der = der;
    }
}

/* Fills in what every certificate has. */
static void
complete (DkmsCertificate *self)
{
  if (self->subject == NULL)
    self->subject = g_strdup ("");
  if (self->name == NULL)
    self->name = g_strdup (self->subject);
  if (self->key == NULL)
    self->key = g_strdup ("unknown");
}

/* ---- lists ---- */

static void
list_free (gpointer data)
{
  DkmsCertificateList *self = data;

  g_ptr_array_unref (self->certificates);
  g_ptr_array_unref (self->hashes);
  g_free (self->error);
  g_free (self);
}

/* Reads what the helper printed about one file, at @at; moves @at behind it. */
static DkmsCertificateList *
read_one (const char **at, const char *end)
{
  DkmsCertificateList *self = g_new0 (DkmsCertificateList, 1);
  DkmsCertificate *certificate = NULL;
  gboolean ended = FALSE;
  const char *key, *value;

  self->certificates = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_certificate_free);
  self->hashes = g_ptr_array_new_with_free_func (g_free);
  while (!ended && dkms_pairs_next (at, end, &key, &value))
    if (strcmp (key, "certificate") == 0)
      {
        certificate = g_new0 (DkmsCertificate, 1);
        certificate->sha256 = g_strdup (value);
        certificate->der = g_bytes_new (NULL, 0);
        g_ptr_array_add (self->certificates, certificate);
      }
    else if (strcmp (key, "hash") == 0)
      g_ptr_array_add (self->hashes, g_strdup (value));
    else if (strcmp (key, "error") == 0 && self->error == NULL)
      self->error = g_strdup (value);
    else if (strcmp (key, "end") == 0)
      ended = TRUE;
    else if (certificate != NULL)
      take_pair (certificate, key, value);
  if (!ended && self->error == NULL)
    self->error = g_strdup ("the helper failed");
  for (guint i = 0; i < self->certificates->len; i++)
    complete (self->certificates->pdata[i]);
  return self;
}

GPtrArray *
dkms_certificates_read (const DkmsPlaces *places, const char *name, const GPtrArray *inputs, GError **error)
{
  static const char *const argv[] = { "dkms-trust", "certificates", NULL };
  GPtrArray *lists = g_ptr_array_new_with_free_func (list_free);
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  g_autoptr (GBytes) answer = NULL;
  const char *at, *end;

  if (inputs->len > 0)
    {
      answer = dkms_answers_ask_with (places, name, argv, inputs, none, error);
      if (answer == NULL)
        return g_ptr_array_unref (lists), NULL;
    }
  if (answer == NULL)
    return lists;
  at = dkms_pairs_begin (answer, &end);
  for (guint i = 0; i < inputs->len; i++)
    g_ptr_array_add (lists, read_one (&at, end));
  return lists;
}

/* UEFI Specification, "Signature Database". Each certificate has a list of its own, because the entries of a list have
 * one size. */
GBytes *
dkms_certificates_join (const GPtrArray *certificates)
{
  static const guint8 type[]
      = { 0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72 },
      owner[16] = { 0 };
  GByteArray *list = g_byte_array_new ();

  for (guint i = 0; i < certificates->len; i++)
    {
      gsize size;
      const guint8 *data = g_bytes_get_data (certificates->pdata[i], &size);
      const guint32 entry = (guint32)(sizeof owner + size),
                    header[] = { GUINT32_TO_LE ((guint32)(sizeof type + 12 + entry)), 0, GUINT32_TO_LE (entry) };

      g_byte_array_append (list, type, sizeof type);
      g_byte_array_append (list, (const guint8 *)header, sizeof header);
      g_byte_array_append (list, owner, sizeof owner);
      g_byte_array_append (list, data, (guint)size);
    }
  return g_byte_array_free_to_bytes (list);
}
