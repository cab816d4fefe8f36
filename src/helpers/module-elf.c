/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads ELF module files, and checks all numbers in them. */
#include "helpers/module-elf.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "helpers/elf-image.h"

enum { VERSION_ENTRY_64 = 64 };

/* "name=value\0name=value\0..." */
static void
read_modinfo (const ElfImage *image, const ElfSection *section, ElfFunc func, void *user)
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
read_versions (const ElfImage *image, const ElfSection *section, ElfFunc func, void *user)
{
  unsigned word = image->wide ? 8 : 4;

  for (uint64_t at = section->offset; at + VERSION_ENTRY_64 <= section->offset + section->size; at += VERSION_ENTRY_64)
    {
      char value[24], name[VERSION_ENTRY_64];

      (void)snprintf (value, sizeof value, "0x%08" PRIx32, (uint32_t)elf_number (image, (size_t)at, word));
      memcpy (name, image->bytes + at + word, VERSION_ENTRY_64 - word);
      name[VERSION_ENTRY_64 - word - 1] = '\0';
      if (*name != '\0')
        func (ELF_VERSION, name, value, user);
    }
}

static void
read_symbols (const ElfImage *image, const ElfSection *section, const ElfSection *strings, ElfFunc func, void *user)
{
  static const char exported[] = "__ksymtab_";
  unsigned step = image->wide ? sizeof (Elf64_Sym) : sizeof (Elf32_Sym);

  for (uint64_t at = section->offset; at + step <= section->offset + section->size; at += step)
    {
      unsigned info = (unsigned)elf_number (image, (size_t)at + (image->wide ? 4 : 12), 1);
      unsigned place = (unsigned)elf_number (image, (size_t)at + (image->wide ? 6 : 14), 2);
      const char *name = elf_text_at (image, strings, elf_number (image, (size_t)at, 4));

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
read_sections (const ElfImage *image, ElfFacts *facts, ElfFunc func, void *user)
{
  uint64_t table = elf_number (image, image->wide ? 0x28 : 0x20, image->wide ? 8 : 4);
  uint64_t count = elf_number (image, image->wide ? 0x3c : 0x30, 2);
  uint64_t names_index = elf_number (image, image->wide ? 0x3e : 0x32, 2);
  bool info = false, self = false;
  ElfSection first, names, section;

  if (table == 0 || !elf_read_section (image, table, 0, &first))
    return "its section headers are missing";
  if (count == 0) /* more than the field in the header can hold */
    count = first.size;
  if (names_index == SHN_XINDEX)
    names_index = first.link;
  if (!elf_read_section (image, table, names_index, &names))
    return "its section names are missing";
  for (uint64_t i = 1; i < count; i++)
    {
      if (!elf_read_section (image, table, i, &section))
        return "it is cut off";
      const char *name = elf_text_at (image, &names, section.name);
      if (name == NULL || section.type == SHT_NOBITS)
        continue;
      if (!elf_lies_inside (image, section.offset, section.size))
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
          ElfSection strings;
          if (!elf_read_section (image, table, section.link, &strings))
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
  ElfImage image;

  memset (facts, 0, sizeof *facts);
  facts->why = elf_image_open (&image, bytes, size);
  if (size >= EI_NIDENT && memcmp (bytes, ELFMAG, SELFMAG) == 0)
    {
      facts->class = image.bytes[EI_CLASS];
      facts->data = image.bytes[EI_DATA];
    }
  if (facts->why != NULL)
    return;
  facts->type = (unsigned)elf_number (&image, 16, 2);
  facts->machine = (unsigned)elf_number (&image, 18, 2);
  facts->why = read_sections (&image, facts, func, user);
}
