/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: a file *.ko that the build of a package made, compressed or not, as dkms-modinfo --facts reads it. The same
 * bytes are also used as the output of a dkms-modinfo or dkms-facts that such a file had taken over.
 * libkmod is not included, because its assertions can end the process, which dkms handles.
 * Findings: a crash; names and values that are not text. */
#include "../../src/helpers/memory-file.c"

#include <string.h>

#include "fuzz.h"
#include "helpers/module-elf.h"
#include "kernel/module-file.h"
#include "kernel/module-index.h"
#include "verify/symbol-table.h"

/* As put_finding() of dkms-modinfo. */
static void
take (ElfKind kind, const char *name, const char *value, void *user)
{
  static const char *const keys[] = { "modinfo.", "undefined", "weak", "export", "gpl", "crc", "space", "version" };
  GString *text = user;

  if (text->len > 1 << 16)
    return;
  g_string_append (text, keys[kind]);
  if (kind == ELF_MODINFO)
    g_string_append (text, name);
  g_string_append_c (text, '\0');
  if (kind == ELF_VERSION || kind == ELF_CRC)
    g_string_append_printf (text, "%s ", value);
  g_string_append (text, kind == ELF_MODINFO ? value : name);
  if (kind == ELF_SPACE)
    g_string_append_printf (text, " %s", value);
  g_string_append_c (text, '\0');
}

/* Checks that the facts about a file fit together. */
static void
check (GPtrArray *all)
{
  for (guint i = 0; i < all->len; i++)
    {
      const DkmsModuleFile *file = all->pdata[i];
      DkmsLoadModule facts = { .is_empty = TRUE };

      dkms_module_file_facts (file, 62, &facts);
      g_assert_cmpuint (g_strv_length ((char **)file->export_names), ==, file->exports->len);
      for (guint k = 0; k < facts.n_imports; k++)
        g_assert_nonnull (facts.imports[k].name);
    }
  g_ptr_array_unref (all);
}

static void
read_facts (const uint8_t *bytes, size_t size)
{
  g_autoptr (GString) text = g_string_new (NULL);
  ElfFacts facts;

  elf_read (bytes, size, &facts, take, text);
  check (dkms_module_files_parse (text->str, text->len, 2));
}

static void
parse_answers (const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) lookups = g_bytes_new (data, size);
  g_autoptr (GError) ignored = NULL;
  g_autoptr (GPtrArray) found = dkms_module_lookup_parse (lookups, "/host", "/lib/modules/6.1", 1, &ignored);
  DkmsSymbolTable *table = dkms_symbol_table_new ();

  g_assert ((found == NULL) == (ignored != NULL));
  guint count = dkms_symbol_table_add (table, g_bytes_new (data, size));
  g_assert_cmpuint (count, <=, size);
  if (count > 0) /* of two symbols with one name, the first is in the table */
    (void)dkms_symbol_table_differs (table, g_bytes_new (data, size));
  dkms_symbol_table_free (table);
}

static void
unpack (const uint8_t *data, size_t size)
{
  const UnpackFunc unpackers[] = { unpack_gz, unpack_xz, unpack_zst };
  int fd = memfd_create ("module", MFD_CLOEXEC);

  g_assert (fd >= 0);
  for (size_t i = 0; i < G_N_ELEMENTS (unpackers); i++)
    {
      /* A few bytes can expand to gigabytes. Here the limit is low. */
      Target target = { fd, MEMORY_FILE_MOST - (1 << 20) };

      if (unpackers[i](data, size, append, &target, NULL) && target.size > MEMORY_FILE_MOST)
        g_error ("unpacked to %zu bytes", target.size);
      g_assert (ftruncate (fd, 0) == 0 && lseek (fd, 0, SEEK_SET) == 0);
    }
  (void)close (fd);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = NULL;
  g_autofree uint8_t *exact = NULL;

  fuzz_begin ();
  exact = g_memdup2 (data, size); /* so that reads beyond the end are noticed */
  if (size > 0)
    read_facts (exact, size);
  text = g_malloc (size + 1);
  if (size > 0)
    memcpy (text, data, size);
  text[size] = '\0';
  check (dkms_module_files_parse (text, size, 3));
  parse_answers (exact, size);
  if (size > 2 && (memcmp (data, "\x1f\x8b", 2) == 0 || data[0] == 0xfd || data[0] == 0x28))
    unpack (exact, size);
  return 0;
}
