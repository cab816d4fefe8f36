/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads numbers, section headers and texts of ELF files, and checks that they are inside of the file. */
#include "helpers/elf-image.h"

#include <elf.h>
#include <string.h>

enum { LONGEST_NAME = 512 };

const char *
elf_image_open (ElfImage *image, const void *bytes, size_t size)
{
  *image = (ElfImage){ .bytes = bytes, .size = size };
  if (size < EI_NIDENT || memcmp (bytes, ELFMAG, SELFMAG) != 0)
    return "it is not an ELF file";
  image->wide = image->bytes[EI_CLASS] == ELFCLASS64;
  image->big = image->bytes[EI_DATA] == ELFDATA2MSB;
  if ((!image->wide && image->bytes[EI_CLASS] != ELFCLASS32) || (!image->big && image->bytes[EI_DATA] != ELFDATA2LSB)
      || size < (image->wide ? sizeof (Elf64_Ehdr) : sizeof (Elf32_Ehdr)))
    return "its ELF header makes no sense";
  return NULL;
}

uint64_t
elf_number (const ElfImage *image, size_t at, unsigned n)
{
  uint64_t value = 0;

  for (unsigned i = 0; i < n; i++)
    value = value << 8 | image->bytes[at + (image->big ? i : n - 1 - i)];
  return value;
}

bool
elf_lies_inside (const ElfImage *image, uint64_t offset, uint64_t size)
{
  return offset <= image->size && size <= image->size - offset;
}

unsigned
elf_header_size (const ElfImage *image)
{
  return image->wide ? sizeof (Elf64_Shdr) : sizeof (Elf32_Shdr);
}

bool
elf_read_section (const ElfImage *image, uint64_t table, uint64_t index, ElfSection *section)
{
  unsigned step = elf_header_size (image), word = image->wide ? 8 : 4;

  if (index > image->size / step || table > image->size || !elf_lies_inside (image, table + index * step, step))
    return false;
  size_t at = (size_t)(table + index * step);
  section->name = (uint32_t)elf_number (image, at, 4);
  section->type = (uint32_t)elf_number (image, at + 4, 4);
  section->address = elf_number (image, at + 8 + word, word);
  section->offset = elf_number (image, at + 8 + 2 * word, word);
  section->size = elf_number (image, at + 8 + 3 * word, word);
  section->link = (uint32_t)elf_number (image, at + 8 + 4 * word, 4);
  section->entry = elf_number (image, at + 16 + 5 * word, word);
  return true;
}

const char *
elf_text_at (const ElfImage *image, const ElfSection *strings, uint64_t offset)
{
  const char *text;

  if (strings->type != SHT_STRTAB || !elf_lies_inside (image, strings->offset, strings->size)
      || offset >= strings->size)
    return NULL;
  text = (const char *)image->bytes + strings->offset + offset;
  uint64_t left = strings->size - offset;
  return memchr (text, '\0', left < LONGEST_NAME ? (size_t)left : LONGEST_NAME) != NULL ? text : NULL;
}
