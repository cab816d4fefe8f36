/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The only program of dkms that opens a private key.
 *
 *   dkms-sign sign HASH KEY CERT [+ KEY CERT]... FILE...
 *                                    append a signature to each module, in place and atomically; one message contains
 *                                    the signatures of all keys
 *   dkms-sign check KEY CERT         fails if the certificate does not belong to the key
 *   dkms-sign generate KEY CERT      create a key pair; an existing key only gets a certificate, an existing
 * certificate is never replaced dkms-sign generate-ca KEY CERT   the same, for kernels that take only certificates of
 * certificate authorities
 *
 * KEY is a PEM file or a pkcs11: URI, CERT a DER or PEM file. The passphrase or PIN is KBUILD_SIGN_PIN.
 * Exit status 0 or 1; messages go to stderr, one per line. Format of a signed module: the
 * module, a detached CMS signature without attributes and certificates, struct module_signature and
 * a magic line (Documentation/admin-guide/module-signing.rst, include/linux/module_signature.h). */
#define OPENSSL_SUPPRESS_DEPRECATED /* systems with OpenSSL 3.0 use engines for tokens */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/cms.h>
#ifndef OPENSSL_NO_ENGINE
#include <openssl/engine.h>
#endif
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/write-all.h"

static const char magic[] = "~Module signature appended~\n";

struct module_signature {
  uint8_t algo, hash; /* 0: the CMS message contains both */
  uint8_t id_type;    /* 2: PKCS#7 */
  uint8_t signer_len, key_id_len;
  uint8_t pad[3];
  uint32_t sig_len; /* big endian */
};

/* Prints the failure, and OpenSSL's own reason if it has one. Returns: 0, which means failure */
__attribute__ ((format (printf, 1, 2))) static int
refuse (const char *format, ...)
{
  unsigned long code = ERR_peek_last_error ();
  const char *reason = code != 0 ? ERR_reason_error_string (code) : NULL;
  va_list args;

  va_start (args, format);
  vfprintf (stderr, format, args); // NOLINT(clang-analyzer-valist.Uninitialized): started above
  va_end (args);
  if (reason != NULL)
    fprintf (stderr, " (%s)", reason);
  fputc ('\n', stderr);
  return 0;
}

/* ---- files that appear whole or not at all ---- */

/* Writes @size bytes to a new file next to @path, and flushes it. Returns: its name, which the caller frees; NULL after
 * a failure */
static char *
write_beside (const char *path, mode_t mode, const void *data, size_t size)
{
  size_t room = strlen (path) + 16;
  char *name = malloc (room);
  const char *slash = strrchr (path, '/');
  int dir = slash != NULL ? (int)(slash + 1 - path) : 0;
  unsigned char unique[4];
  int fd;

  if (name == NULL || RAND_bytes (unique, sizeof unique) != 1)
    {
      free (name);
      return NULL;
    }
  snprintf (name, room, "%.*s.%02x%02x%02x%02x.sign", dir, path, unique[0], unique[1], unique[2], unique[3]);
  fd = open (name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0)
    {
      refuse ("Cannot create a file beside %s: %s", path, strerror (errno));
      free (name);
      return NULL;
    }
  if (!write_all (fd, data, size) || fchmod (fd, mode) < 0 || fsync (fd) < 0)
    {
      refuse ("Cannot write %s: %s", path, strerror (errno));
      (void)close (fd);
      fd = -1;
    }
  if (fd < 0 || close (fd) < 0)
    {
      (void)unlink (name);
      free (name);
      return NULL;
    }
  return name;
}

static int
put_in_place (const char *path, mode_t mode, const void *data, size_t size)
{
  char *beside = write_beside (path, mode, data, size);
  int ok = beside != NULL && rename (beside, path) == 0;

  if (beside != NULL && !ok)
    {
      refuse ("Cannot replace %s: %s", path, strerror (errno));
      (void)unlink (beside);
    }
  free (beside);
  return ok;
}

/* ---- keys ---- */

static int asked_passphrase;

static int
give_passphrase (char *buffer, int size, int writing, void *data)
{
  const char *pin = getenv ("KBUILD_SIGN_PIN");
  size_t n = pin != NULL ? strlen (pin) : 0;

  (void)writing;
  (void)data;
  asked_passphrase = 1;
  if (pin == NULL || n > (size_t)size)
    return -1;
  memcpy (buffer, pin, n); // NOLINT(bugprone-not-null-terminated-result): it is counted
  return (int)n;
}

#ifndef OPENSSL_NO_ENGINE
static EVP_PKEY *
load_key_by_engine (const char *uri)
{
  ENGINE *engine;
  const char *pin = getenv ("KBUILD_SIGN_PIN");
  EVP_PKEY *key = NULL;

  ENGINE_load_builtin_engines ();
  engine = ENGINE_by_id ("pkcs11");
  if (engine == NULL)
    refuse ("OpenSSL has neither a pkcs11 provider nor an engine here; install one to sign with %s", uri);
  else if (ENGINE_init (engine) != 1)
    refuse ("Cannot start OpenSSL's pkcs11 engine");
  else
    {
      if (pin == NULL || ENGINE_ctrl_cmd_string (engine, "PIN", pin, 0) == 1)
        key = ENGINE_load_private_key (engine, uri, (UI_METHOD *)UI_null (), NULL); /* without a user interface */
      if (key == NULL)
        refuse ("Cannot open the key %s", uri);
      ENGINE_finish (engine);
    }
  ENGINE_free (engine);
  return key;
}
#else
static EVP_PKEY *
load_key_by_engine (const char *uri)
{
  refuse ("OpenSSL has no pkcs11 provider here; install it to sign with %s", uri);
  return NULL;
}
#endif

static EVP_PKEY *
load_key_by_provider (const char *uri)
{
  UI_METHOD *method = UI_UTIL_wrap_read_pem_callback (give_passphrase, 0);
  OSSL_STORE_CTX *store = OSSL_STORE_open (uri, method, NULL, NULL, NULL);
  EVP_PKEY *key = NULL;

  if (store == NULL)
    refuse ("Cannot open the key %s", uri);
  while (store != NULL && key == NULL && !OSSL_STORE_eof (store))
    {
      OSSL_STORE_INFO *info = OSSL_STORE_load (store);
      if (info == NULL)
        break;
      if (OSSL_STORE_INFO_get_type (info) == OSSL_STORE_INFO_PKEY)
        key = OSSL_STORE_INFO_get1_PKEY (info);
      OSSL_STORE_INFO_free (info);
    }
  if (store != NULL && key == NULL)
    refuse ("%s does not name a private key", uri);
  if (store != NULL)
    OSSL_STORE_close (store);
  UI_destroy_method (method);
  return key;
}

/* Loads a key on a token. */
static EVP_PKEY *
load_token_key (const char *uri)
{
  if (OSSL_PROVIDER_load (NULL, "pkcs11") != NULL && OSSL_PROVIDER_load (NULL, "default") != NULL)
    return load_key_by_provider (uri);
  ERR_clear_error ();
  return load_key_by_engine (uri);
}

static EVP_PKEY *
load_key (const char *path)
{
  BIO *file;
  EVP_PKEY *key;

  if (strncmp (path, "pkcs11:", 7) == 0)
    return load_token_key (path);
  file = BIO_new_file (path, "r");
  if (file == NULL)
    {
      ERR_clear_error ();
      refuse ("Cannot read the key %s: %s", path, strerror (errno));
      return NULL;
    }
  key = PEM_read_bio_PrivateKey (file, NULL, give_passphrase, NULL);
  BIO_free (file);
  if (key == NULL)
    refuse ("Cannot use the key %s: %s", path,
            !asked_passphrase                    ? "it is not a private key in PEM form"
            : getenv ("KBUILD_SIGN_PIN") == NULL ? "it has a passphrase; give it in KBUILD_SIGN_PIN"
                                                 : "KBUILD_SIGN_PIN is not its passphrase");
  return key;
}

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

/* Writes a file that must not exist. Returns: 0 with @errno EEXIST, and without a message, if it exists */
static int
put_new (const char *path, mode_t mode, const void *data, size_t size)
{
  char *beside = write_beside (path, mode, data, size);
  int ok = beside != NULL && link (beside, path) == 0;
  int why = errno;

  if (beside != NULL && !ok && why != EEXIST)
    refuse ("Cannot create %s: %s", path, strerror (why));
  if (beside != NULL)
    (void)unlink (beside);
  else
    why = EIO;
  free (beside);
  errno = why;
  return ok;
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
  fprintf (stderr, "Usage: dkms-sign sign HASH KEY CERT [+ KEY CERT]... FILE... | "
                   "dkms-sign generate|generate-ca|check KEY CERT\n");
  return 1;
}
