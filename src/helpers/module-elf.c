/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads ELF module files, and checks all numbers in them. */
#include "helpers/module-elf.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_NAME = 512, VERSION_ENTRY_64 = 64 };

typedef struct {
  const uint8_t *bytes;
  size_t size;
  bool wide, big; /* ELFCLASS64, ELFDATA2MSB */
} Image;

typedef struct {
  uint32_t name, type, link;
  uint64_t offset, size, entry;
} Section;

/* The number in @n bytes at @at, which must be inside of the file. */
static uint64_t
number (const Image *image, size_t at, unsigned n)
{
  uint64_t value = 0;

  for (unsigned i = 0; i < n; i++)
    value = value << 8 | image->bytes[at + (image->big ? i : n - 1 - i)];
  return value;
}

static bool
lies_inside (const Image *image, uint64_t offset, uint64_t size)
{
  return offset <= image->size && size <= image->size - offset;
}

/* Returns: false if the header of section @index is not in the file */
static bool
read_section (const Image *image, uint64_t table, uint64_t index, Section *section)
{
  unsigned step = image->wide ? sizeof (Elf64_Shdr) : sizeof (Elf32_Shdr), word = image->wide ? 8 : 4;

  if (index > image->size / step || table > image->size || !lies_inside (image, table + index * step, step))
    return false;
  size_t at = (size_t)(table + index * step);
  section->name = (uint32_t)number (image, at, 4);
  section->type = (uint32_t)number (image, at + 4, 4);
  section->offset = number (image, at + 8 + 2 * word, word);
  section->size = number (image, at + 8 + 3 * word, word);
  section->link = (uint32_t)number (image, at + 8 + 4 * word, 4);
  section->entry = number (image, at + 16 + 5 * word, word);
  return true;
}

/* Returns: the text at @offset of a string section; NULL if it has no end there, or is too long */
static const char *
text_at (const Image *image, const Section *strings, uint64_t offset)
{
  const char *text;

  if (strings->type != SHT_STRTAB || !lies_inside (image, strings->offset, strings->size) || offset >= strings->size)
    return NULL;
  text = (const char *)image->bytes + strings->offset + offset;
  uint64_t left = strings->size - offset;
  return memchr (text, '\0', left < LONGEST_NAME ? (size_t)left : LONGEST_NAME) != NULL ? text : NULL;
}

/* "name=value\0name=value\0..." */
static void
read_modinfo (const Image *image, const Section *section, ElfFunc func, void *user)
{
  const char *at = (const char *)image->bytes + section->offset, *end = at + section->size;

  while (at < end)
    {
      const char *stop = memchr (at, '\0', (size_t)(end - at));
      const char *equals = stop != NULL ? memchr (at, '=', (size_t)(stop - at)) : NULL;
      char name[64];

      if (stop == NULL)
        return;
      if (equals != NULL && (size_t)(equals - at) < sizeof name)
        {
          memcpy (name, at, (size_t)(equals - at));
          name[equals - at] = '\0';
          func (ELF_MODINFO, name, equals + 1, user);
        }
      at = stop + 1;
    }
}

/* struct modversion_info: a checksum in a long, and the name. */
static void
read_versions (const Image *image, const Section *section, ElfFunc func, void *user)
{
  unsigned word = image->wide ? 8 : 4;

  for (uint64_t at = section->offset; at + VERSION_ENTRY_64 <= section->offset + section->size; at += VERSION_ENTRY_64)
    {
      char value[24], name[VERSION_ENTRY_64];

      (void)snprintf (value, sizeof value, "0x%08" PRIx32, (uint32_t)number (image, (size_t)at, word));
      memcpy (name, image->bytes + at + word, VERSION_ENTRY_64 - word);
      name[VERSION_ENTRY_64 - word - 1] = '\0';
      if (*name != '\0')
        func (ELF_VERSION, name, value, user);
    }
}

static void
read_symbols (const Image *image, const Section *section, const Section *strings, ElfFunc func, void *user)
{
  static const char exported[] = "__ksymtab_";
  unsigned step = image->wide ? sizeof (Elf64_Sym) : sizeof (Elf32_Sym);

  for (uint64_t at = section->offset; at + step <= section->offset + section->size; at += step)
    {
      unsigned info = (unsigned)number (image, (size_t)at + (image->wide ? 4 : 12), 1);
      unsigned place = (unsigned)number (image, (size_t)at + (image->wide ? 6 : 14), 2);
      const char *name = text_at (image, strings, number (image, (size_t)at, 4));

      if (name == NULL || *name == '\0')
        continue;
      /* Weak symbols may stay undefined. 13 is STT_SPARC_REGISTER. */
      if (place == SHN_UNDEF)
        {
          if (ELF64_ST_BIND (info) == STB_GLOBAL && ELF64_ST_TYPE (info) != 13)
            func (ELF_UNDEFINED, name, NULL, user);
        }
      else if (strncmp (name, exported, sizeof exported - 1) == 0)
        func (ELF_EXPORT, name + sizeof exported - 1, NULL, user);
    }
}

static const char *
read_sections (const Image *image, ElfFacts *facts, ElfFunc func, void *user)
{
  uint64_t table = number (image, image->wide ? 0x28 : 0x20, image->wide ? 8 : 4);
  uint64_t count = number (image, image->wide ? 0x3c : 0x30, 2);
  uint64_t names_index = number (image, image->wide ? 0x3e : 0x32, 2);
  bool info = false, self = false;
  Section first, names, section;

  if (table == 0 || !read_section (image, table, 0, &first))
    return "its section headers are missing";
  if (count == 0) /* more than the field in the header can hold */
    count = first.size;
  if (names_index == SHN_XINDEX)
    names_index = first.link;
  if (!read_section (image, table, names_index, &names))
    return "its section names are missing";
  for (uint64_t i = 1; i < count; i++)
    {
      if (!read_section (image, table, i, &section))
        return "it is cut off";
      const char *name = text_at (image, &names, section.name);
      if (name == NULL || section.type == SHT_NOBITS)
        continue;
      if (!lies_inside (image, section.offset, section.size))
        return "it is cut off";
      if (strcmp (name, ".modinfo") == 0)
        {
          info = true;
          read_modinfo (image, &section, func, user);
        }
      else if (strcmp (name, ".gnu.linkonce.this_module") == 0)
        self = true;
      else if (strcmp (name, "__versions") == 0)
        {
          facts->versioned = true;
          read_versions (image, &section, func, user);
        }
      else if (strcmp (name, "__version_ext_crcs") == 0)
        facts->versioned = true;
      else if (section.type == SHT_SYMTAB)
        {
          Section strings;
          if (!read_section (image, table, section.link, &strings))
            return "its symbol names are missing";
          read_symbols (image, &section, &strings, func, user);
        }
    }
  facts->is_module = info && self;
  return NULL;
}

void
elf_read (const void *bytes, size_t size, ElfFacts *facts, ElfFunc func, void *user)
{
  Image image = { .bytes = bytes, .size = size };

  memset (facts, 0, sizeof *facts);
  if (size < EI_NIDENT || memcmp (bytes, ELFMAG, SELFMAG) != 0)
    {
      facts->why = "it is not an ELF file";
      return;
    }
  facts->class = image.bytes[EI_CLASS];
  facts->data = image.bytes[EI_DATA];
  image.wide = facts->class == ELFCLASS64;
  image.big = facts->data == ELFDATA2MSB;
  if ((!image.wide && facts->class != ELFCLASS32) || (!image.big && facts->data != ELFDATA2LSB)
      || size < (image.wide ? sizeof (Elf64_Ehdr) : sizeof (Elf32_Ehdr)))
    {
      facts->why = "its ELF header makes no sense";
      return;
    }
  facts->type = (unsigned)number (&image, 16, 2);
  facts->machine = (unsigned)number (&image, 18, 2);
  facts->why = read_sections (&image, facts, func, user);
}
