/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signs with a key of OpenSSL. */
#pragma once

#include <glib.h>
#include <openssl/evp.h>

#include "helpers/minisign.h"

/** For minisign_write(). @key: an EVP_PKEY */
static inline bool
ed25519_sign (void *key, const void *bytes, size_t size, unsigned char signature[MINISIGN_SIGNATURE])
{
  EVP_MD_CTX *context = EVP_MD_CTX_new ();
  size_t length = MINISIGN_SIGNATURE;

  g_assert_cmpint (EVP_DigestSignInit (context, NULL, NULL, NULL, key), ==, 1);
  g_assert_cmpint (EVP_DigestSign (context, signature, &length, bytes, size), ==, 1);
  EVP_MD_CTX_free (context);
  return true;
}
