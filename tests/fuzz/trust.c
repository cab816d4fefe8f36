/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: a letter and a file, as dkms-trust reads it:
 *   l  a list of certificates, or an EFI variable with one
 *   s  a module file with a signature
 * Findings: a crash; an entry outside of the file; a signature without a known key that matches; signatures that are
 * not cut off. */
#include <string.h>

#include "fuzz.h"
#include "helpers/trust-list.h"
#include "helpers/trust-signature.h"

static void
note (TrustKind kind, const unsigned char *bytes, size_t size, void *user)
{
  const unsigned char *at = bytes;
  unsigned sum = 0;

  for (size_t i = 0; i < size; i++) /* reads all of it */
    sum += bytes[i];
  *(unsigned *)user += sum;
  if (kind == TRUST_CERTIFICATE)
    X509_free (d2i_X509 (NULL, &at, (long)size));
  else
    g_assert (size == 32);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree uint8_t *exact = NULL;
  FuzzInput input = { data, size };
  char letter = (char)fuzz_byte (&input);
  unsigned sum = 0;

  fuzz_begin ();
  exact = g_memdup2 (input.data, input.size); /* so that a byte too far is noticed */
  if (letter == 'l')
    (void)trust_list_read (exact, input.size, note, &sum);
  else if (letter == 's')
    {
      STACK_OF (X509) *none = sk_X509_new_null ();
      TrustSignature signature;
      TrustSigner signer;
      trust_signature_read (exact, input.size, &signature);
      g_assert (signature.content <= input.size && (signature.cms == NULL || signature.is_signed));
      for (int i = 0; signature.error == 0 && trust_signature_check (&signature, exact, none, i, &signer); i++)
        g_assert (!signer.matches && signer.certificate == -1);
      unsigned count;
      size_t rest = trust_signature_cut (exact, input.size, &count);
      g_assert (rest <= input.size && (signature.is_signed ? rest == 0 || count > 0 : rest == input.size));
      g_assert (signature.cms == NULL || rest <= signature.content);
      trust_signature_clear (&signature);
      sk_X509_free (none);
    }
  else
    return -1; /* not added to the corpus */
  return 0;
}
