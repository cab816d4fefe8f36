/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the section .BTF of an ELF file by its headers alone, because a vmlinux may have a gigabyte. */
#include "kernel/btf.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SECTIONS = 65536, MOST_NAMES = 1 << 22, MOST_BTF = 1 << 30, PIECE = 1 << 16 };

typedef struct {
  int fd;
  gboolean wide, big; /* ELFCLASS64, ELFDATA2MSB */
  gboolean failed;    /* a read failed */
} Image;

typedef struct {
  guint64 name, offset, size;
} Section;

/* Returns: whether all @size bytes at @offset are in the file and were read */
static gboolean
read_at (Image *self, guint64 offset, void *bytes, gsize size)
{
  gsize have = 0;

  while (have < size && offset <= (guint64)G_MAXINT64 - size)
    {
      ssize_t n = pread (self->fd, (char *)bytes + have, size - have, (off_t)(offset + have));
      if (n < 0 && errno == EINTR)
        continue;
      self->failed |= n < 0;
      if (n <= 0)
        break;
      have += (gsize)n;
    }
  return have == size;
}

static guint64
number (const Image *self, const guint8 *at, guint size)
{
  guint64 value = 0;

  for (guint i = 0; i < size; i++)
    value = value << 8 | at[self->big ? i : size - 1 - i];
  return value;
}

/* Section @index of the table at @table. */
static gboolean
read_section (Image *self, guint64 table, guint64 index, Section *section)
{
  guint8 bytes[sizeof (Elf64_Shdr)];
  guint size = self->wide ? sizeof (Elf64_Shdr) : sizeof (Elf32_Shdr), word = self->wide ? 8 : 4;

  if (index >= MOST_SECTIONS || !read_at (self, table + index * size, bytes, size))
    return FALSE;
  section->name = number (self, bytes, 4);
  section->offset = number (self, bytes + 8 + 2 * word, word);
  section->size = number (self, bytes + 8 + 3 * word, word);
  return TRUE;
}

static gboolean
find_section (Image *self, const char *name, Section *found)
{
  guint8 head[sizeof (Elf64_Ehdr)];
  guint word;
  Section names;

  if (!read_at (self, 0, head, sizeof (Elf32_Ehdr)) || memcmp (head, ELFMAG, SELFMAG) != 0)
    return FALSE;
  self->wide = head[EI_CLASS] == ELFCLASS64;
  self->big = head[EI_DATA] == ELFDATA2MSB;
  word = self->wide ? 8 : 4;
  if (self->wide && !read_at (self, 0, head, sizeof head))
    return FALSE;
  guint64 table = number (self, head + 24 + 2 * word, word);
  const guint8 *counts = head + (self->wide ? 60 : 48); /* e_shnum, e_shstrndx */
  guint64 count = number (self, counts, 2), index_of_names = number (self, counts + 2, 2);
  if (!read_section (self, table, index_of_names, &names) || names.size > MOST_NAMES || names.size == 0)
    return FALSE;
  guint8 last; /* read first, so that a damaged header does not cost more memory than the file has bytes */
  if (!read_at (self, names.offset + names.size - 1, &last, 1))
    return FALSE;
  g_autofree char *texts = g_malloc0 (names.size + 1);
  if (!read_at (self, names.offset, texts, names.size))
    return FALSE;
  for (guint64 i = 0; i < count && read_section (self, table, i, found); i++)
    if (found->name < names.size && strcmp (texts + found->name, name) == 0)
      return found->size <= MOST_BTF;
  return FALSE;
}

char *
dkms_btf_digest (int fd)
{
  Image self = { .fd = fd };
  Section section;

  if (!find_section (&self, ".BTF", &section))
    return self.failed ? NULL : g_strdup ("-");
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guint8 *piece = g_malloc (PIECE);
  for (guint64 at = 0; at < section.size;)
    {
      gsize size = (gsize)MIN (section.size - at, PIECE);
      if (!read_at (&self, section.offset + at, piece, size))
        return self.failed ? NULL : g_strdup ("-");
      g_checksum_update (sum, piece, (gssize)size);
      at += size;
    }
  return g_strdup (g_checksum_get_string (sum));
}
