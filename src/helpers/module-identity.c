/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads two sections of a module, and checks all numbers in them. */
#define _GNU_SOURCE
#include "helpers/module-identity.h"

#include <elf.h>
#include <string.h>

#include "helpers/elf-image.h"

enum { LONGEST_TEXT = 1024, LARGEST_ID = 64 };

/* Returns: (nullable): the value of "@name=value" in .modinfo */
static const char *
field (const ElfImage *image, const ElfSection *section, const char *name)
{
  const char *at = (const char *)image->bytes + section->offset, *end = at + section->size;
  size_t length = strlen (name);

  while (at < end)
    {
      const char *stop = memchr (at, '\0', (size_t)(end - at));
      if (stop == NULL)
        return NULL;
      if ((size_t)(stop - at) > length && at[length] == '=' && memcmp (at, name, length) == 0)
        return stop - at <= LONGEST_TEXT ? at + length + 1 : NULL;
      at = stop + 1;
    }
  return NULL;
}

/* A note: sizes of its name and its content, its type, its name, its content. */
static void
read_build_id (const ElfImage *image, const ElfSection *section, ModuleIdentity *to)
{
  enum { HEAD = 12, NAME = 4 };
  size_t at = (size_t)section->offset;

  if (section->size < HEAD + NAME || elf_number (image, at, 4) != NAME
      || elf_number (image, at + 8, 4) != NT_GNU_BUILD_ID || memcmp (image->bytes + at + HEAD, ELF_NOTE_GNU, NAME) != 0)
    return;
  size_t size = (size_t)elf_number (image, at + 4, 4);
  if (size == 0 || size > LARGEST_ID || size > section->size - HEAD - NAME)
    return;
  to->build_id = image->bytes + at + HEAD + NAME;
  to->build_id_size = size;
}

void
module_identity_read (const void *bytes, size_t size, ModuleIdentity *to)
{
  static const char magic[] = "~Module signature appended~\n";
  ElfImage image;
  ElfSection names, section;

  *to = (ModuleIdentity){ .is_signed
                          = size >= sizeof magic - 1
                            && memcmp ((const char *)bytes + size - (sizeof magic - 1), magic, sizeof magic - 1) == 0 };
  if (elf_image_open (&image, bytes, size) != NULL)
    return;
  uint64_t table = elf_number (&image, image.wide ? 0x28 : 0x20, image.wide ? 8 : 4);
  uint64_t count = elf_number (&image, image.wide ? 0x3c : 0x30, 2);
  if (!elf_read_section (&image, table, elf_number (&image, image.wide ? 0x3e : 0x32, 2), &names))
    return;
  for (uint64_t i = 1; i < count && elf_read_section (&image, table, i, &section); i++)
    {
      const char *name = elf_text_at (&image, &names, section.name);
      if (name == NULL || section.type == SHT_NOBITS || !elf_lies_inside (&image, section.offset, section.size))
        continue;
      if (strcmp (name, ".modinfo") == 0)
        {
          to->srcversion = field (&image, &section, "srcversion");
          to->vermagic = field (&image, &section, "vermagic");
        }
      else if (strcmp (name, ".note.gnu.build-id") == 0)
        read_build_id (&image, &section, to);
    }
}
