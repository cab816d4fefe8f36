/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The section .BTF in ELF files of all classes and byte orders, and in files without the section. */
#define _GNU_SOURCE
#include "kernel/btf.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char names[] = "\0.text\0.BTF\0.shstrtab";
static const char types[] = "the types of a kernel";

typedef struct {
  GByteArray *bytes;
  gboolean wide, big;
} Writer;

static void
put (Writer *w, guint64 value, guint size)
{
  for (guint i = 0; i < size; i++)
    {
      guint8 byte = (guint8)(value >> 8 * (w->big ? size - 1 - i : i));
      g_byte_array_append (w->bytes, &byte, 1);
    }
}

static void
put_section (Writer *w, guint name, guint64 offset, guint64 size)
{
  guint word = w->wide ? 8 : 4;

  put (w, name, 4);
  put (w, SHT_PROGBITS, 4);
  put (w, 0, word);
  put (w, 0, word);
  put (w, offset, word);
  put (w, size, word);
  put (w, 0, 4);
  put (w, 0, 4);
  put (w, 0, word);
  put (w, 0, word);
}

/* @lie: difference between the offset in the section header and the real one; @content: of the section */
static GByteArray *
make_elf (gboolean wide, gboolean big, guint64 lie, const char *content)
{
  Writer w = { g_byte_array_new (), wide, big };
  guint word = wide ? 8 : 4, head = wide ? sizeof (Elf64_Ehdr) : sizeof (Elf32_Ehdr);
  guint names_at = head, content_at = head + sizeof names, table = content_at + (guint)strlen (content);
  guint8 ident[EI_NIDENT] = { 0x7f, 'E', 'L', 'F', wide ? ELFCLASS64 : ELFCLASS32, big ? ELFDATA2MSB : ELFDATA2LSB, 1 };

  g_byte_array_append (w.bytes, ident, sizeof ident);
  put (&w, ET_EXEC, 2);
  put (&w, EM_X86_64, 2);
  put (&w, 1, 4);
  put (&w, 0, word);
  put (&w, 0, word);
  put (&w, table, word);
  put (&w, 0, 4);
  put (&w, head, 2);
  put (&w, 0, 2);
  put (&w, 0, 2);
  put (&w, wide ? sizeof (Elf64_Shdr) : sizeof (Elf32_Shdr), 2);
  put (&w, 4, 2);
  put (&w, 3, 2);
  g_assert_cmpuint (w.bytes->len, ==, head);
  g_byte_array_append (w.bytes, (const guint8 *)names, sizeof names);
  g_byte_array_append (w.bytes, (const guint8 *)content, (guint)strlen (content));
  put_section (&w, 0, 0, 0);
  put_section (&w, 1, 0, 10);
  put_section (&w, 7, content_at + lie, strlen (content));
  put_section (&w, 12, names_at, sizeof names);
  return w.bytes;
}

static char *
digest_of (const GByteArray *bytes, guint size)
{
  int fd = memfd_create ("vmlinux", MFD_CLOEXEC);

  g_assert_cmpint (write (fd, bytes->data, size), ==, size);
  char *digest = dkms_btf_digest (fd);
  close (fd);
  return digest;
}

static void
test_found (void)
{
  g_autofree char *expected = g_compute_checksum_for_string (G_CHECKSUM_SHA256, types, -1);

  for (guint kind = 0; kind < 4; kind++)
    {
      g_autoptr (GByteArray) elf = make_elf (kind & 1, kind & 2, 0, types);
      g_autofree char *digest = digest_of (elf, elf->len);

      g_assert_cmpstr (digest, ==, expected);
      g_autoptr (GByteArray) other = make_elf (kind & 1, kind & 2, 0, "other types of a kernel");
      g_autofree char *other_digest = digest_of (other, other->len);
      g_assert_cmpstr (other_digest, !=, expected);
    }
}

/* In a truncated file, or with wrong headers, the section is not found; nothing outside of the file is read. */
static void
test_damaged (void)
{
  for (guint kind = 0; kind < 4; kind++)
    {
      g_autoptr (GByteArray) elf = make_elf (kind & 1, kind & 2, 0, types);
      g_autoptr (GByteArray) lying = make_elf (kind & 1, kind & 2, G_MAXUINT32, types);
      g_autofree char *lie = digest_of (lying, lying->len);

      for (guint size = 0; size < elf->len - 120; size++)
        {
          g_autofree char *digest = digest_of (elf, size);
          g_assert_cmpstr (digest, ==, "-");
        }
      if (kind & 1)
        g_assert_cmpstr (lie, ==, "-");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/btf/found", test_found);
  g_test_add_func ("/btf/damaged", test_damaged);
  return g_test_run ();
}
