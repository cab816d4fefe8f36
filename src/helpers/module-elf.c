/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads ELF module files, and checks all numbers in them. */
#include "helpers/module-elf.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "helpers/elf-image.h"

enum { VERSION_ENTRY_64 = 64, CRC = 4, GPL_ONLY = 1 };

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

/* The form of Linux 6.14: an array of checksums, and the names in the same order, each ended by NUL. */
static void
read_extended (const ElfImage *image, const ElfSection *crcs, const ElfSection *names, ElfFunc func, void *user)
{
  const char *at = (const char *)image->bytes + names->offset, *end = at + names->size;

  for (uint64_t i = 0; (i + 1) * CRC <= crcs->size && at < end; i++)
    {
      const char *stop = memchr (at, '\0', (size_t)(end - at));
      char value[24];

      if (stop == NULL)
        return;
      (void)snprintf (value, sizeof value, "0x%08" PRIx32,
                      (uint32_t)elf_number (image, (size_t)(crcs->offset + i * CRC), CRC));
      if (stop > at)
        func (ELF_VERSION, at, value, user);
      at = stop + 1;
    }
}

/* ---- symbols ---- */

typedef struct {
  const ElfImage *image;
  uint64_t table; /* of section headers */
  ElfSection names;
  ElfFunc func;
  void *user;
} Reader;

/* A symbol with the prefix @prefix, which describes the export @name. */
typedef struct {
  const char *name;
  unsigned place; /* index of its section */
  uint64_t value;
} Label;

/* Returns: whether the section of @label has bytes, @size of which are at its value */
static bool
find_label (const Reader *self, const Label *label, uint64_t size, ElfSection *section)
{
  return label->place < SHN_LORESERVE && elf_read_section (self->image, self->table, label->place, section)
         && section->type != SHT_NOBITS && elf_lies_inside (self->image, section->offset, section->size)
         && label->value <= section->size && size <= section->size - label->value;
}

/* __ksymtab_NAME: an entry of the table of exports. Without __flags_NAME, the name of the section tells its kind;
 * linked modules have __ksymtab_gpl, others ___ksymtab_gpl+NAME. */
static void
read_export (const Reader *self, const Label *label)
{
  static const char gpl[] = "ksymtab_gpl";
  ElfSection section;
  const char *name
      = find_label (self, label, 0, &section) ? elf_text_at (self->image, &self->names, section.name) : NULL;

  self->func (ELF_EXPORT, label->name, NULL, self->user);
  if (name == NULL)
    return;
  name += strspn (name, "_");
  if (strncmp (name, gpl, sizeof gpl - 1) == 0 && (name[sizeof gpl - 1] == '\0' || name[sizeof gpl - 1] == '+'))
    self->func (ELF_GPL, label->name, NULL, self->user);
}

/* __crc_NAME: the checksum, or since Linux 5.19 its place. */
static void
read_crc (const Reader *self, const Label *label)
{
  char value[24];
  ElfSection section;
  uint32_t crc = (uint32_t)label->value;

  if (find_label (self, label, CRC, &section))
    crc = (uint32_t)elf_number (self->image, (size_t)(section.offset + label->value), CRC);
  else if (label->place != SHN_ABS)
    return;
  (void)snprintf (value, sizeof value, "0x%08" PRIx32, crc);
  self->func (ELF_CRC, label->name, value, self->user);
}

/* __kstrtabns_NAME: the place of the namespace. */
static void
read_space (const Reader *self, const Label *label)
{
  ElfSection section;

  if (!find_label (self, label, 1, &section))
    return;
  section.type = SHT_STRTAB; /* which it is, although its header does not say so */
  const char *space = elf_text_at (self->image, &section, label->value);
  if (space != NULL && *space != '\0')
    self->func (ELF_SPACE, label->name, space, self->user);
}

/* __flags_NAME: the place of a byte, in newer kernels. */
static void
read_flags (const Reader *self, const Label *label)
{
  ElfSection section;

  if (find_label (self, label, 1, &section)
      && (elf_number (self->image, (size_t)(section.offset + label->value), 1) & GPL_ONLY) != 0)
    self->func (ELF_GPL, label->name, NULL, self->user);
}

static void
read_label (const Reader *self, const Label *symbol)
{
  static const struct {
    const char *prefix;
    void (*read) (const Reader *self, const Label *label);
  } labels[] = {
    { "__ksymtab_", read_export }, { "__crc_", read_crc }, { "__kstrtabns_", read_space }, { "__flags_", read_flags }
  };

  for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
    {
      size_t length = strlen (labels[i].prefix);
      Label label = { symbol->name + length, symbol->place, symbol->value };

      if (strncmp (symbol->name, labels[i].prefix, length) == 0 && symbol->name[length] != '\0')
        labels[i].read (self, &label);
    }
}

static void
read_symbols (const Reader *self, const ElfSection *section, const ElfSection *strings)
{
  const ElfImage *image = self->image;
  unsigned step = image->wide ? sizeof (Elf64_Sym) : sizeof (Elf32_Sym);

  for (uint64_t at = section->offset; at + step <= section->offset + section->size; at += step)
    {
      unsigned info = (unsigned)elf_number (image, (size_t)at + (image->wide ? 4 : 12), 1);
      Label symbol = { elf_text_at (image, strings, elf_number (image, (size_t)at, 4)),
                       (unsigned)elf_number (image, (size_t)at + (image->wide ? 6 : 14), 2),
                       elf_number (image, (size_t)at + (image->wide ? 8 : 4), image->wide ? 8 : 4) };

      if (symbol.name == NULL || *symbol.name == '\0')
        continue;
      /* 13 is STT_SPARC_REGISTER. */
      if (symbol.place != SHN_UNDEF)
        read_label (self, &symbol);
      else if (ELF64_ST_BIND (info) == STB_WEAK)
        self->func (ELF_WEAK, symbol.name, NULL, self->user);
      else if (ELF64_ST_BIND (info) == STB_GLOBAL && ELF64_ST_TYPE (info) != 13)
        self->func (ELF_UNDEFINED, symbol.name, NULL, self->user);
    }
}

/* ---- sections ---- */

/* The sections that are read after all are known. Those that were not found have the type SHT_NULL. */
typedef struct {
  ElfSection versions, crcs, crc_names;
  unsigned infos, selves;
} Found;

/* Reads one section. Returns: (nullable): why the file is unreadable */
static const char *
read_section (const Reader *self, const ElfSection *section, const char *name, Found *found, ElfFacts *facts)
{
  ElfSection strings;

  if (strcmp (name, ".modinfo") == 0)
    {
      found->infos++;
      read_modinfo (self->image, section, self->func, self->user);
    }
  else if (strcmp (name, ".gnu.linkonce.this_module") == 0)
    {
      found->selves++;
      facts->struct_size = section->size;
    }
  else if (strcmp (name, "__versions") == 0)
    found->versions = *section;
  else if (strcmp (name, "__version_ext_crcs") == 0)
    found->crcs = *section;
  else if (strcmp (name, "__version_ext_names") == 0)
    found->crc_names = *section;
  else if (strcmp (name, ".BTF") == 0)
    facts->has_btf = section->size > 0;
  else if (strcmp (name, ".BTF.base") == 0)
    facts->has_btf_base = section->size > 0;
  else if (section->type == SHT_SYMTAB)
    {
      facts->symbol_tables++;
      if (!elf_read_section (self->image, self->table, section->link, &strings))
        return "its symbol names are missing";
      read_symbols (self, section, &strings);
    }
  return NULL;
}

static const char *
read_sections (Reader *self, ElfFacts *facts)
{
  const ElfImage *image = self->image;
  uint64_t count = elf_number (image, image->wide ? 0x3c : 0x30, 2);
  uint64_t names_index = elf_number (image, image->wide ? 0x3e : 0x32, 2);
  Found found = { .infos = 0 };
  ElfSection first, section;

  self->table = elf_number (image, image->wide ? 0x28 : 0x20, image->wide ? 8 : 4);
  if (self->table == 0 || !elf_read_section (image, self->table, 0, &first))
    return "its section headers are missing";
  if (count == 0) /* more than the field in the header can hold */
    count = first.size;
  if (names_index == SHN_XINDEX)
    names_index = first.link;
  if (!elf_read_section (image, self->table, names_index, &self->names))
    return "its section names are missing";
  for (uint64_t i = 1; i < count; i++)
    {
      if (!elf_read_section (image, self->table, i, &section))
        return "it is cut off";
      const char *name = elf_text_at (image, &self->names, section.name), *why;
      if (name == NULL || section.type == SHT_NOBITS)
        continue;
      if (!elf_lies_inside (image, section.offset, section.size))
        return "it is cut off";
      if ((why = read_section (self, &section, name, &found, facts)) != NULL)
        return why;
    }
  facts->extended = found.crcs.type != SHT_NULL;
  facts->versioned = facts->extended || found.versions.type != SHT_NULL;
  if (facts->extended)
    read_extended (image, &found.crcs, &found.crc_names, self->func, self->user);
  else if (facts->versioned)
    read_versions (image, &found.versions, self->func, self->user);
  facts->is_module = found.infos == 1 && found.selves == 1;
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
  Reader reader = { .image = &image, .func = func, .user = user };
  facts->why = read_sections (&reader, facts);
}
