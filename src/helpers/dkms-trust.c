/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads certificates and signatures of modules. It needs no private key.
 *
 * dkms-trust certificates FILE...: prints pairs "key NUL value NUL" about the certificates and hashes in each FILE,
 * which is in PEM or DER form, or contains EFI signature lists:
 *
 *   certificate  its SHA-256 in hexadecimal: the first pair of each certificate
 *   subject      its name, in one line
 *   name         the common name in it, if it has one
 *   identifier   its key identifier in hexadecimal, or empty
 *   key          "rsa BITS", "ec CURVE", or another name
 *   flags        words: "ca", "signs-certificates", "signs-data", "odd-signature" (it signs itself with an algorithm
 *                that kernels refuse), "md5-signature" (it signs itself with MD5 or MD4)
 *   begins, ends times of its validity, in seconds since 1970
 *   issuer       SHA-256 of its issuer and serial number, which name it in signatures
 *   der          the certificate in hexadecimal
 *   hash, tbs    SHA-256 of a file, or of the signed part of a certificate, in hexadecimal
 *
 * dkms-trust signature CERTIFICATES FILE...: for each module file, which may be compressed:
 *
 *   sha256       of the uncompressed file, in hexadecimal
 *   unsigned     an empty value: it has no signature
 *   refused      the name of the errno with which kernels refuse the form of its signature; "ENOPKG": another type
 *   signer       "DIGEST pss|plain NUMBER matches|differs|refuted [KEY]": NUMBER is that of the certificate in
 *                CERTIFICATES, from 0, or -. If the message contains the certificate of the signer, KEY is the kind of
 *                its key, and "refuted": it shows that the signature does not fit
 *
 * dkms-trust cut CERTIFICATES [+ CERTIFICATES]... FILE OUT [FILE OUT]...: writes each module, uncompressed and without
 * its signatures, to the new file OUT. Prints as "signature", about the last one, and:
 *
 *   cut          number of signatures that were cut off
 *
 * All: "error": why a file cannot be read, and "end": the last pair of each file. All files are opened first. Then the
 * process drops its privileges, and sets limits on time and memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helpers/drop-rights.h"
#include "helpers/facts-out.h"
#include "helpers/memory-file.h"
#include "helpers/trust-list.h"
#include "helpers/trust-signature.h"
#include "helpers/write-all.h"

enum { MOST_SECONDS = 60 };

static void
put_hex (const char *key, const unsigned char *bytes, size_t size)
{
  fputs (key, stdout);
  fputc ('\0', stdout);
  for (size_t i = 0; i < size; i++)
    fprintf (stdout, "%02x", bytes[i]);
  fputc ('\0', stdout);
}

/* ---- certificates ---- */

static void
put_time (const char *key, const ASN1_TIME *time)
{
  struct tm parts;
  char text[32];

  if (time == NULL || ASN1_TIME_to_tm (time, &parts) != 1)
    return;
  (void)snprintf (text, sizeof text, "%lld", (long long)timegm (&parts));
  facts_put (key, text);
}

static void
put_subject (X509 *certificate)
{
  BIO *text = BIO_new (BIO_s_mem ());
  char *bytes = NULL;

  if (text != NULL
      && X509_NAME_print_ex (text, X509_get_subject_name (certificate), 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB)
             >= 0)
    {
      long length = BIO_get_mem_data (text, &bytes);
      fputs ("subject", stdout);
      fputc ('\0', stdout);
      for (long i = 0; i < length; i++)
        if (bytes[i] != '\0')
          fputc (bytes[i], stdout);
      fputc ('\0', stdout);
    }
  BIO_free (text);
}

static void
put_name (X509 *certificate)
{
  const X509_NAME *subject = X509_get_subject_name (certificate);
  int at = X509_NAME_get_index_by_NID (subject, NID_commonName, -1);
  unsigned char *text = NULL;

  if (at >= 0 && ASN1_STRING_to_UTF8 (&text, X509_NAME_ENTRY_get_data (X509_NAME_get_entry (subject, at))) >= 0)
    facts_put ("name", (const char *)text);
  OPENSSL_free (text);
}

/* Kernels find the certificate of a signer by its issuer and serial number. */
static void
put_issuer (X509 *certificate)
{
  unsigned char *issuer = NULL, *serial = NULL;
  int a = i2d_X509_NAME (X509_get_issuer_name (certificate), &issuer),
      b = i2d_ASN1_INTEGER (X509_get_serialNumber (certificate), &serial);
  unsigned char *both = a > 0 && b > 0 ? malloc ((size_t)a + (size_t)b) : NULL;

  if (both != NULL)
    {
      memcpy (both, issuer, (size_t)a);
      memcpy (both + a, serial, (size_t)b);
      facts_put_digest ("issuer", both, (size_t)a + (size_t)b, NULL);
    }
  free (both);
  OPENSSL_free (issuer);
  OPENSSL_free (serial);
}

static void
put_key (X509 *certificate)
{
  char text[80];

  trust_key_text (certificate, text, sizeof text);
  facts_put ("key", text);
}

/* Returns: the flag for a certificate that signs itself with an algorithm that some or all kernels refuse; "" */
static const char *
own_signature (X509 *certificate)
{
  int nid = X509_get_signature_nid (certificate), digest = NID_undef, algorithm = NID_undef;

  if (X509_check_issued (certificate, certificate) != X509_V_OK)
    return "";
  if (nid == NID_rsassaPss || OBJ_find_sigid_algs (nid, &digest, &algorithm) != 1)
    return "odd-signature ";
  return digest == NID_md5 || digest == NID_md4 ? "md5-signature " : "";
}

static void
put_certificate (const unsigned char *bytes, size_t size)
{
  const unsigned char *at = bytes;
  X509 *certificate = d2i_X509 (NULL, &at, (long)size);
  const ASN1_OCTET_STRING *identifier;

  if (certificate == NULL)
    {
      facts_put ("error", "a certificate cannot be read");
      return;
    }
  facts_put_digest ("certificate", bytes, (size_t)(at - bytes), NULL); /* lists may contain bytes behind it */
  put_subject (certificate);
  put_name (certificate);
  put_issuer (certificate);
  identifier = X509_get0_subject_key_id (certificate);
  put_hex ("identifier", identifier != NULL ? ASN1_STRING_get0_data (identifier) : NULL,
           identifier != NULL ? (size_t)ASN1_STRING_length (identifier) : 0);
  put_key (certificate);
  uint32_t usage = X509_get_key_usage (certificate);
  bool all = usage == UINT32_MAX; /* no restriction */
  fputs ("flags", stdout);
  fputc ('\0', stdout);
  fprintf (stdout, "%s%s%s%s", (X509_get_extension_flags (certificate) & EXFLAG_CA) != 0 ? "ca " : "",
           !all && (usage & KU_KEY_CERT_SIGN) != 0 ? "signs-certificates " : "",
           !all && (usage & KU_DIGITAL_SIGNATURE) != 0 ? "signs-data " : "", own_signature (certificate));
  fputc ('\0', stdout);
  put_time ("begins", X509_get0_notBefore (certificate));
  put_time ("ends", X509_get0_notAfter (certificate));
  put_hex ("der", bytes, (size_t)(at - bytes));
  X509_free (certificate);
}

static void
put_entry (TrustKind kind, const unsigned char *bytes, size_t size, void *user)
{
  if (kind == TRUST_CERTIFICATE)
    put_certificate (bytes, size);
  else
    put_hex (kind == TRUST_HASH ? "hash" : "tbs", bytes, size);
}

/* ---- signatures ---- */

static void
add_certificate (TrustKind kind, const unsigned char *bytes, size_t size, void *user)
{
  X509 *certificate = kind == TRUST_CERTIFICATE ? d2i_X509 (NULL, &bytes, (long)size) : NULL;

  if (certificate != NULL && sk_X509_push (user, certificate) == 0)
    X509_free (certificate);
}

static const char *
name_of (int code)
{
  return code == EMSGSIZE ? "EMSGSIZE" : code == EKEYREJECTED ? "EKEYREJECTED" : "EBADMSG";
}

static void
put_signers (const TrustSignature *signature, const unsigned char *bytes, STACK_OF (X509) * certificates)
{
  TrustSigner signer;

  for (int i = 0; trust_signature_check (signature, bytes, certificates, i, &signer); i++)
    {
      char number[16] = "-";
      if (signer.certificate >= 0)
        (void)snprintf (number, sizeof number, "%d", signer.certificate);
      fputs ("signer", stdout);
      fputc ('\0', stdout);
      fprintf (stdout, "%s %s %s %s%s%s", signer.digest, signer.is_pss ? "pss" : "plain", number,
               signer.refuted                              ? "refuted"
               : signer.matches && signer.certificate >= 0 ? "matches"
                                                           : "differs",
               *signer.key != '\0' ? " " : "", signer.key);
      fputc ('\0', stdout);
    }
}

/* Returns: (nullable): the uncompressed content of the file @fd */
static const unsigned char *
map_plain (int fd, size_t *size)
{
  const unsigned char *bytes = memory_file_map (fd, size);
  UnpackFunc unpack = bytes != NULL ? unpack_find (bytes, *size) : NULL;
  size_t rest;

  if (unpack == NULL)
    return bytes;
  int plain = memory_file_unpack (unpack, bytes, *size, &rest);
  return plain >= 0 ? memory_file_map (plain, size) : NULL;
}

static void
put_signature (const unsigned char *bytes, size_t size, STACK_OF (X509) * certificates)
{
  TrustSignature signature;

  facts_put_digest ("sha256", bytes, size, NULL);
  trust_signature_read (bytes, size, &signature);
  if (!signature.is_signed)
    facts_put ("unsigned", "");
  else if (signature.other_type)
    facts_put ("refused", "ENOPKG");
  else if (signature.error != 0)
    facts_put ("refused", name_of (signature.error));
  else
    put_signers (&signature, bytes, certificates);
  trust_signature_clear (&signature);
}

/* Writes the module in @bytes without its signatures to @out. Returns: (nullable): why it cannot */
static const char *
cut (const unsigned char *bytes, size_t size, int out)
{
  unsigned count;
  size_t rest = trust_signature_cut (bytes, size, &count);
  char number[16];

  if (rest == 0)
    return "its signature is damaged";
  if (rest < 4 || memcmp (bytes, "\177ELF", 4) != 0)
    return "it is not a module";
  if (!write_all (out, bytes, rest))
    return "a copy of it cannot be written";
  (void)snprintf (number, sizeof number, "%u", count);
  facts_put ("cut", number);
  return NULL;
}

/* @out: -1: the signature is only read. Returns: (nullable): why the file cannot be read */
static const char *
do_module (int fd, int out, STACK_OF (X509) * certificates)
{
  size_t size;
  const unsigned char *bytes = map_plain (fd, &size);

  if (bytes == NULL)
    return "it is empty, or cannot be read or decompressed";
  put_signature (bytes, size, certificates);
  return out >= 0 ? cut (bytes, size, out) : NULL;
}

/* ---- arguments ---- */

static const char *
read_list (int fd, TrustListFunc func, void *user)
{
  size_t size;
  const unsigned char *bytes = memory_file_map (fd, &size);

  return bytes != NULL ? trust_list_read (bytes, size, func, user) : "it is empty or cannot be read";
}

static void
end_file (const char *why)
{
  if (why != NULL)
    facts_put ("error", why);
  facts_put ("end", "");
  (void)fflush (stdout);
}

/* @words: CERTIFICATES [+ CERTIFICATES]... FILE OUT...: opens all files, and creates each OUT. Returns: the number of
 * the first FILE; 0 after a failure */
static int
open_for_cut (int count, char **words, int *fds)
{
  int first = 1;

  while (first + 1 < count && strcmp (words[first], "+") == 0)
    first += 2;
  if (first >= count || (count - first) % 2 != 0)
    return fprintf (stderr, "dkms-trust: wrong arguments\n"), 0;
  for (int i = 0; i < count; i++)
    {
      bool creates = i > first && (i - first) % 2 != 0;
      fds[i] = creates ? open (words[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644)
                       : open (words[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
      if (creates && fds[i] < 0)
        return fprintf (stderr, "dkms-trust: cannot create %s: %s\n", words[i], strerror (errno)), 0;
    }
  return first;
}

int
main (int argc, char **argv)
{
  bool lists = argc > 2 && strcmp (argv[1], "certificates") == 0, cuts = argc > 4 && strcmp (argv[1], "cut") == 0;

  if (!lists && !cuts && !(argc > 3 && strcmp (argv[1], "signature") == 0))
    return fprintf (stderr, "dkms-trust: wrong arguments\n"), 2;
  int count = argc - 2, first = lists ? 0 : 1;
  int *fds = calloc ((size_t)count, sizeof *fds);
  STACK_OF (X509) *certificates = sk_X509_new_null ();
  if (fds == NULL || certificates == NULL)
    return 1;
  for (int i = 0; !cuts && i < count; i++)
    fds[i] = open (argv[2 + i], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (cuts && (first = open_for_cut (count, argv + 2, fds)) == 0)
    return 1;
  if (!drop_rights ("dkms-trust", MOST_SECONDS, MEMORY_FILE_MOST))
    return perror ("dkms-trust: cannot drop its rights"), 1;
  for (int i = 0; i < first; i += 2)
    (void)read_list (fds[i], add_certificate, certificates);
  for (int i = first; i < count; i += cuts ? 2 : 1)
    end_file (lists ? read_list (fds[i], put_entry, NULL) : do_module (fds[i], cuts ? fds[i + 1] : -1, certificates));
  sk_X509_pop_free (certificates, X509_free);
  free (fds);
  return fflush (stdout) != 0;
}
