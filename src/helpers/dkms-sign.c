/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The only program of dkms that opens a private key.
 *
 *   dkms-sign sign HASH KEY CERT [+ KEY CERT]... FILE...
 *                                    append a signature to each module, in place and atomically; one message contains
 *                                    the signatures of all keys
 *   dkms-sign check KEY CERT         fails if the certificate does not belong to the key
 *   dkms-sign generate KEY CERT      create a key pair; an existing key only gets a certificate, an existing
 *                                    certificate is never replaced
 *   dkms-sign generate-ca KEY CERT   the same, for kernels that take only certificates of certificate authorities
 *   dkms-sign manifest KEY FILE      writes FILE.minisig (minisign.h), the signature of FILE by an Ed25519 key;
 *                                    prints the id of the key
 *   dkms-sign generate-cache-key KEY create such a key, and KEY.pub, its public key in the format of minisign; an
 *                                    existing KEY only gets KEY.pub
 *
 * KEY is a PEM file or a pkcs11: URI, CERT a DER or PEM file. The passphrase or PIN is KBUILD_SIGN_PIN.
 * Exit status 0 or 1; messages go to stderr, one per line. Format of a signed module: the
 * module, a detached CMS signature without attributes and certificates, struct module_signature and
 * a magic line (Documentation/admin-guide/module-signing.rst, include/linux/module_signature.h). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/minisign.h"
#include "helpers/sign-file.h"
#include "helpers/sign-key.h"

static const char magic[] = "~Module signature appended~\n";

struct module_signature {
  uint8_t algo, hash; /* 0: the CMS message contains both */
  uint8_t id_type;    /* 2: PKCS#7 */
  uint8_t signer_len, key_id_len;
  uint8_t pad[3];
  uint32_t sig_len; /* big endian */
};

/* ---- certificates ---- */

static X509 *
load_certificate (const char *path)
{
  BIO *file = BIO_new_file (path, "r");
  X509 *certificate;

  if (file == NULL)
    {
      ERR_clear_error ();
      refuse ("Cannot read the certificate %s: %s", path, strerror (errno));
      return NULL;
    }
  certificate = d2i_X509_bio (file, NULL);
  if (certificate == NULL && BIO_reset (file) == 0)
    {
      ERR_clear_error ();
      certificate = PEM_read_bio_X509 (file, NULL, NULL, NULL);
    }
  BIO_free (file);
  if (certificate == NULL)
    refuse ("%s is not an X.509 certificate", path);
  return certificate;
}

/* ---- sign ---- */

/* The keys that sign, each with its certificate. */
typedef struct {
  int count;
  EVP_PKEY **keys;
  X509 **certificates;
} Signers;

static int
add_signers (CMS_ContentInfo *cms, const Signers *signers, const EVP_MD *hash, unsigned flags)
{
  for (int i = 0; i < signers->count; i++)
    if (CMS_add1_signer (cms, signers->certificates[i], signers->keys[i], hash, flags) == NULL)
      return 0;
  return 1;
}

/* Writes module, signature and trailer to @out. Returns: whether it succeeded */
static int
append_signature (BIO *out, const void *data, size_t size, const Signers *signers, const EVP_MD *hash)
{
  const unsigned flags = CMS_NOCERTS | CMS_BINARY;
  struct module_signature trailer = { .id_type = 2 };
  BIO *in = BIO_new_mem_buf (size > 0 ? data : "", (int)size);
  CMS_ContentInfo *cms = CMS_sign (NULL, NULL, NULL, NULL, flags | CMS_PARTIAL | CMS_DETACHED | CMS_STREAM);
  int ok = in != NULL && cms != NULL && (size == 0 || BIO_write (out, data, (int)size) == (int)size)
           && add_signers (cms, signers, hash, flags | CMS_NOSMIMECAP | CMS_NOATTR)
           && CMS_final (cms, in, NULL, flags) == 1 && i2d_CMS_bio (out, cms) == 1;
  char *whole;
  long total = ok ? BIO_get_mem_data (out, &whole) : 0;

  trailer.sig_len = htonl ((uint32_t)((size_t)total - size));
  ok = ok && BIO_write (out, &trailer, sizeof trailer) == sizeof trailer
       && BIO_write (out, magic, sizeof magic - 1) == sizeof magic - 1;
  CMS_ContentInfo_free (cms);
  BIO_free (in);
  return ok;
}

static int
sign_file (const char *path, const Signers *signers, const EVP_MD *hash)
{
  BIO *file = BIO_new_file (path, "r");
  BIO *module = BIO_new (BIO_s_mem ());
  BIO *out = BIO_new (BIO_s_mem ());
  char buffer[65536];
  struct stat st;
  char *data;
  int n = 0, ok = 0;

  await_token ();
  while (file != NULL && (n = BIO_read (file, buffer, sizeof buffer)) > 0)
    if (BIO_write (module, buffer, n) != n)
      n = -1;
  if (file == NULL || n < 0 || stat (path, &st) < 0)
    {
      ERR_clear_error ();
      refuse ("Cannot read %s: %s", path, strerror (errno));
    }
  else
    {
      long size = BIO_get_mem_data (module, &data);

      if (!append_signature (out, data, (size_t)size, signers, hash))
        refuse ("Cannot make a signature for %s", path);
      else
        {
          size = BIO_get_mem_data (out, &data);
          ok = put_in_place (path, st.st_mode & 0777, data, (size_t)size);
        }
    }
  BIO_free (file);
  BIO_free (module);
  BIO_free (out);
  return ok;
}

/* Loads the next key and its certificate. */
static int
load_signer (Signers *signers, const char *key_path, const char *certificate_path)
{
  X509 *certificate = load_certificate (certificate_path);
  EVP_PKEY *key = certificate != NULL ? load_key (key_path) : NULL;

  signers->certificates[signers->count] = certificate;
  signers->keys[signers->count++] = key;
  if (key == NULL)
    return 0;
  if (X509_check_private_key (certificate, key) != 1)
    {
      ERR_clear_error ();
      return refuse ("The certificate %s does not belong to the key %s", certificate_path, key_path);
    }
  /* Kernels ignore the date, but a person who enrols the certificate may not. */
  if (X509_cmp_current_time (X509_get0_notAfter (certificate)) < 0)
    fprintf (stderr, "The certificate %s has expired; kernels accept what it signs all the same\n", certificate_path);
  return 1;
}

/* @words: KEY CERT [+ KEY CERT]... FILE..., ended by NULL. Returns: the first FILE; NULL after a failure */
static char **
load_signers (Signers *signers, char **words)
{
  for (;; words += 3)
    {
      if (words[0] == NULL || words[1] == NULL)
        return refuse ("A key has no certificate"), NULL;
      if (!load_signer (signers, words[0], words[1]))
        return NULL;
      if (words[2] == NULL || strcmp (words[2], "+") != 0)
        return words + 2;
    }
}

static int
run_sign (const char *hash_name, int count, char **words)
{
  const EVP_MD *hash = EVP_get_digestbyname (hash_name);
  Signers signers = { 0, calloc ((size_t)count, sizeof (EVP_PKEY *)), calloc ((size_t)count, sizeof (X509 *)) };
  char **files = NULL;
  int ok = 0;

  if (signers.keys == NULL || signers.certificates == NULL)
    refuse ("Cannot sign: %s", strerror (errno));
  else if (hash == NULL)
    refuse ("The kernel wants the hash %s, which this OpenSSL does not know", hash_name);
  else
    files = load_signers (&signers, words);
  if (files != NULL)
    for (ok = 1; *files != NULL; files++)
      ok &= sign_file (*files, &signers, hash);
  for (int i = 0; i < signers.count; i++)
    {
      X509_free (signers.certificates[i]);
      EVP_PKEY_free (signers.keys[i]);
    }
  free ((void *)signers.keys);
  free ((void *)signers.certificates);
  return ok;
}

/* ---- generate ---- */

static int
add_extension (X509 *certificate, int nid, const char *value)
{
  X509V3_CTX context;
  X509_EXTENSION *extension;
  int ok;

  X509V3_set_ctx_nodb (&context);
  X509V3_set_ctx (&context, certificate, certificate, NULL, NULL, 0);
  extension = X509V3_EXT_conf_nid (NULL, &context, nid, value);
  ok = extension != NULL && X509_add_ext (certificate, extension, -1) == 1;
  X509_EXTENSION_free (extension);
  return ok;
}

/* Creates a self-signed CA certificate for code signing, valid for 100 years (docs/interface/build-install.md §4).
 * @authority: for kernels that take only certificates of certificate authorities as machine owner keys: these must have
 * the usage to sign certificates, and some kernels refuse a usage to sign data (restrict_link_by_ca() of Linux) */
static X509 *
make_certificate (EVP_PKEY *key, int authority)
{
  X509 *certificate = X509_new ();
  X509_NAME *name = certificate != NULL ? X509_get_subject_name (certificate) : NULL;
  BIGNUM *serial = BN_new ();
  const unsigned char subject[] = "DKMS module signing key";
  int ok = name != NULL && serial != NULL && X509_set_version (certificate, 2) == 1
           && BN_rand (serial, 159, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1
           && BN_to_ASN1_INTEGER (serial, X509_get_serialNumber (certificate)) != NULL
           && X509_gmtime_adj (X509_getm_notBefore (certificate), 0) != NULL
           && X509_time_adj_ex (X509_getm_notAfter (certificate), 36500, 0, NULL) != NULL
           && X509_set_pubkey (certificate, key) == 1
           && X509_NAME_add_entry_by_txt (name, "CN", MBSTRING_UTF8, subject, -1, -1, 0) == 1
           && X509_set_issuer_name (certificate, name) == 1
           && add_extension (certificate, NID_subject_key_identifier, "hash")
           && add_extension (certificate, NID_authority_key_identifier, "keyid:always,issuer")
           && add_extension (certificate, NID_basic_constraints, "critical,CA:true")
           && (!authority || add_extension (certificate, NID_key_usage, "critical,keyCertSign"))
           && add_extension (certificate, NID_ext_key_usage, "codeSigning")
           && X509_sign (certificate, key, EVP_sha256 ()) > 0;

  BN_free (serial);
  if (ok)
    return certificate;
  X509_free (certificate);
  refuse ("Cannot make a certificate");
  return NULL;
}

static int
store_new_key (EVP_PKEY *key, const char *path)
{
  BIO *pem = BIO_new (BIO_s_mem ());
  char *data;
  int ok = 0;

  if (pem != NULL && PEM_write_bio_PrivateKey (pem, key, NULL, NULL, 0, NULL, NULL) == 1)
    {
      long size = BIO_get_mem_data (pem, &data);
      ok = put_new (path, 0600, data, (size_t)size);
      if (!ok && errno == EEXIST)
        refuse ("Cannot create %s: %s", path, strerror (errno));
      OPENSSL_cleanse (data, (size_t)size);
    }
  BIO_free (pem);
  return ok;
}

static int
run_generate (const char *key_path, const char *certificate_path, int authority)
{
  int present = access (key_path, F_OK) == 0, ok;
  EVP_PKEY *key;
  X509 *certificate;
  unsigned char *der = NULL;
  int size;

  if (!present && access (certificate_path, F_OK) == 0)
    return refuse ("The certificate %s exists and its key %s does not", certificate_path, key_path);
  key = present ? load_key (key_path) : EVP_RSA_gen (2048);
  certificate = key != NULL ? make_certificate (key, authority) : NULL;
  size = certificate != NULL ? i2d_X509 (certificate, &der) : 0;
  if (!present && key == NULL)
    refuse ("Cannot make a key");
  /* A certificate that appeared since then was created by another run, for the same key. */
  ok = size > 0 && (present || store_new_key (key, key_path))
       && (put_new (certificate_path, 0644, der, (size_t)size) || errno == EEXIST);
  OPENSSL_free (der);
  X509_free (certificate);
  EVP_PKEY_free (key);
  return ok;
}

/* ---- entries of the build cache ---- */

enum { MOST_MANIFEST = 256 << 10 };

static int
take_public_key (const EVP_PKEY *key, const char *path, MinisignKey *public)
{
  size_t size = sizeof public->key;

  if (EVP_PKEY_get_raw_public_key (key, public->key, &size) != 1 || size != sizeof public->key
      || EVP_PKEY_is_a (key, "ED25519") != 1)
    {
      ERR_clear_error ();
      return refuse ("%s is not an Ed25519 key", path);
    }
  minisign_key_set_id (public);
  return 1;
}

static bool
sign_bytes (void *key, const void *bytes, size_t size, unsigned char signature[MINISIGN_SIGNATURE])
{
  EVP_MD_CTX *context = EVP_MD_CTX_new ();
  size_t length = MINISIGN_SIGNATURE;
  bool good = context != NULL && EVP_DigestSignInit (context, NULL, NULL, NULL, key) == 1
              && EVP_DigestSign (context, signature, &length, bytes, size) == 1 && length == MINISIGN_SIGNATURE;

  EVP_MD_CTX_free (context);
  return good;
}

/* Returns: the number of bytes of the file @path, which @buffer gets; -1 after a message */
static long
read_small (const char *path, char *buffer, size_t most)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  size_t size = 0;
  ssize_t got = fd < 0 ? -1 : 1;

  while (got > 0 && size < most)
    {
      got = read (fd, buffer + size, most - size);
      size += got > 0 ? (size_t)got : 0;
    }
  if (got > 0)
    errno = EFBIG;
  if (got != 0)
    refuse ("Cannot read %s: %s", path, strerror (errno));
  if (fd >= 0)
    (void)close (fd);
  return got == 0 ? (long)size : -1;
}

static int
sign_manifest (EVP_PKEY *key, const MinisignKey *public, const char *path)
{
  static char bytes[MOST_MANIFEST + 1];
  long size = read_small (path, bytes, sizeof bytes);
  char *text = size >= 0 ? minisign_write (public, bytes, (size_t)size, "build of dkms", sign_bytes, key) : NULL;
  char *name = NULL;
  int ok = 0;

  if (size >= 0 && text == NULL)
    refuse ("Cannot make a signature for %s", path);
  else if (text != NULL && asprintf (&name, "%s.minisig", path) >= 0)
    {
      ok = put_in_place (name, 0644, text, strlen (text));
      free (name);
    }
  free (text);
  return ok;
}

static int
run_manifest (const char *key_path, const char *path)
{
  char name[MINISIGN_NAME + 1];
  MinisignKey public;
  EVP_PKEY *key = load_key (key_path);
  int ok = key != NULL && take_public_key (key, key_path, &public) && sign_manifest (key, &public, path);

  EVP_PKEY_free (key);
  if (!ok)
    return 0;
  minisign_key_name (&public, name);
  return puts (name) >= 0 && fflush (stdout) == 0;
}

/* Writes the text of the public key to @path. A file that exists must have it. */
static int
write_public_key (const char *path, const char *text)
{
  char present[512];

  if (put_new (path, 0644, text, strlen (text)))
    return 1;
  if (errno != EEXIST)
    return 0;
  long size = read_small (path, present, sizeof present);
  if (size < 0)
    return 0;
  return ((size_t)size == strlen (text) && memcmp (present, text, (size_t)size) == 0)
         || refuse ("%s exists and contains something else", path);
}

/* Writes KEY.pub. */
static int
publish_key (const MinisignKey *public, const char *path)
{
  char base64[MINISIGN_KEY_TEXT + 1], name[MINISIGN_NAME + 1], text[256];

  minisign_key_write (public, base64);
  minisign_key_name (public, name);
  (void)snprintf (text, sizeof text, "untrusted comment: minisign public key %s\n%s\n", name, base64);
  return write_public_key (path, text);
}

static int
run_generate_cache_key (const char *key_path)
{
  MinisignKey public;
  char *path = NULL;
  int present = access (key_path, F_OK) == 0, ok = 0;

  if (asprintf (&path, "%s.pub", key_path) < 0)
    return 0;
  if (!present && access (path, F_OK) == 0)
    refuse ("%s exists and its key %s does not", path, key_path);
  else
    {
      EVP_PKEY *key = present ? load_key (key_path) : EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");

      if (!present && key == NULL)
        refuse ("Cannot make a key");
      ok = key != NULL && take_public_key (key, key_path, &public) && (present || store_new_key (key, key_path))
           && publish_key (&public, path);
      EVP_PKEY_free (key);
    }
  free (path);
  return ok;
}

/* ---- check ---- */

static int
run_check (const char *key_path, const char *certificate_path)
{
  X509 *certificate = load_certificate (certificate_path);
  EVP_PKEY *key = certificate != NULL ? load_key (key_path) : NULL;
  int ok = key != NULL && X509_check_private_key (certificate, key) == 1;

  if (key != NULL && !ok)
    {
      ERR_clear_error ();
      refuse ("The certificate %s does not belong to the key %s", certificate_path, key_path);
    }
  X509_free (certificate);
  EVP_PKEY_free (key);
  return ok;
}

int
main (int argc, char **argv)
{
  const struct rlimit none = { 0, 0 };

  umask (077);
  /* The key must not be written to a core dump, or be readable for other processes. */
  if (setrlimit (RLIMIT_CORE, &none) < 0 || prctl (PR_SET_DUMPABLE, 0) < 0)
    {
      perror ("dkms-sign: cannot protect the key");
      return 1;
    }
  if (argc >= 6 && strcmp (argv[1], "sign") == 0)
    return run_sign (argv[2], argc, argv + 3) ? 0 : 1;
  if (argc == 4 && strcmp (argv[1], "generate") == 0)
    return run_generate (argv[2], argv[3], 0) ? 0 : 1;
  if (argc == 4 && strcmp (argv[1], "generate-ca") == 0)
    return run_generate (argv[2], argv[3], 1) ? 0 : 1;
  if (argc == 4 && strcmp (argv[1], "check") == 0)
    return run_check (argv[2], argv[3]) ? 0 : 1;
  if (argc == 4 && strcmp (argv[1], "manifest") == 0)
    return run_manifest (argv[2], argv[3]) ? 0 : 1;
  if (argc == 3 && strcmp (argv[1], "generate-cache-key") == 0)
    return run_generate_cache_key (argv[2]) ? 0 : 1;
  fprintf (stderr, "Usage: dkms-sign sign HASH KEY CERT [+ KEY CERT]... FILE... | "
                   "dkms-sign generate|generate-ca|check KEY CERT | "
                   "dkms-sign manifest KEY FILE | dkms-sign generate-cache-key KEY\n");
  return 1;
}
