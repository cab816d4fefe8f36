/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the modules in boot images, and what identifies them. */
#define _GNU_SOURCE
#include "helpers/facts-image.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "helpers/boot-image.h"
#include "helpers/facts-out.h"
#include "helpers/kernel-image.h"
#include "helpers/memory-file.h"
#include "helpers/module-identity.h"
#include "helpers/pe-image.h"

enum { MOST_DEPTH = 2, LARGEST_TEXT = 64 << 10 };

static const char no_bytes[] = "it is empty or cannot be read";

static bool
ends_with (const char *path, const char *end)
{
  size_t length = strlen (path), tail = strlen (end);

  return length >= tail && strcmp (path + length - tail, end) == 0;
}

static void
put_plain_module (const char *path, const unsigned char *bytes, size_t size)
{
  ModuleIdentity identity;
  char text[2 * 64 + 1] = "";

  facts_put_digest ("module", bytes, size, path);
  module_identity_read (bytes, size, &identity);
  for (size_t i = 0; i < identity.build_id_size && 2 * i + 2 < sizeof text; i++)
    (void)snprintf (text + 2 * i, 3, "%02x", identity.build_id[i]);
  if (identity.build_id != NULL)
    facts_put ("build-id", text);
  if (identity.srcversion != NULL)
    facts_put ("srcversion", identity.srcversion);
  if (identity.vermagic != NULL)
    facts_put ("vermagic", identity.vermagic);
  if (identity.is_signed)
    facts_put ("signed", "1");
}

/* Returns: false if it cannot be decompressed */
static bool
put_module (const char *path, const unsigned char *bytes, size_t size)
{
  UnpackFunc unpack = size > 0 ? unpack_find (bytes, size) : NULL;
  size_t rest, length = 0;

  if (unpack == NULL)
    {
      put_plain_module (path, bytes, size);
      return true;
    }
  int fd = memory_file_unpack (unpack, bytes, size, &rest);
  const unsigned char *plain = memory_file_map (fd, &length);
  if (plain != NULL)
    {
      put_plain_module (path, plain, length);
      (void)munmap ((void *)(size_t)plain, length);
    }
  if (fd >= 0)
    (void)close (fd);
  return plain != NULL;
}

static void
put_unreadable (const char *path)
{
  printf ("module");
  fputc ('\0', stdout);
  printf ("- %s", path);
  fputc ('\0', stdout);
}

static void
put_member (const char *path, const unsigned char *bytes, size_t size, void *user)
{
  static const char *const suffixes[] = { ".ko", ".ko.gz", ".ko.xz", ".ko.zst" };
  bool module = false;

  for (unsigned i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
    module |= ends_with (path, suffixes[i]);
  if (strstr (path, "modprobe.d/") != NULL)
    {
      facts_put_digest ("config", bytes, size, path);
      if (size <= LARGEST_TEXT)
        facts_put_text ("text", bytes, size);
    }
  if (ends_with (path, "lib/dracut/modules.txt") && size <= LARGEST_TEXT)
    facts_put_text ("parts", bytes, size);
  if (ends_with (path, "squashfs-root.img") || ends_with (path, "erofs-root.img"))
    facts_put ("inner", path);
  if (module && strstr (path, "lib/modules/") != NULL)
    if (!put_module (path, bytes, size))
      put_unreadable (path);
}

static void
put_section (const unsigned char *bytes, size_t size, const char *section, const char *key)
{
  size_t at, length;

  if (pe_image_section (bytes, size, section, &at, &length) && length <= LARGEST_TEXT)
    facts_put_text (key, bytes + at, length);
}

static void
put_unified (const unsigned char *bytes, size_t size)
{
  size_t at, length;
  const char *version = NULL;

  if (!pe_image_section (bytes, size, ".uname", &at, &length) && pe_image_section (bytes, size, ".linux", &at, &length))
    version = kernel_image_version (bytes + at, length); /* dracut 059 adds no .uname */
  if (version != NULL)
    facts_put_text ("uname", version, strcspn (version, " "));
  put_section (bytes, size, ".uname", "uname");
  put_section (bytes, size, ".cmdline", "cmdline");
  put_section (bytes, size, ".osrel", "osrel");
}

const char *
facts_unified (int fd)
{
  size_t size, at, length;
  const unsigned char *bytes = memory_file_map (fd, &size);

  if (bytes == NULL)
    return no_bytes;
  if (!pe_image_section (bytes, size, ".linux", &at, &length))
    return "it is not a unified kernel image";
  put_unified (bytes, size);
  return NULL;
}

const char *
facts_image (int fd)
{
  size_t size, at, length;
  const unsigned char *bytes = memory_file_map (fd, &size);

  if (bytes == NULL)
    return no_bytes;
  if (!pe_image_is (bytes, size))
    return boot_image_read (bytes, size, MOST_DEPTH, put_member, NULL);
  put_unified (bytes, size);
  if (!pe_image_section (bytes, size, ".initrd", &at, &length))
    return "it is a program without a boot image";
  return boot_image_read (bytes + at, length, MOST_DEPTH, put_member, NULL);
}

const char *
facts_module (int fd, const char *path)
{
  size_t size;
  const unsigned char *bytes = memory_file_map (fd, &size);

  if (bytes == NULL)
    return no_bytes;
  return put_module (path, bytes, size) ? NULL : "it cannot be decompressed";
}
