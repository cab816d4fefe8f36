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
 * dkms-facts image FILE: the same about a boot image (initramfs):
 *
 *   module     "SHA-256 PATH" of a module, uncompressed; the last one of several with the same path counts
 *   config     the same of a file of modprobe.d
 *   inner      path of an image of a file system, which may contain more modules
 *
 * The file is opened first. Then the process drops its privileges, and sets limits on time and memory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "helpers/boot-image.h"
#include "helpers/drop-rights.h"
#include "helpers/kernel-image.h"
#include "helpers/memory-file.h"

enum { MOST_SECONDS = 60, MOST_DEPTH = 2 };

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
  size_t rest; /* the size follows the compressed kernel */
  int fd = memory_file_unpack (unpack, *bytes + at, length, &rest);
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

/* ---- boot images ---- */

static bool
ends_with (const char *path, const char *end)
{
  size_t length = strlen (path), tail = strlen (end);

  return length >= tail && strcmp (path + length - tail, end) == 0;
}

static void
put_file (const char *key, const char *path, const unsigned char *bytes, size_t size)
{
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;

  if (EVP_Digest (bytes, size, digest, &length, EVP_sha256 (), NULL) != 1)
    return;
  fputs (key, stdout);
  fputc ('\0', stdout);
  for (unsigned i = 0; i < length; i++)
    fprintf (stdout, "%02x", digest[i]);
  fprintf (stdout, " %s", path);
  fputc ('\0', stdout);
}

static void
put_member (const char *path, const unsigned char *bytes, size_t size, void *user)
{
  static const char *const suffixes[] = { ".ko", ".ko.gz", ".ko.xz", ".ko.zst" };
  UnpackFunc unpack = NULL;
  bool module = false;

  for (unsigned i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
    module |= ends_with (path, suffixes[i]);
  if (strstr (path, "modprobe.d/") != NULL)
    put_file ("config", path, bytes, size);
  if (ends_with (path, "squashfs-root.img") || ends_with (path, "erofs-root.img"))
    put ("inner", path);
  if (!module || strstr (path, "lib/modules/") == NULL)
    return;
  if (size > 0 && (unpack = unpack_find (bytes, size)) != NULL)
    {
      size_t rest, length = 0;
      int fd = memory_file_unpack (unpack, bytes, size, &rest);
      const unsigned char *plain = memory_file_map (fd, &length);

      if (plain != NULL)
        put_file ("module", path, plain, length);
      if (fd >= 0)
        (void)close (fd);
      if (plain != NULL)
        (void)munmap ((void *)(size_t)plain, length);
    }
  else
    put_file ("module", path, bytes, size);
}

static const char *
print_image (int fd)
{
  size_t size;
  const unsigned char *bytes = memory_file_map (fd, &size);

  return bytes != NULL ? boot_image_read (bytes, size, MOST_DEPTH, put_member, NULL) : "it is empty or cannot be read";
}

int
main (int argc, char **argv)
{
  bool image = argc == 3 && strcmp (argv[1], "image") == 0;

  if (!image && !(argc == 4 && strcmp (argv[1], "kernel") == 0))
    return fprintf (stderr, "dkms-facts: wrong arguments\n"), 2;
  int fd = open (argv[2], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (!drop_rights ("dkms-facts", MOST_SECONDS, MEMORY_FILE_MOST))
    return perror ("dkms-facts: cannot drop its rights"), 1;
  const char *why = image ? print_image (fd) : print_kernel (fd, argv[3]);
  if (why != NULL)
    put ("error", why);
  put ("end", "");
  return fflush (stdout) != 0;
}
