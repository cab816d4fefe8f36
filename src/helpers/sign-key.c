/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads private keys with OpenSSL. */
#define OPENSSL_SUPPRESS_DEPRECATED /* systems with OpenSSL 3.0 use engines for tokens */
#include "helpers/sign-key.h"

#include <errno.h>
#include <openssl/bio.h>
#ifndef OPENSSL_NO_ENGINE
#include <openssl/engine.h>
#endif
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helpers/sign-file.h"

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

/* ---- tokens ---- */

enum { TOKEN_SECONDS = 300 };

static int has_token;

static void
give_up (int number)
{
  static const char text[] = "The token does not answer\n";

  (void)number;
  (void)!write (STDERR_FILENO, text, sizeof text - 1);
  _exit (1);
}

void
await_token (void)
{
  if (has_token)
    (void)alarm (TOKEN_SECONDS);
}

/* Loads a key on a token. */
static EVP_PKEY *
load_token_key (const char *uri)
{
  has_token = signal (SIGALRM, give_up) != SIG_ERR;
  await_token ();
  if (OSSL_PROVIDER_load (NULL, "pkcs11") != NULL && OSSL_PROVIDER_load (NULL, "default") != NULL)
    return load_key_by_provider (uri);
  ERR_clear_error ();
  return load_key_by_engine (uri);
}

EVP_PKEY *
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
