/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms-facts kernel FILE RELEASE
 *
 * Reads a kernel image, and prints pairs "key NUL value NUL" about the modules that it loads:
 *
 *   vermagic   the version text for modules
 *   symbol     "CRC NAME KIND SPACE" of an exported symbol; CRC: 8 digits in hexadecimal, or "-"; KIND: "gpl" if it is
 *              for modules under the GPL only, or "any"; SPACE: its namespace, or empty
 *   btf        SHA-256 of its type information, in hexadecimal
 *   error      why it cannot be read
 *   end        an empty value: the last pair
 *
 * The file is opened first. Then the process drops its privileges, and sets limits on time and memory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helpers/drop-rights.h"
#include "helpers/kernel-image.h"
#include "helpers/memory-file.h"

enum { MOST_SECONDS = 60 };

static void
put (const char *key, const char *value)
{
  fputs (key, stdout);
  fputc ('\0', stdout);
  fputs (value, stdout);
  fputc ('\0', stdout);
}

static void
put_symbol (const KernelExport *symbol, void *user)
{
  char crc[16] = "-";

  if (symbol->has_crc)
    (void)snprintf (crc, sizeof crc, "%08x", symbol->crc);
  fputs ("symbol", stdout);
  fputc ('\0', stdout);
  fprintf (stdout, "%s %s %s %s", crc, symbol->name, symbol->gpl_only ? "gpl" : "any", symbol->name_space);
  fputc ('\0', stdout);
}

static void
put_digest (const char *key, const void *bytes, size_t size)
{
  unsigned char digest[EVP_MAX_MD_SIZE];
  char text[2 * EVP_MAX_MD_SIZE + 1];
  unsigned length = 0;

  if (EVP_Digest (bytes, size, digest, &length, EVP_sha256 (), NULL) != 1)
    return;
  for (unsigned i = 0; i < length; i++)
    (void)snprintf (text + 2 * i, 3, "%02x", digest[i]);
  put (key, text);
}

/* Replaces @bytes by the kernel that is compressed in them. Returns: (nullable): why there is none */
static const char *
unpack_kernel (const unsigned char **bytes, size_t *size)
{
  size_t at, length;

  if (!kernel_image_payload (*bytes, *size, &at, &length))
    return memcmp (*bytes, "\177ELF", *size < 4 ? *size : 4) == 0 ? NULL : "it is not an image of a known format";
  UnpackFunc unpack = unpack_find (*bytes + at, length);
  if (unpack == NULL)
    return "it is compressed in a way that dkms cannot read";
  int fd = memory_file_unpack (unpack, *bytes + at, length);
  if (fd < 0)
    return "it cannot be decompressed";
  *bytes = memory_file_map (fd, size);
  return *bytes != NULL ? NULL : "there is nothing in it";
}

static const char *
print_kernel (int fd, const char *release)
{
  size_t size, at, length;
  const unsigned char *bytes = memory_file_map (fd, &size);
  const char *why = bytes != NULL ? unpack_kernel (&bytes, &size) : "it is empty or cannot be read";
  const char *vermagic = why == NULL ? kernel_image_vermagic (bytes, size, release) : NULL;

  if (why != NULL)
    return why;
  if (vermagic != NULL)
    put ("vermagic", vermagic);
  if (kernel_image_btf (bytes, size, &at, &length))
    put_digest ("btf", bytes + at, length);
  return kernel_image_exports (bytes, size, put_symbol, NULL);
}

int
main (int argc, char **argv)
{
  if (argc != 4 || strcmp (argv[1], "kernel") != 0)
    return fprintf (stderr, "dkms-facts: wrong arguments\n"), 2;
  int fd = open (argv[2], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (!drop_rights ("dkms-facts", MOST_SECONDS, MEMORY_FILE_MOST))
    return perror ("dkms-facts: cannot drop its rights"), 1;
  const char *why = print_kernel (fd, argv[3]);
  if (why != NULL)
    put ("error", why);
  put ("end", "");
  return fflush (stdout) != 0;
}
