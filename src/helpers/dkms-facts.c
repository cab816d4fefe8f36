/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms-facts kernel RELEASE FILE
 *
 * Reads a kernel image, and prints pairs "key NUL value NUL" about the modules that it loads:
 *
 *   version    the text about its version in its header, which begins with its release
 *   vermagic   the version text for modules
 *   symbol     "CRC NAME KIND SPACE" of an exported symbol; CRC: 8 digits in hexadecimal, or "-"; KIND: "gpl" if it is
 *              for modules under the GPL only, or "any"; SPACE: its namespace, or empty
 *   btf        SHA-256 of its type information, in hexadecimal
 *   certificate   a certificate that it trusts because its build contained it, DER in hexadecimal
 *   error      why it cannot be read
 *   end        an empty value: the last pair
 *
 * FILE may be a unified kernel image (UKI).
 *
 * dkms-facts symvers FILE: the "symbol" pairs of a Module.symvers, compressed or not.
 *
 * dkms-facts image FILE: the same about a boot image (initramfs), or the one in a unified kernel image:
 *
 *   module     "SHA-256 PATH" of a module, uncompressed; "- PATH": it cannot be decompressed. The last one of several
 *              with the same path counts. After it, about this module:
 *   build-id   the identity of its build, in hexadecimal
 *   srcversion, vermagic   fields of its information
 *   signed     "1": a signature follows it
 *   config     the same as module, of a file of modprobe.d
 *   text       its content, if it has at most 64 KiB
 *   parts      names of the parts of dracut in it, a line each
 *   inner      path of an image of a file system, which may contain more modules
 *   uname, cmdline, osrel   texts of a unified kernel image
 *
 * dkms-facts module FILE...: the same about modules, compressed or not; for each of them, the last pair is "end".
 *
 * dkms-facts unified FILE: "uname", "cmdline" and "osrel" only.
 *
 * The files are opened first. Then the process drops its privileges, and sets limits on time and memory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/drop-rights.h"
#include "helpers/facts-image.h"
#include "helpers/facts-out.h"
#include "helpers/kernel-certificates.h"
#include "helpers/kernel-image.h"
#include "helpers/kernel-symvers.h"
#include "helpers/memory-file.h"
#include "helpers/pe-image.h"
#include "helpers/unpack-image.h"

enum { MOST_SECONDS = 60 };

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

/* Returns: (nullable) */
static const char *
kernel_version (const unsigned char *bytes, size_t size)
{
  size_t at, length;

  if (pe_image_section (bytes, size, ".linux", &at, &length))
    return kernel_image_version (bytes + at, length);
  return kernel_image_version (bytes, size);
}

/* Replaces @bytes by the kernel that is compressed in them. Returns: (nullable): why there is none */
static const char *
unpack_kernel (const unsigned char **bytes, size_t *size)
{
  size_t at, length;

  if (pe_image_section (*bytes, *size, ".linux", &at, &length)) /* a unified kernel image */
    {
      *bytes += at;
      *size = length;
    }
  if (!kernel_image_payload (*bytes, *size, &at, &length))
    return memcmp (*bytes, "\177ELF", *size < 4 ? *size : 4) == 0 ? NULL : "it is not an image of a known format";
  UnpackFunc unpack = unpack_find_any (*bytes + at, length);
  if (unpack == NULL)
    return "it is compressed in a way that dkms cannot read";
  size_t rest; /* the size follows the compressed kernel */
  int fd = memory_file_unpack (unpack, *bytes + at, length, &rest);
  if (fd < 0)
    return "it cannot be decompressed";
  *bytes = memory_file_map (fd, size);
  return *bytes != NULL ? NULL : "there is nothing in it";
}

static void
put_certificate (const void *der, size_t size, void *user)
{
  const unsigned char *bytes = der;

  fputs ("certificate", stdout);
  fputc ('\0', stdout);
  for (size_t i = 0; i < size; i++)
    fprintf (stdout, "%02x", bytes[i]);
  fputc ('\0', stdout);
}

static const char *
print_symvers (int fd)
{
  size_t size, rest;
  const unsigned char *bytes = memory_file_map (fd, &size);
  UnpackFunc unpack = bytes != NULL ? unpack_find (bytes, size) : NULL;

  if (unpack != NULL)
    bytes = memory_file_map (memory_file_unpack (unpack, bytes, size, &rest), &size);
  return bytes != NULL ? kernel_symvers_read ((const char *)bytes, size, put_symbol, NULL)
                       : "it is empty or cannot be read";
}

static const char *
print_kernel (int fd, const char *release)
{
  size_t size, at, length;
  const unsigned char *bytes = memory_file_map (fd, &size);
  const char *version = bytes != NULL ? kernel_version (bytes, size) : NULL;
  const char *why = bytes != NULL ? unpack_kernel (&bytes, &size) : "it is empty or cannot be read";
  const char *vermagic = why == NULL ? kernel_image_vermagic (bytes, size, release) : NULL;

  if (version != NULL)
    facts_put ("version", version);
  if (why != NULL)
    return why;
  if (vermagic != NULL)
    facts_put ("vermagic", vermagic);
  (void)kernel_certificates_find (bytes, size, put_certificate, NULL);
  if (kernel_image_btf (bytes, size, &at, &length))
    facts_put_digest ("btf", bytes + at, length, NULL);
  return kernel_image_exports (bytes, size, put_symbol, NULL);
}

static const char *
print_file (const char *what, int fd, const char *word)
{
  if (strcmp (what, "kernel") == 0)
    return print_kernel (fd, word);
  if (strcmp (what, "symvers") == 0)
    return print_symvers (fd);
  if (strcmp (what, "module") == 0)
    return facts_module (fd, word);
  return strcmp (what, "image") == 0 ? facts_image (fd) : facts_unified (fd);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    int least, most; /* of all words */
  } kinds[]
      = { { "kernel", 4, 4 }, { "symvers", 3, 3 }, { "image", 3, 3 }, { "unified", 3, 3 }, { "module", 3, INT_MAX } };
  bool good = false, several = argc > 1 && strcmp (argv[1], "module") == 0;

  for (size_t i = 0; argc > 1 && i < sizeof kinds / sizeof *kinds; i++)
    good |= strcmp (argv[1], kinds[i].name) == 0 && argc >= kinds[i].least && argc <= kinds[i].most;
  int count = several ? argc - 2 : 1, *fds = good ? calloc ((size_t)count, sizeof *fds) : NULL;
  if (fds == NULL)
    return fprintf (stderr, "dkms-facts: wrong arguments\n"), 2;
  for (int i = 0; i < count; i++)
    fds[i] = open (several ? argv[2 + i] : argv[argc - 1], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (!drop_rights ("dkms-facts", MOST_SECONDS, MEMORY_FILE_MOST))
    return perror ("dkms-facts: cannot drop its rights"), free (fds), 1;
  for (int i = 0; i < count; i++)
    {
      const char *why = print_file (argv[1], fds[i], argv[2 + i]);
      if (why != NULL)
        facts_put ("error", why);
      facts_put ("end", "");
    }
  free (fds);
  return fflush (stdout) != 0;
}
