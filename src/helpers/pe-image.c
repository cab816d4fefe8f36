/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the headers of PE files, and checks all numbers in them. */
#include "helpers/pe-image.h"

#include <stdint.h>
#include <string.h>

/* Offsets in the file, behind the signature "PE\0\0", and in the header of a section. */
enum { HEADER_AT = 0x3c, SECTIONS = 6, OPTIONAL_SIZE = 20, OPTIONAL = 24 };
enum { NAME = 8, VIRTUAL_SIZE = 8, RAW_SIZE = 16, RAW_AT = 20, SECTION_HEADER = 40 };

static uint32_t
number (const unsigned char *bytes, size_t at, unsigned n)
{
  uint32_t value = 0;

  for (unsigned i = n; i > 0; i--)
    value = value << 8 | bytes[at + i - 1];
  return value;
}

/* Returns: where the signature of the headers lies; 0: nowhere */
static size_t
find_headers (const unsigned char *bytes, size_t size)
{
  if (size < HEADER_AT + 4 || memcmp (bytes, "MZ", 2) != 0)
    return 0;
  size_t at = number (bytes, HEADER_AT, 4);
  return at > 0 && at < size && size - at >= OPTIONAL && memcmp (bytes + at, "PE\0", 4) == 0 ? at : 0;
}

bool
pe_image_is (const void *bytes, size_t size)
{
  return find_headers (bytes, size) > 0;
}

bool
pe_image_section (const void *bytes, size_t size, const char *name, size_t *at, size_t *length)
{
  const unsigned char *all = bytes;
  size_t headers = find_headers (all, size);
  char padded[NAME] = "";

  if (headers == 0 || strlen (name) > NAME)
    return false;
  memcpy (padded, name, strlen (name));
  size_t next = headers + OPTIONAL + number (all, headers + OPTIONAL_SIZE, 2);
  for (unsigned left = number (all, headers + SECTIONS, 2); left > 0; left--, next += SECTION_HEADER)
    {
      if (next > size || size - next < SECTION_HEADER)
        return false;
      if (memcmp (all + next, padded, NAME) != 0)
        continue;
      uint32_t exact = number (all, next + VIRTUAL_SIZE, 4), stored = number (all, next + RAW_SIZE, 4);
      *at = number (all, next + RAW_AT, 4);
      *length = exact > 0 && exact < stored ? exact : stored; /* what is stored is padded */
      return *at <= size && *length <= size - *at;
    }
  return false;
}
