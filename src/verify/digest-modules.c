/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks digests up as the kernel does: it asks modprobe for the alias "crypto-NAME". */
#include "verify/digest-modules.h"

#include "verify/lookup.h"

static void
names_unref (gpointer names)
{
  if (names != NULL)
    g_ptr_array_unref (names);
}

DkmsDigestModules *
dkms_digest_modules_new (const DkmsPlaces *places, const char *release)
{
  DkmsDigestModules *self = g_new0 (DkmsDigestModules, 1);

  self->places = places;
  self->release = release;
  self->found = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, names_unref);
  return self;
}

void
dkms_digest_modules_free (DkmsDigestModules *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->found);
  g_free (self);
}

/* Returns: (transfer full) (nullable) */
static GPtrArray *
look_up (const DkmsDigestModules *self, const char *digest)
{
  g_autofree char *alias = g_strconcat ("crypto-", digest, NULL), *what = g_strconcat ("digest-", digest, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GError) ignored = NULL; /* verify reports indexes that cannot be read */

  g_ptr_array_add (names, alias);
  g_autoptr (GPtrArray) found = dkms_lookup_remembered (self->places, self->release, what, names, &ignored);
  return found != NULL ? g_ptr_array_ref (((const DkmsModuleLookup *)found->pdata[0])->modules) : NULL;
}

const GPtrArray *
dkms_digest_modules_find (const DkmsDigestModules *self, const DkmsSigningOptions *options, const char *digest)
{
  g_autofree char *name = g_ascii_strdown (digest, -1);
  gpointer known;

  if (dkms_signing_options_have (options, name, FALSE) != DKMS_YES
      || dkms_signing_options_have (options, name, TRUE) != DKMS_NO)
    return NULL;
  if (g_hash_table_lookup_extended (self->found, name, NULL, &known))
    return known;
  GPtrArray *names = look_up (self, name);
  g_hash_table_insert (self->found, g_steal_pointer (&name), names);
  return names;
}

DkmsKnown
dkms_digest_modules_have (const DkmsDigestModules *self, const DkmsSigningOptions *options, const char *digest)
{
  const GPtrArray *names = dkms_digest_modules_find (self, options, digest);

  return names != NULL && names->len == 0 ? DKMS_NO : dkms_signing_options_have (options, digest, FALSE);
}
