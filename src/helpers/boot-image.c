/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads archives in boot images, and checks all numbers in them. */
#define _GNU_SOURCE
#include "helpers/boot-image.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/memory-file.h"
#include "helpers/unpack-image.h"

/* A header of newc: a magic of 6 characters, and 13 numbers of 8 hexadecimal digits. */
enum { MAGIC = 6, DIGITS = 8, HEADER = MAGIC + 13 * DIGITS, LONGEST_PATH = 4096 };
enum { MODE = 1, FILE_SIZE = 6, NAME_SIZE = 11 }; /* numbers in the header */

/* Who gets the files. */
typedef struct {
  BootImageFunc func;
  void *user;
} Visitor;

/* Returns: false if the number contains other characters than digits */
static bool
read_number (const unsigned char *header, unsigned index, uint32_t *number)
{
  const unsigned char *at = header + MAGIC + index * DIGITS;

  *number = 0;
  for (unsigned i = 0; i < DIGITS; i++)
    {
      static const char digits[] = "0123456789abcdef";
      const char *found
          = at[i] != '\0' ? strchr (digits, at[i] >= 'A' && at[i] <= 'F' ? at[i] + 'a' - 'A' : at[i]) : NULL;
      if (found == NULL)
        return false;
      *number = *number << 4 | (uint32_t)(found - digits);
    }
  return true;
}

static size_t
padded (size_t size)
{
  return (size + 3) & ~(size_t)3;
}

static bool
is_archive (const unsigned char *bytes, size_t size)
{
  return size >= HEADER && (memcmp (bytes, "070701", MAGIC) == 0 || memcmp (bytes, "070702", MAGIC) == 0);
}

/* Reads the archive at @bytes. @used: (out): its length. Returns: (nullable): why it cannot be read further */
static const char *
read_archive (const unsigned char *bytes, size_t size, size_t *used, const Visitor *to)
{
  for (size_t at = 0;;)
    {
      uint32_t mode, length, name_length;

      *used = at;
      if (!is_archive (bytes + at, size - at))
        return "an archive in it is cut off";
      if (!read_number (bytes + at, MODE, &mode) || !read_number (bytes + at, FILE_SIZE, &length)
          || !read_number (bytes + at, NAME_SIZE, &name_length))
        return "an archive in it is damaged";
      size_t content = padded (HEADER + name_length);
      if (name_length == 0 || name_length > LONGEST_PATH || content > size - at || length > size - at - content)
        return "an archive in it is cut off or damaged";
      const char *path = (const char *)bytes + at + HEADER;
      if (path[name_length - 1] != '\0')
        return "an archive in it is damaged";
      bool last = strcmp (path, "TRAILER!!!") == 0;
      if (!last && S_ISREG (mode))
        to->func (path, bytes + at + content, length, to->user);
      size_t end = padded (content + length);
      at += end < size - at ? end : size - at; /* the last one need not be padded */
      if (last)
        {
          *used = at;
          return NULL;
        }
    }
}

/* Reads the compressed archives at @bytes. @used: (out): the length of the compressed data */
static const char *
read_compressed (UnpackFunc unpack, const unsigned char *bytes, size_t size, unsigned depth, size_t *used,
                 const Visitor *to)
{
  size_t rest = 0, length = 0;
  int fd = depth > 0 ? memory_file_unpack (unpack, bytes, size, &rest) : -1;
  const unsigned char *inside;

  *used = size - rest;
  if (fd < 0)
    return depth > 0 ? "a part of it cannot be decompressed" : "it is compressed several times";
  inside = memory_file_map (fd, &length);
  (void)close (fd);
  if (inside == NULL)
    return NULL; /* nothing is in it */
  const char *why = boot_image_read (inside, length, depth - 1, to->func, to->user);
  (void)munmap ((void *)(size_t)inside, length);
  return why;
}

const char *
boot_image_read (const unsigned char *bytes, size_t size, unsigned depth, BootImageFunc func, void *user)
{
  static const char config_end[] = "#BOOTCONFIG\n";
  const Visitor to = { func, user };
  const char *why = NULL;

  if (size >= sizeof config_end - 1
      && memcmp (bytes + size - (sizeof config_end - 1), config_end, sizeof config_end - 1) == 0)
    {
      uint32_t length = 0; /* of the configuration, before two numbers and this line */
      size_t end = size - (sizeof config_end - 1);
      for (size_t i = 0; end >= 8 && i < 4; i++)
        length |= (uint32_t)bytes[end - 8 + i] << 8 * i;
      if (end < 8 || length > end - 8)
        return "its boot configuration is damaged";
      size = end - 8 - length;
    }
  while (why == NULL && size > 0)
    {
      size_t used = 1;
      UnpackFunc unpack = *bytes != 0 ? unpack_find_any (bytes, size) : NULL;
      if (is_archive (bytes, size))
        why = read_archive (bytes, size, &used, &to);
      else if (unpack != NULL)
        why = read_compressed (unpack, bytes, size, depth, &used, &to);
      else if (*bytes != 0)
        why = "a part of it has an unknown format or compression";
      bytes += used;
      size -= used;
    }
  return why;
}
