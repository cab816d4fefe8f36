/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads lists of certificates and hashes. */
#include "helpers/trust-list.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdint.h>
#include <string.h>

enum { GUID = 16, HEADER = GUID + 12, HASH = 32 };

static uint32_t
number_at (const unsigned char *at)
{
  return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* ---- EFI signature lists ---- */

static const unsigned char x509_type[GUID]
    = { 0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72 };
static const unsigned char sha256_type[GUID]
    = { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28 };
static const unsigned char tbs_type[GUID]
    = { 0x92, 0xa4, 0xd2, 0x3b, 0xc0, 0x96, 0x79, 0x40, 0xb4, 0x20, 0xfc, 0xf9, 0x8e, 0xf1, 0x03, 0xed };

static bool
is_list (const unsigned char *bytes, size_t size)
{
  return size >= HEADER
         && (memcmp (bytes, x509_type, GUID) == 0 || memcmp (bytes, sha256_type, GUID) == 0
             || memcmp (bytes, tbs_type, GUID) == 0);
}

/* Passes the entries of one list, whose header is complete. */
static void
read_entries (const unsigned char *list, uint32_t size, uint32_t first, uint32_t step, TrustListFunc func, void *user)
{
  for (uint32_t at = first; at <= size && step <= size - at; at += step)
    {
      const unsigned char *entry = list + at + GUID; /* behind the owner */
      if (memcmp (list, x509_type, GUID) == 0)
        func (TRUST_CERTIFICATE, entry, step - GUID, user);
      else if (memcmp (list, sha256_type, GUID) == 0 && step == GUID + HASH)
        func (TRUST_HASH, entry, HASH, user);
      else if (memcmp (list, tbs_type, GUID) == 0 && step >= GUID + HASH)
        func (TRUST_TBS_HASH, entry, HASH, user);
    }
}

static const char *
read_lists (const unsigned char *bytes, size_t size, TrustListFunc func, void *user)
{
  while (size >= HEADER)
    {
      uint32_t length = number_at (bytes + GUID), header = number_at (bytes + GUID + 4),
               step = number_at (bytes + GUID + 8);

      uint32_t room = length >= HEADER && header <= length - HEADER ? length - HEADER - header : 0;
      if (length < HEADER || length > size || header > length - HEADER || step <= GUID || (room > 0 && step > room))
        return "a signature list is damaged";
      read_entries (bytes, length, HEADER + header, step, func, user);
      bytes += length;
      size -= length;
    }
  return size == 0 ? NULL : "a signature list is cut off";
}

/* ---- certificates ---- */

static const char *
read_pem (const unsigned char *bytes, size_t size, TrustListFunc func, void *user)
{
  BIO *file = size <= INT_MAX ? BIO_new_mem_buf (bytes, (int)size) : NULL;
  unsigned found = 0;
  X509 *certificate;

  while (file != NULL && (certificate = PEM_read_bio_X509 (file, NULL, NULL, NULL)) != NULL)
    {
      unsigned char *der = NULL;
      int length = i2d_X509 (certificate, &der);

      if (length > 0)
        func (TRUST_CERTIFICATE, der, (size_t)length, user);
      OPENSSL_free (der);
      X509_free (certificate);
      found++;
    }
  BIO_free (file);
  return found > 0 ? NULL : "it contains no certificate";
}

const char *
trust_list_read (const unsigned char *bytes, size_t size, TrustListFunc func, void *user)
{
  if (is_list (bytes, size))
    return read_lists (bytes, size, func, user);
  if (size > 1 && bytes[0] == 0x30) /* DER begins with a sequence */
    {
      func (TRUST_CERTIFICATE, bytes, size, user);
      return NULL;
    }
  return read_pem (bytes, size, func, user);
}
