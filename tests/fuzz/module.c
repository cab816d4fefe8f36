/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: a file *.ko that the build of a package made, compressed or not, as dkms-modinfo --facts reads it. The same
 * bytes are also used as the output of a dkms-modinfo that such a file had taken over.
 * libkmod is not included, because its assertions can end the process, which dkms handles.
 * Findings: a crash; names and values that are not text. */
#include "../../src/helpers/memory-file.c"

#include <string.h>

#include "build/loadable.h"
#include "fuzz.h"
#include "helpers/module-elf.h"

static void
take (ElfKind kind, const char *name, const char *value, void *user)
{
  GString *text = user;
  const char *key = kind == ELF_MODINFO     ? "modinfo."
                    : kind == ELF_UNDEFINED ? "undefined"
                    : kind == ELF_EXPORT    ? "export"
                                            : "version";

  if (text->len > 1 << 16)
    return;
  g_string_append_len (text, key, (gssize)strlen (key) + 1);
  if (kind == ELF_VERSION)
    g_string_append_printf (text, "%s ", value);
  g_string_append_len (text, name, (gssize)strlen (name) + 1);
}

static void
read_facts (const uint8_t *bytes, size_t size)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GPtrArray) all = NULL;
  ElfFacts facts;

  elf_read (bytes, size, &facts, take, text);
  all = dkms_module_facts_parse (text->str, text->len, 2);
  g_assert (all->len == 2);
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
  g_ptr_array_unref (dkms_module_facts_parse (text, size, 3));
  if (size > 2 && (memcmp (data, "\x1f\x8b", 2) == 0 || data[0] == 0xfd || data[0] == 0x28))
    unpack (exact, size);
  return 0;
}
