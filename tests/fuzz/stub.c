/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: an uncompressed module, as a worker of dkms-depmod reduces it.
 * A finding: a crash; a stub that is too large; a stub in which the fields of .modinfo, the needed symbols or the
 * exports are not those of the module. */
#define _GNU_SOURCE
#include <glib.h>
#include <stdlib.h>

#include "fuzz.h"
#include "helpers/module-elf.h"
#include "helpers/module-stub.h"

static void
note (ElfKind kind, const char *name, const char *value, void *user)
{
  if (kind == ELF_MODINFO || kind == ELF_UNDEFINED || kind == ELF_WEAK || kind == ELF_EXPORT)
    g_string_append_printf (user, "%d %s %s\n", kind, name, value != NULL ? value : "");
}

static char *
facts_of (const void *bytes, size_t size)
{
  GString *text = g_string_new (NULL);
  ElfFacts facts;

  elf_read (bytes, size, &facts, note, text);
  if (facts.why != NULL)
    g_error ("unreadable: %s", facts.why);
  return g_string_free (text, FALSE);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree uint8_t *exact = NULL;
  void *stub = NULL;
  size_t stub_size = 0;

  fuzz_begin ();
  exact = g_memdup2 (data, size); /* so that a byte too far is noticed */
  if (size > 0 && module_stub_make (exact, size, &stub, &stub_size) == NULL)
    {
      g_autofree char *before = facts_of (exact, size), *after = facts_of (stub, stub_size);
      void *again = NULL;
      size_t again_size = 0;

      if (stub_size > size + 128)
        g_error ("a stub of %zu bytes for a module of %zu", stub_size, size);
      g_assert_cmpstr (before, ==, after);
      g_assert_cmpstr (module_stub_make (stub, stub_size, &again, &again_size), ==, NULL);
      g_autofree char *last = facts_of (again, again_size);
      g_assert_cmpstr (after, ==, last);
      free (again);
    }
  free (stub);
  return 0;
}
