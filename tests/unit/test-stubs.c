/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of dkms-depmod: the reducer of modules, which must survive any file, the list of modules, and the file with
 * stubs. tests/system/test_depmod_stubs.py compares the indexes that depmod writes. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "helpers/elf-image.h"
#include "helpers/module-elf.h"
#include "helpers/module-stub.h"
#include "helpers/stub-list.h"
#include "helpers/stub-store.h"

/* ---- a small module ---- */

typedef struct {
  gboolean wide, big;
  GString *body, *headers, *names, *symbols, *strings;
  guint count;
} Elf;

static void
put (const Elf *self, GString *text, guint64 value, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      guint place = self->big ? n - 1 - i : i;
      g_string_append_c (text, place < sizeof value ? (char)(value >> 8 * place) : '\0');
    }
}

static guint
word (const Elf *self)
{
  return self->wide ? 8 : 4;
}

static guint
section (Elf *self, const char *name, const char *content, gsize size, guint type, guint link)
{
  gsize head = self->wide ? sizeof (Elf64_Ehdr) : sizeof (Elf32_Ehdr);

  put (self, self->headers, self->names->len, 4);
  put (self, self->headers, type, 4);
  put (self, self->headers, 0, 2 * word (self));
  put (self, self->headers, head + self->body->len, word (self));
  put (self, self->headers, size, word (self));
  put (self, self->headers, link, 4);
  put (self, self->headers, 0, 4);
  put (self, self->headers, 1, word (self));
  put (self, self->headers, type != SHT_SYMTAB ? 0 : self->wide ? sizeof (Elf64_Sym) : sizeof (Elf32_Sym), word (self));
  g_string_append_len (self->names, name, (gssize)strlen (name) + 1);
  if (type != SHT_NOBITS)
    g_string_append_len (self->body, content, (gssize)size);
  return self->count++;
}

static void
symbol (Elf *self, const char *name, guint place, guint64 value)
{
  guint at = *name != '\0' ? (guint)self->strings->len : 0;

  put (self, self->symbols, at, 4);
  if (!self->wide)
    put (self, self->symbols, value, 8);
  put (self, self->symbols, 0x10, 1);
  put (self, self->symbols, 0, 1);
  put (self, self->symbols, place, 2);
  if (self->wide)
    {
      put (self, self->symbols, value, 8);
      put (self, self->symbols, 0, 8);
    }
  if (*name != '\0')
    g_string_append_len (self->strings, name, (gssize)strlen (name) + 1);
}

/* What a test changes of the module. */
typedef struct {
  gboolean wide, big;
  const char *twin;     /* (nullable): a further section with this name */
  const char *no_info;  /* (nullable): name instead of .modinfo */
  guint64 crc_at;       /* place of the checksum in __kcrctab */
  gboolean crc_in_text; /* the checksum is in another section */
} Odd;

static GString *
make (const Odd *odd)
{
  Elf self = { odd->wide,
               odd->big,
               g_string_new (NULL),
               g_string_new (NULL),
               g_string_new_len ("", 1),
               g_string_new (NULL),
               g_string_new_len ("", 1),
               1 };
  g_autofree char *code = g_strnfill (5000, 'c');
  static const char *const versioned[] = { "module_layout", "printk", "only_in_versions" };
  char versions[3 * 64] = { 0 };
  GString *file = g_string_new (ELFMAG);
  guint text, crc, table;

  for (guint i = 0; i < G_N_ELEMENTS (versioned); i++)
    (void)g_strlcpy (versions + 64 * i + word (&self), versioned[i], 64 - word (&self));
  put (&self, self.headers, 0, self.wide ? sizeof (Elf64_Shdr) : sizeof (Elf32_Shdr));
  text = section (&self, ".text", code, 5000, SHT_PROGBITS, 0);
  (void)section (&self, ".bss", NULL, 1 << 30, SHT_NOBITS, 0);
  (void)section (&self, odd->no_info != NULL ? odd->no_info : ".modinfo", "alias=a\0license=GPL", 20, SHT_PROGBITS, 0);
  (void)section (&self, "__ksymtab_strings", "given", 6, SHT_PROGBITS, 0);
  crc = section (&self, "__kcrctab", "\1\2\3\4", 4, SHT_PROGBITS, 0);
  table = section (&self, "__ksymtab_gpl", "123456789012", 12, SHT_PROGBITS, 0);
  (void)section (&self, "__versions", versions, sizeof versions, SHT_PROGBITS, 0);
  (void)section (&self, ".gnu.linkonce.this_module", code, 64, SHT_PROGBITS, 0);
  if (odd->twin != NULL)
    (void)section (&self, odd->twin, "x", 1, SHT_PROGBITS, 0);
  symbol (&self, "", SHN_UNDEF, 0);
  symbol (&self, "local", text, 0);
  symbol (&self, "printk", SHN_UNDEF, 0);
  symbol (&self, "given", text, 16);
  symbol (&self, "__crc_given", odd->crc_in_text ? text : crc, odd->crc_at);
  symbol (&self, "__ksymtab_given", table, 0);
  symbol (&self, "kfree", SHN_UNDEF, 0);
  (void)section (&self, ".symtab", self.symbols->str, self.symbols->len, SHT_SYMTAB, self.count + 1);
  (void)section (&self, ".strtab", self.strings->str, self.strings->len, SHT_STRTAB, 0);
  g_autoptr (GString) names = g_string_new_len (self.names->str, (gssize)self.names->len);
  g_string_append_len (names, ".shstrtab", sizeof ".shstrtab");
  (void)section (&self, ".shstrtab", names->str, names->len, SHT_STRTAB, 0);

  g_string_append_c (file, self.wide ? ELFCLASS64 : ELFCLASS32);
  g_string_append_c (file, self.big ? ELFDATA2MSB : ELFDATA2LSB);
  put (&self, file, 1, self.big ? 1 : 10); /* the rest of the identification */
  while (file->len < EI_NIDENT)
    g_string_append_c (file, '\0');
  put (&self, file, ET_REL, 2);
  put (&self, file, 62, 2);
  put (&self, file, 1, 4);
  put (&self, file, 0, 2 * word (&self));
  put (&self, file, (self.wide ? sizeof (Elf64_Ehdr) : sizeof (Elf32_Ehdr)) + self.body->len, word (&self));
  put (&self, file, 0, 4);
  put (&self, file, 0, 6);
  put (&self, file, self.wide ? sizeof (Elf64_Shdr) : sizeof (Elf32_Shdr), 2);
  put (&self, file, self.count, 2);
  put (&self, file, self.count - 1, 2);
  g_string_append_len (file, self.body->str, (gssize)self.body->len);
  g_string_append_len (file, self.headers->str, (gssize)self.headers->len);
  for (gsize i = 0; i < 5; i++)
    g_string_free (((GString *[]){ self.body, self.headers, self.names, self.symbols, self.strings })[i], TRUE);
  return file;
}

/* Notes what depmod reads. */
static void
note (ElfKind kind, const char *name, const char *value, void *user)
{
  static const char letters[]
      = { [ELF_MODINFO] = 'i', [ELF_UNDEFINED] = 'u', [ELF_WEAK] = 'w', [ELF_EXPORT] = 'e', [ELF_VERSION] = 'v' };

  if (letters[kind] != '\0')
    g_string_append_printf (user, "%c:%s%s%s ", letters[kind], name, kind == ELF_MODINFO ? "=" : "",
                            kind == ELF_MODINFO ? value : "");
}

/* ---- the reducer ---- */

static void
test_reduce (void)
{
  for (guint kind = 0; kind < 4; kind++)
    {
      g_autoptr (GString) found = g_string_new (NULL);
      GString *file = make (&(Odd){ .wide = kind & 1, .big = kind & 2 });
      void *stub = NULL;
      gsize size = 0;
      ElfFacts facts;

      g_assert_cmpstr (module_stub_make (file->str, file->len, &stub, &size), ==, NULL);
      g_assert_cmpuint (size, <, 2000);
      elf_read (stub, size, &facts, note, found);
      g_assert_cmpstr (facts.why, ==, NULL);
      g_assert_cmpuint (facts.type, ==, ET_REL);
      /* What depmod reads is in it, in the same order, and nothing else. */
      g_assert_cmpstr (found->str, ==,
                       "i:alias=a i:license=GPL u:printk e:given u:kfree v:module_layout v:only_in_versions ");
      g_assert_nonnull (memmem (stub, size, "\1\2\3\4", 4));
      g_assert_null (memmem (stub, size, "123456789012", 12));
      g_assert_null (memmem (stub, size, "cccc", 4));
      g_assert_null (memmem (stub, size, "local", 5));
      /* The stub of a stub is the same. */
      void *again = NULL;
      gsize again_size = 0;
      g_assert_cmpstr (module_stub_make (stub, size, &again, &again_size), ==, NULL);
      g_assert_cmpmem (stub, size, again, again_size);
      free (again);
      free (stub);
      g_string_free (file, TRUE);
    }
}

static void
test_unusual (void)
{
  static const Odd rows[] = {
    { .twin = ".modinfo" }, { .twin = "__versions" },      { .twin = "__kcrctab" },
    { .twin = ".symtab" },  { .twin = ".strtab" },         { .no_info = ".notinfo" },
    { .crc_at = 1 },        { .crc_at = G_MAXUINT64 / 2 }, { .crc_in_text = TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Odd odd = rows[i];
      odd.wide = TRUE;
      GString *file = make (&odd);
      void *stub = NULL;
      gsize size = 0;

      g_test_message ("row %" G_GSIZE_FORMAT, i);
      g_assert_nonnull (module_stub_make (file->str, file->len, &stub, &size));
      g_assert_null (stub);
      g_string_free (file, TRUE);
    }
}

static void
reduce_copy (const char *bytes, gsize size)
{
  g_autofree char *exact = g_memdup2 (bytes, size);
  void *stub = NULL;
  gsize stub_size = 0;

  if (module_stub_make (exact, size, &stub, &stub_size) == NULL)
    {
      ElfFacts facts;
      g_autoptr (GString) found = g_string_new (NULL);

      g_assert_cmpuint (stub_size, <=, size + 128);
      elf_read (stub, stub_size, &facts, note, found);
      g_assert_null (facts.why);
    }
  free (stub);
}

static void
test_any_file (void)
{
  for (guint kind = 0; kind < 2; kind++)
    {
      GString *file = make (&(Odd){ .wide = kind });
      gsize table = file->len - 14 * (kind ? sizeof (Elf64_Shdr) : sizeof (Elf32_Shdr));

      for (gsize cut = 1; cut < file->len; cut += cut < 80 ? 1 : 97)
        reduce_copy (file->str, cut);
      /* Each byte of the header, and of the section headers, in several ways. */
      for (gsize at = 0; at < file->len; at = at == 64 ? table : at + 1)
        for (guint change = 1; change < 256; change <<= 1)
          {
            file->str[at] ^= (char)change;
            reduce_copy (file->str, file->len);
            file->str[at] ^= (char)change;
          }
      g_string_free (file, TRUE);
    }
  reduce_copy ("x", 1);
}

/* ---- lists ---- */

static void
test_names (void)
{
  static const struct {
    const char *a, *b;
    gboolean same;
  } rows[] = { { "kernel/a.ko", "extra/a.ko.xz", TRUE },
               { "a.ko", "a.ko", TRUE },
               { "a-b.ko", "x/a_b.ko", TRUE },
               { "a.x.ko", "b/a.ko", TRUE },
               { "ab.ko", "a.ko", FALSE },
               { "a/b.ko", "a/c.ko", FALSE },
               { "kernel/a.ko", "kernel/a-.ko", FALSE } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_assert_cmpint (stub_same_module (rows[i].a, rows[i].b), ==, rows[i].same);
      g_assert_cmpint (stub_same_module (rows[i].b, rows[i].a), ==, rows[i].same);
    }
}

static void
test_twins (void)
{
  StubFile files[]
      = { { .path = (char *)"kernel/z.ko" }, { .path = (char *)"extra/a-b.ko" }, { .path = (char *)"c.ko" },
          { .path = (char *)"x/a_b.ko.xz" }, { .path = (char *)"y/z.ko" },       { .path = (char *)"d.ko" } };
  StubList list = { files, G_N_ELEMENTS (files), G_N_ELEMENTS (files) };
  static const gsize expected[] = { 0, 1, 3, 4 };
  gsize count = 0, *twins = stub_list_twins (&list, &count);

  g_assert_cmpmem (twins, count * sizeof *twins, expected, sizeof expected);
  free (twins);
}

static void
write_file (const char *dir, const char *name)
{
  g_autofree char *path = g_build_filename (dir, name, NULL), *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0755), ==, 0);
  g_assert_true (g_file_set_contents (path, name, -1, NULL));
}

static void
test_list (void)
{
  static const char *const names[] = { "kernel/a.ko", "kernel/deep/er/b.ko.xz",
                                       "c.ko.zst",    "kernel/notes",
                                       "modules.dep", "build/x.ko",
                                       "source/y.ko", ".hidden.ko" };
  static const char *const refused[] = { "kernel/d.ko.lz4", "kernel/build/x.ko" };
  g_autofree char *dir = g_dir_make_tmp ("list-XXXXXX", NULL);
  StubList list = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    write_file (dir, names[i]);
  int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpstr (stub_list_read (&list, fd), ==, NULL);
  g_assert_cmpuint (list.count, ==, 4);
  for (gsize i = 0; i < list.count; i++)
    {
      g_assert_true (list.files[i].recent);
      g_assert_cmpint (list.files[i].compressed, ==, !g_str_has_suffix (list.files[i].path, ".ko"));
      g_assert_cmpuint (list.files[i].key.size, ==, strlen (list.files[i].path));
    }
  stub_list_clear (&list);
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      write_file (dir, refused[i]);
      g_assert_nonnull (stub_list_read (&list, fd));
      stub_list_clear (&list);
      g_autofree char *path = g_build_filename (dir, refused[i], NULL), *parent = g_path_get_dirname (path);
      g_assert_cmpint (g_unlink (path), ==, 0);
      if (i == 1)
        g_assert_cmpint (g_rmdir (parent), ==, 0);
    }
  g_autofree char *link = g_build_filename (dir, "loop", NULL);
  g_assert_cmpint (symlink (".", link), ==, 0);
  g_assert_nonnull (stub_list_read (&list, fd));
  stub_list_clear (&list);
  (void)close (fd);
  g_autofree char *command = g_strdup_printf ("rm -r %s", dir);
  g_assert_true (g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL));
}

/* ---- the file ---- */

static StubList
example (StubFile files[4])
{
  static const char *const paths[] = { "kernel/a.ko.xz", "b.ko", "kernel/broken.ko", "recent.ko" };

  for (guint i = 0; i < 4; i++)
    files[i] = (StubFile){ .path = (char *)paths[i], .key = { .size = 10 + i, .inode = 7, .mtime = 5, .ctime_ns = i } };
  return (StubList){ files, 4, 4 };
}

static void
test_store (void)
{
  g_autofree char *dir = g_dir_make_tmp ("store-XXXXXX", NULL);
  int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_autofree char *path = g_build_filename (dir, "k", NULL);
  StubFile files[4], others[4];
  StubList list = example (files), other = example (others);
  StubStore store;

  stub_store_open (&store, fd, "k");
  g_assert_cmpuint (store.count, ==, 0);
  g_assert_cmpuint (stub_store_find (&store, &list), ==, 0);
  for (guint i = 0; i < 4; i++)
    files[i].known = TRUE;
  files[0].stub = "stub of a";
  files[0].stub_size = 9;
  files[1].stub = "b";
  files[1].stub_size = 1;
  files[3].recent = TRUE;
  g_assert_true (stub_store_write (fd, "k", &list, "depmod 1", FALSE));

  stub_store_open (&store, fd, "k");
  g_assert_cmpstr (store.identity, ==, "depmod 1");
  g_assert_cmpuint (store.count, ==, 3);
  g_assert_cmpuint (stub_store_find (&store, &other), ==, 3);
  g_assert_cmpmem (others[0].stub, others[0].stub_size, "stub of a", 9);
  g_assert_cmpmem (others[1].stub, others[1].stub_size, "b", 1);
  g_assert_true (others[2].known && others[2].stub == NULL);
  g_assert_false (others[3].known);
  for (guint field = 0; field < 6; field++)
    {
      other = example (others);
      guint64 *numbers[] = { &others[0].key.size, &others[0].key.inode, (guint64 *)&others[0].key.mtime,
                             (guint64 *)&others[0].key.ctime };
      if (field < 4)
        ++*numbers[field];
      else
        ++*(field == 4 ? &others[0].key.mtime_ns : &others[0].key.ctime_ns);
      g_assert_cmpuint (stub_store_find (&store, &other), ==, 2);
      g_assert_false (others[0].known);
    }
  stub_store_close (&store);

  /* Each changed byte is noticed: a stub is lost, or the whole file. */
  g_autofree char *text = NULL;
  gsize size = 0;
  g_assert_true (g_file_get_contents (path, &text, &size, NULL));
  for (gsize at = 0; at < size; at++)
    {
      int file = open (path, O_WRONLY | O_CLOEXEC);
      char changed = (char)(text[at] ^ 0x20);

      g_assert_cmpint (pwrite (file, &changed, 1, (off_t)at), ==, 1);
      other = example (others);
      stub_store_open (&store, fd, "k");
      (void)stub_store_find (&store, &other);
      g_assert_true (!others[0].known || memcmp (others[0].stub, "stub of a", 9) == 0);
      g_assert_true (!others[1].known || memcmp (others[1].stub, "b", 1) == 0);
      stub_store_close (&store);
      g_assert_cmpint (pwrite (file, text + at, 1, (off_t)at), ==, 1);
      (void)close (file);
    }
  g_assert_cmpint (g_chmod (path, 0620), ==, 0);
  stub_store_open (&store, fd, "k");
  g_assert_null (store.bytes);
  g_assert_cmpint (g_chmod (path, 0600), ==, 0);
  for (gsize cut = size; cut-- > 0;)
    {
      g_assert_cmpint (truncate (path, (off_t)cut), ==, 0);
      stub_store_open (&store, fd, "k");
      g_assert_cmpuint (store.count, ==, 0);
      stub_store_close (&store);
    }
  g_assert_true (stub_store_write (fd, "k", &list, "depmod 2", TRUE)); /* replaces it */
  stub_store_open (&store, fd, "k");
  g_assert_true (store.refused && store.count == 3);
  stub_store_close (&store);
  (void)close (fd);
  (void)g_unlink (path);
  (void)g_rmdir (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stubs/reduce", test_reduce);
  g_test_add_func ("/stubs/unusual", test_unusual);
  g_test_add_func ("/stubs/any-file", test_any_file);
  g_test_add_func ("/stubs/names", test_names);
  g_test_add_func ("/stubs/twins", test_twins);
  g_test_add_func ("/stubs/list", test_list);
  g_test_add_func ("/stubs/store", test_store);
  return g_test_run ();
}
