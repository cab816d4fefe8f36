/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and verifies signatures of modules with libcrypto. */
#include "helpers/trust-signature.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static const char magic[] = "~Module signature appended~\n";
enum {
  MAGIC = sizeof magic - 1,
  DESCRIPTION = 12,
  TYPE_AT = 2,
  NAME_AT = 3,
  IDENTIFIER_AT = 4,
  LENGTH_AT = 8,
  CMS_TYPE = 2,
  LONGEST = 65535
};

/* Returns: errno with which kernels refuse this message */
static int
look_at (CMS_ContentInfo *cms)
{
  ASN1_OCTET_STRING **content = CMS_get0_content (cms);
  STACK_OF (CMS_SignerInfo) *signers = CMS_get0_SignerInfos (cms);

  if (OBJ_obj2nid (CMS_get0_type (cms)) != NID_pkcs7_signed || signers == NULL)
    return EBADMSG;
  if (content != NULL && *content != NULL)
    return EBADMSG; /* the kernel wants the content outside of the message */
  for (int i = 0; i < sk_CMS_SignerInfo_num (signers); i++)
    if (CMS_signed_get_attr_count (sk_CMS_SignerInfo_value (signers, i)) >= 0)
      return EKEYREJECTED; /* signed attributes */
  return 0;
}

void
trust_signature_read (const unsigned char *bytes, size_t size, TrustSignature *to)
{
  *to = (TrustSignature){ .content = size };
  if (size <= MAGIC || memcmp (bytes + size - MAGIC, magic, MAGIC) != 0)
    return;
  to->is_signed = true;
  to->error = EBADMSG;
  if (size <= MAGIC + DESCRIPTION)
    return;
  const unsigned char *description = bytes + size - MAGIC - DESCRIPTION, *message;
  size_t left = size - MAGIC - DESCRIPTION, length = 0;
  for (int i = 0; i < 4; i++)
    length = length << 8 | description[LENGTH_AT + i];
  if (length >= left)
    return;
  if (description[TYPE_AT] != CMS_TYPE)
    {
      to->other_type = true;
      to->error = 0;
      return;
    }
  for (int i = 0; i < LENGTH_AT; i++)
    if (i != TYPE_AT && description[i] != 0)
      return; /* kernels want zeros */
  to->content = left - length;
  if (length > LONGEST)
    {
      to->error = EMSGSIZE;
      return;
    }
  message = bytes + to->content;
  to->cms = d2i_CMS_ContentInfo (NULL, &message, (long)length);
  to->error = to->cms != NULL ? look_at (to->cms) : EBADMSG;
}

void
trust_signature_clear (TrustSignature *self)
{
  CMS_ContentInfo_free (self->cms);
  self->cms = NULL;
}

size_t
trust_signature_cut (const unsigned char *bytes, size_t size, unsigned *count)
{
  for (*count = 0; size > MAGIC && memcmp (bytes + size - MAGIC, magic, MAGIC) == 0; ++*count)
    {
      if (size < MAGIC + DESCRIPTION)
        return 0;
      size_t left = size - MAGIC - DESCRIPTION, length = 0;
      const unsigned char *description = bytes + left;

      for (int i = 0; i < 4; i++)
        length = length << 8 | description[LENGTH_AT + i];
      /* Before Linux 4.4, the name of the signer and the identifier of its key preceded the signature. */
      length += (size_t)description[NAME_AT] + description[IDENTIFIER_AT];
      if (length >= left)
        return 0;
      size = left - length;
    }
  return size;
}

/* ---- signers ---- */

/* Returns: whether the key of @certificate signed: kernels compare the issuer and the serial number, or the key
 * identifier */
static bool
is_named (CMS_SignerInfo *info, X509 *certificate)
{
  return CMS_SignerInfo_cert_cmp (info, certificate) == 0;
}

/* Returns: whether @certificate names @issuer. Kernels need an authority key identifier, and compare all that is in it
 */
static bool
names_issuer (X509 *certificate, X509 *issuer)
{
  const ASN1_OCTET_STRING *wanted = X509_get0_authority_key_id (certificate), *has = X509_get0_subject_key_id (issuer);
  const ASN1_INTEGER *serial = X509_get0_authority_serial (certificate);
  const GENERAL_NAMES *names = X509_get0_authority_issuer (certificate);

  if (wanted == NULL && serial == NULL)
    return false;
  if (wanted != NULL && (has == NULL || ASN1_OCTET_STRING_cmp (wanted, has) != 0))
    return false;
  if (serial == NULL)
    return true;
  const GENERAL_NAME *name = sk_GENERAL_NAME_num (names) == 1 ? sk_GENERAL_NAME_value (names, 0) : NULL;
  return name != NULL && name->type == GEN_DIRNAME && ASN1_INTEGER_cmp (serial, X509_get0_serialNumber (issuer)) == 0
         && X509_NAME_cmp (name->d.directoryName, X509_get_issuer_name (issuer)) == 0;
}

/* Returns: the index in @certificates of the one that issued @certificate; -1 */
static int
find_issuer (STACK_OF (X509) * certificates, X509 *certificate)
{
  for (int i = 0; i < sk_X509_num (certificates); i++)
    {
      X509 *issuer = sk_X509_value (certificates, i);
      EVP_PKEY *key = X509_get0_pubkey (issuer);

      if (key != NULL && names_issuer (certificate, issuer) && X509_verify (certificate, key) == 1)
        return i;
    }
  return -1;
}

/* Finds the certificate of the signer. @index: (out): that of the given certificate which it stands for; -1: none.
 * @carried: (out): it is in the message. Returns: (transfer full) (nullable) */
static X509 *
find_certificate (const TrustSignature *self, CMS_SignerInfo *info, STACK_OF (X509) * certificates, int *index,
                  bool *carried)
{
  STACK_OF (X509) *inside = CMS_get1_certs (self->cms);
  X509 *found = NULL;

  *index = -1;
  for (int i = 0; i < sk_X509_num (inside) && found == NULL; i++)
    if (is_named (info, sk_X509_value (inside, i)))
      found = sk_X509_value (inside, i);
  *carried = found != NULL;
  for (int i = 0; i < sk_X509_num (certificates) && *index < 0; i++)
    if (is_named (info, sk_X509_value (certificates, i)))
      {
        found = *carried ? found : sk_X509_value (certificates, i);
        *index = i;
      }
  if (*carried && *index < 0)
    *index = find_issuer (certificates, found);
  if (found != NULL && X509_up_ref (found) != 1)
    found = NULL;
  sk_X509_pop_free (inside, X509_free);
  return found;
}

void
trust_key_text (X509 *certificate, char *text, size_t size)
{
  EVP_PKEY *key = X509_get0_pubkey (certificate);
  char curve[48] = "";
  int kind = key != NULL ? EVP_PKEY_get_base_id (key) : NID_undef;

  if (kind == EVP_PKEY_RSA)
    (void)snprintf (text, size, "rsa %d", EVP_PKEY_get_bits (key));
  else if (kind == EVP_PKEY_EC && EVP_PKEY_get_group_name (key, curve, sizeof curve, NULL) == 1)
    (void)snprintf (text, size, "ec %s", curve);
  else
    (void)snprintf (text, size, "%s", kind != NID_undef && OBJ_nid2sn (kind) != NULL ? OBJ_nid2sn (kind) : "unknown");
}

static bool
verify (X509 *certificate, const EVP_MD *digest, const ASN1_OCTET_STRING *signature, const unsigned char *bytes,
        size_t size)
{
  EVP_PKEY *key = X509_get0_pubkey (certificate);
  EVP_MD_CTX *context = EVP_MD_CTX_new ();
  bool good = key != NULL && context != NULL && EVP_DigestVerifyInit (context, NULL, digest, NULL, key) == 1
              && EVP_DigestVerify (context, ASN1_STRING_get0_data (signature), (size_t)ASN1_STRING_length (signature),
                                   bytes, size)
                     == 1;

  EVP_MD_CTX_free (context);
  return good;
}

bool
trust_signature_check (const TrustSignature *self, const unsigned char *bytes, STACK_OF (X509) * certificates,
                       int signer, TrustSigner *to)
{
  STACK_OF (CMS_SignerInfo) *signers = self->cms != NULL ? CMS_get0_SignerInfos (self->cms) : NULL;
  CMS_SignerInfo *info = signer < sk_CMS_SignerInfo_num (signers) ? sk_CMS_SignerInfo_value (signers, signer) : NULL;
  X509_ALGOR *digest = NULL, *algorithm = NULL;
  const ASN1_OBJECT *oid = NULL;

  if (info == NULL)
    return false;
  CMS_SignerInfo_get0_algs (info, NULL, NULL, &digest, &algorithm);
  X509_ALGOR_get0 (&oid, NULL, NULL, digest);
  int nid = OBJ_obj2nid (oid);
  X509_ALGOR_get0 (&oid, NULL, NULL, algorithm);
  *to = (TrustSigner){ .digest = OBJ_nid2sn (nid), .is_pss = OBJ_obj2nid (oid) == NID_rsassaPss, .certificate = -1 };
  bool carried;
  X509 *certificate = find_certificate (self, info, certificates, &to->certificate, &carried);
  const EVP_MD *md = EVP_get_digestbynid (nid);
  if (certificate != NULL && md != NULL && !to->is_pss)
    {
      to->matches = verify (certificate, md, CMS_SignerInfo_get0_signature (info), bytes, self->content);
      to->refuted = carried && !to->matches;
    }
  if (carried && certificate != NULL)
    trust_key_text (certificate, to->key, sizeof to->key);
  X509_free (certificate);
  return true;
}
