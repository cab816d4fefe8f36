/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Searches for certificates in a kernel. */
#include "helpers/kernel-certificates.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { HEADER = 4, LEAST = 128, MOST_TRIED = 10000, MOST_ZEROS = 1 << 16 };

/* Returns: the bytes of the certificate at @at; 0: there is none. @tried: (inout): how many were parsed */
static size_t
certificate_at (const uint8_t *bytes, size_t size, size_t at, unsigned *tried)
{
  /* A sequence with a length of two bytes, which begins with another one that has a length of one or two bytes. */
  if (size - at < LEAST || bytes[at] != 0x30 || bytes[at + 1] != 0x82 || bytes[at + HEADER] != 0x30
      || (bytes[at + HEADER + 1] != 0x81 && bytes[at + HEADER + 1] != 0x82))
    return 0;
  size_t length = HEADER + (size_t)(bytes[at + 2] << 8 | bytes[at + 3]);
  const unsigned char *end = bytes + at;
  if (length < LEAST || length > size - at || *tried >= MOST_TRIED)
    return 0;
  (*tried)++;
  X509 *certificate = d2i_X509 (NULL, &end, (long)length);
  X509_free (certificate);
  return certificate != NULL && end == bytes + at + length ? length : 0;
}

/* The bytes of the certificate at @at, which was parsed before. */
static size_t
size_of (const uint8_t *bytes, size_t at)
{
  return HEADER + (size_t)(bytes[at + 2] << 8 | bytes[at + 3]);
}

static uint64_t
number_at (const uint8_t *bytes, bool big)
{
  uint64_t number = 0;

  for (unsigned i = 0; i < 8; i++)
    number = number << 8 | bytes[big ? i : 7 - i];
  return number;
}

/* Whether the numbers at @sizes are those of the list from @at to @end. */
static bool
has_sizes (const uint8_t *bytes, size_t at, size_t end, size_t sizes)
{
  for (unsigned big = 0; big < 2; big++)
    {
      uint64_t total = number_at (bytes + sizes, big), part = number_at (bytes + sizes + 8, big), sum = 0;

      for (size_t one = at; one < end && sum < part; one += size_of (bytes, one))
        sum += size_of (bytes, one);
      if (total == end - at && sum == part)
        return true;
    }
  return false;
}

/* Whether the sizes of such a list follow the one from @at to @end. With CONFIG_SYSTEM_EXTRA_CERTIFICATE, there are
 * zeros between them. */
static bool
is_list (const uint8_t *bytes, size_t size, size_t at, size_t end)
{
  size_t sizes = at + ((end - at + 7) & ~(size_t)7);

  while (sizes < end + MOST_ZEROS && sizes + 16 <= size && number_at (bytes + sizes, false) == 0)
    sizes += 8;
  return sizes + 16 <= size && has_sizes (bytes, at, end, sizes);
}

unsigned
kernel_certificates_find (const void *image, size_t size, KernelCertificateFunc func, void *user)
{
  const uint8_t *bytes = image;
  unsigned count = 0, tried = 0;

  for (size_t at = 0; at < size;)
    {
      const uint8_t *next = memchr (bytes + at, 0x30, size - at);
      size_t end, length;

      if (next == NULL)
        break;
      at = (size_t)(next - bytes);
      for (end = at; end < size && (length = certificate_at (bytes, size, end, &tried)) > 0;)
        end += length;
      if (end > at && is_list (bytes, size, at, end))
        for (size_t one = at; one < end; one += size_of (bytes, one), count++)
          func (bytes + one, size_of (bytes, one), user);
      at = end > at ? end : at + 1;
    }
  return count;
}
