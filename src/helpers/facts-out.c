/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints pairs to the standard output. */
#include "helpers/facts-out.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

void
facts_put (const char *key, const char *value)
{
  fputs (key, stdout);
  fputc ('\0', stdout);
  fputs (value, stdout);
  fputc ('\0', stdout);
}

void
facts_put_text (const char *key, const void *text, size_t size)
{
  const char *at = text;

  while (size > 0 && (at[size - 1] == '\0' || strchr (" \t\r\n", at[size - 1]) != NULL))
    size--;
  if (memchr (at, '\0', size) != NULL)
    return;
  fputs (key, stdout);
  fputc ('\0', stdout);
  fwrite (at, 1, size, stdout);
  fputc ('\0', stdout);
}

void
facts_put_digest (const char *key, const void *bytes, size_t size, const char *path)
{
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;

  if (EVP_Digest (bytes, size, digest, &length, EVP_sha256 (), NULL) != 1)
    return;
  fputs (key, stdout);
  fputc ('\0', stdout);
  for (unsigned i = 0; i < length; i++)
    fprintf (stdout, "%02x", digest[i]);
  if (path != NULL)
    fprintf (stdout, " %s", path);
  fputc ('\0', stdout);
}
