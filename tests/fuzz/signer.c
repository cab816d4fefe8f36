/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: a letter and a text, as dkms and dkms-entry read it:
 *   k  a public key of minisign
 *   s  a signature file about a text of this target
 *   t  the file cache-trust
 * Findings: a crash; a key with two forms; a signature that fits, but is not the one that was made; signers or digests
 * that others could not compare. */
#define _GNU_SOURCE
#include <string.h>

#include "fuzz.h"
#include "helpers/minisign.h"
#include "share/trust.h"

static const char key_text[] = "RWT/9XCX+ze6osFp6zg8IQKJ7IH7scRoUHHW78e7qEmEJkc9DqMwxXfH", about[] = "{\"format\":1}\n",
                  signature[]
                  = "RWT/9XCX+ze6osgYonGXCOi7ffW5GoY7fyCMc38BSeVgVf7krbScDG5U6G34Wr7bdf3NZuF9lzbzUGGe0hT6NO4f"
                    "eYZyzs3WmQQ=";

static void
read_key (const char *text)
{
  MinisignKey key;
  char again[MINISIGN_KEY_TEXT + 1], name[MINISIGN_NAME + 1];

  if (!minisign_key_read (&key, text))
    return;
  minisign_key_write (&key, again);
  minisign_key_name (&key, name);
  g_assert (strcmp (again, text) == 0 && strlen (name) == MINISIGN_NAME);
}

static void
read_signature (const uint8_t *bytes, size_t size)
{
  MinisignKey key;

  g_assert (minisign_key_read (&key, key_text));
  if (minisign_verify (&key, about, strlen (about), bytes, size) == NULL)
    g_assert (memmem (bytes, size, signature, strlen (signature)) != NULL);
}

static void
read_trust (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsTrust) trust = dkms_trust_parse (text, strlen (text), "file", &error);

  g_assert ((trust == NULL) == (error != NULL));
  if (trust == NULL)
    return;
  g_assert (trust->require >= 1 && (trust->require == 1 || trust->require <= trust->signers->len));
  for (guint i = 0; i < trust->signers->len; i++)
    {
      const DkmsCacheSigner *signer = trust->signers->pdata[i];
      MinisignKey key;
      char name[MINISIGN_NAME + 1];
      /* dkms-entry must read the same key. */
      g_assert (minisign_key_read (&key, signer->key));
      minisign_key_name (&key, name);
      g_assert (strcmp (name, signer->id) == 0);
      (void)dkms_cache_signer_may_build (signer, "module");
    }
  for (guint i = 0; i < trust->denied->len; i++)
    g_assert (strlen (trust->denied->pdata[i]) == 64 && strspn (trust->denied->pdata[i], "0123456789abcdef") == 64);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree uint8_t *exact = NULL;
  g_autofree char *text = NULL;
  FuzzInput input = { data, size };
  char letter = (char)fuzz_byte (&input);

  fuzz_begin ();
  exact = g_memdup2 (input.data, input.size); /* so that a byte too far is noticed */
  text = g_strndup ((const char *)input.data, input.size);
  switch (letter)
    {
    case 'k':
      read_key (text);
      return 0;
    case 's':
      read_signature (exact, input.size);
      return 0;
    case 't':
      read_trust (text);
      return 0;
    default:
      return -1; /* not added to the corpus */
    }
}
