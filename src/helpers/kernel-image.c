/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads kernel images, and checks all numbers in them. */
#define _GNU_SOURCE
#include "helpers/kernel-image.h"

#include <elf.h>
#include <string.h>

#include "helpers/elf-image.h"

/* Offsets in the header of a bzImage. */
enum {
  SETUP_SECTS = 0x1f1,
  MAGIC = 0x202,
  VERSION = 0x20e,
  PAYLOAD_OFFSET = 0x248,
  PAYLOAD_LENGTH = 0x24c,
  SECTOR = 512,
  SETUP_END = 0x250
};
enum { RELATIVE_ENTRY = 12, CRC = 4, GPL_ONLY = 1, MOST_VERMAGIC = 256 };

bool
kernel_image_payload (const void *bytes, size_t size, size_t *at, size_t *length)
{
  const uint8_t *image = bytes;
  uint32_t offset, count;

  if (size < SETUP_END || memcmp (image + MAGIC, "HdrS", 4) != 0)
    return false;
  memcpy (&offset, image + PAYLOAD_OFFSET, sizeof offset);
  memcpy (&count, image + PAYLOAD_LENGTH, sizeof count);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  offset = __builtin_bswap32 (offset);
  count = __builtin_bswap32 (count);
#endif
  *at = ((image[SETUP_SECTS] != 0 ? image[SETUP_SECTS] : 4U) + 1) * (size_t)SECTOR + offset;
  *length = count;
  return *at <= size && *length <= size - *at && *length > 0;
}

const char *
kernel_image_version (const void *bytes, size_t size)
{
  const uint8_t *image = bytes;

  if (size < SETUP_END || memcmp (image + MAGIC, "HdrS", 4) != 0)
    return NULL;
  size_t at = (size_t)(image[VERSION] | image[VERSION + 1] << 8) + SECTOR;
  if (at == SECTOR || at >= size)
    return NULL;
  const char *text = (const char *)image + at;
  return memchr (text, '\0', size - at < SECTOR ? size - at : SECTOR) != NULL ? text : NULL;
}

/* ---- sections ---- */

typedef struct {
  ElfImage image;
  ElfSection strings;    /* __ksymtab_strings */
  ElfSection symbols[2]; /* __ksymtab, __ksymtab_gpl */
  ElfSection crcs[2];    /* __kcrctab, __kcrctab_gpl */
  ElfSection flags;      /* __kflagstab */
  ElfSection btf;
} Kernel;

/* Returns: (nullable): why the sections cannot be read. Absent sections have the type SHT_NULL */
static const char *
find_sections (Kernel *self, const void *bytes, size_t size)
{
  static const char *const names[]
      = { "__ksymtab_strings", "__ksymtab", "__ksymtab_gpl", "__kcrctab", "__kcrctab_gpl", "__kflagstab", ".BTF" };
  ElfSection *const sections[] = { &self->strings, &self->symbols[0], &self->symbols[1], &self->crcs[0],
                                   &self->crcs[1], &self->flags,      &self->btf };
  const char *why = elf_image_open (&self->image, bytes, size);
  const ElfImage *image = &self->image;
  ElfSection text, section;

  if (why != NULL)
    return why;
  uint64_t table = elf_number (image, image->wide ? 0x28 : 0x20, image->wide ? 8 : 4);
  uint64_t count = elf_number (image, image->wide ? 0x3c : 0x30, 2);
  if (table == 0 || !elf_read_section (image, table, elf_number (image, image->wide ? 0x3e : 0x32, 2), &text))
    return "its section names are missing";
  for (uint64_t i = 1; i < count; i++)
    {
      if (!elf_read_section (image, table, i, &section))
        return "it is cut off";
      const char *name = elf_text_at (image, &text, section.name);
      for (size_t k = 0; name != NULL && k < sizeof names / sizeof *names; k++)
        if (strcmp (name, names[k]) == 0 && section.type != SHT_NOBITS
            && elf_lies_inside (image, section.offset, section.size))
          *sections[k] = section;
    }
  if (self->strings.type != SHT_NULL)
    self->strings.type = SHT_STRTAB; /* which it is, although its header does not say so */
  return NULL;
}

/* ---- symbols ---- */

/* Returns: (nullable): the text to which the relative reference at offset @at of @section points */
static const char *
text_of (const Kernel *self, const ElfSection *section, uint64_t at)
{
  int64_t distance = (int32_t)(uint32_t)elf_number (&self->image, (size_t)(section->offset + at), 4);
  uint64_t address = section->address + at + (uint64_t)distance;

  if (address < self->strings.address)
    return NULL;
  return elf_text_at (&self->image, &self->strings, address - self->strings.address);
}

static void
read_export (const Kernel *self, unsigned kind, uint64_t index, KernelExport *to)
{
  const ElfSection *section = &self->symbols[kind], *crcs = &self->crcs[kind];
  const char *space;

  to->name = text_of (self, section, index * RELATIVE_ENTRY + 4);
  space = text_of (self, section, index * RELATIVE_ENTRY + 8);
  to->name_space = space != NULL ? space : "";
  to->gpl_only = kind == 1
                 || (self->flags.type != SHT_NULL && index < self->flags.size
                     && (elf_number (&self->image, (size_t)(self->flags.offset + index), 1) & GPL_ONLY) != 0);
  to->has_crc = crcs->type != SHT_NULL && (index + 1) * CRC <= crcs->size;
  to->crc = to->has_crc ? (uint32_t)elf_number (&self->image, (size_t)(crcs->offset + index * CRC), 4) : 0;
}

const char *
kernel_image_exports (const void *bytes, size_t size, KernelExportFunc func, void *user)
{
  Kernel self = { .image = { 0 } };
  const char *why = find_sections (&self, bytes, size);
  uint64_t total = 0;

  if (why == NULL && (self.strings.type == SHT_NULL || self.symbols[0].type == SHT_NULL))
    why = "it has no table of exported symbols";
  for (unsigned round = 0; why == NULL && round < 2; round++) /* first checks, then calls @func */
    for (unsigned kind = 0; why == NULL && kind < 2; kind++)
      for (uint64_t i = 0; why == NULL && (i + 1) * RELATIVE_ENTRY <= self.symbols[kind].size; i++)
        {
          KernelExport symbol;
          read_export (&self, kind, i, &symbol);
          if (symbol.name == NULL || *symbol.name == '\0')
            why = "its table of exported symbols has an unknown layout";
          else if (round == 1)
            func (&symbol, user);
          total++;
        }
  return why == NULL && total == 0 ? "it exports no symbols" : why;
}

bool
kernel_image_btf (const void *bytes, size_t size, size_t *at, size_t *length)
{
  Kernel self = { .image = { 0 } };

  if (find_sections (&self, bytes, size) != NULL || self.btf.type == SHT_NULL)
    return false;
  *at = (size_t)self.btf.offset;
  *length = (size_t)self.btf.size;
  return true;
}

/* ---- the version text ---- */

/* Returns: whether the words of @text are those of include/linux/vermagic.h */
static bool
is_vermagic (const char *text)
{
  static const char words[] = " SMP preempt preempt_rt mod_unload modversions RANDSTRUCT_PLUGIN aarch64 ARMv7 p2v8 "
                              "riscv mipsr5 ";

  while (*text != '\0')
    {
      size_t length = strcspn (text, " ");
      char word[32];

      if (length == 0 || length + 3 > sizeof word)
        return false;
      word[0] = ' ';
      memcpy (word + 1, text, length);
      word[length + 1] = ' ';
      word[length + 2] = '\0';
      if (strstr (words, word) == NULL && strncmp (text, "RANDSTRUCT", 10) != 0)
        return false;
      text += length + (text[length] == ' ');
    }
  return true;
}

const char *
kernel_image_vermagic (const void *bytes, size_t size, const char *release)
{
  size_t length = size > 0 ? strlen (release) : 0;
  const char *at = bytes, *end = length > 0 ? at + size : at;

  while (length > 0 && (at = memmem (at, (size_t)(end - at), release, length)) != NULL)
    {
      const char *stop = memchr (at, '\0', (size_t)(end - at));
      if (stop == NULL)
        return NULL;
      if (at[length] == ' ' && stop - at < MOST_VERMAGIC && (at == bytes || at[-1] == '\0') && at[length + 1] != '\0'
          && is_vermagic (at + length + 1))
        return at;
      at += length;
    }
  return NULL;
}
