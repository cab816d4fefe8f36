/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: a letter that selects a parser, and the menu of a boot loader, which --root takes from another system:
 *   g  grub.cfg
 *   e  the same after an environment block, which ends with a NUL byte
 *   b  an entry of the Boot Loader Specification
 *   l  loader.conf
 *   x  extlinux.conf
 * Findings: a crash; an entry that is not in the menu; values of variables that need all memory. */
#include <string.h>

#include "fuzz.h"
#include "machine/bls.h"
#include "machine/extlinux.h"
#include "machine/grub.h"

static gboolean
contains (const GPtrArray *entries, const DkmsBootEntry *wanted)
{
  for (guint i = 0; entries != NULL && i < entries->len; i++)
    if (entries->pdata[i] == wanted || contains (((const DkmsBootEntry *)entries->pdata[i])->entries, wanted))
      return TRUE;
  return FALSE;
}

static void
check_menu (const char *text, GHashTable *environment)
{
  g_autoptr (DkmsGrubMenu) menu = dkms_grub_parse (text, environment, TRUE);
  gboolean certain = TRUE;
  const DkmsBootEntry *chosen = dkms_grub_choose (menu, &certain);

  g_assert (chosen != NULL ? contains (menu->entries, chosen) : menu->entries->len == 0);
  g_assert (chosen == NULL || chosen->cmdline == NULL || chosen->kernel != NULL);
  g_assert (menu->bls_at <= menu->entries->len);
}

static void
grub (FuzzInput *input)
{
  g_autofree char *text = fuzz_text (input, '\0');

  check_menu (text, NULL);
}

static void
grub_with_environment (FuzzInput *input)
{
  g_autofree char *block = fuzz_text (input, '\0');
  g_autofree char *text = fuzz_text (input, '\0');
  g_autofree char *whole = g_strconcat ("# GRUB Environment Block\n", block, NULL);
  g_autoptr (GHashTable) environment = dkms_grub_environment (whole);

  g_assert (environment != NULL);
  check_menu (text, environment);
}

static void
bls (FuzzInput *input)
{
  g_autofree char *name = fuzz_text (input, '\n');
  g_autofree char *text = fuzz_text (input, '\0');
  g_autoptr (GHashTable) variables = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_bls_entry_free);

  g_hash_table_insert (variables, (gpointer) "kernelopts", (gpointer) "ro quiet");
  g_ptr_array_add (entries, dkms_bls_parse (name, text, variables));
  g_ptr_array_add (entries, dkms_bls_parse ("b+1-2.conf", text, NULL));
  dkms_bls_sort (entries);
  dkms_bls_sort_for_grub (entries);
  g_assert (dkms_bls_find (entries, "b.conf") != NULL);
}

static void
loader_conf (FuzzInput *input)
{
  g_autofree char *text = fuzz_text (input, '\0');
  g_autofree char *pattern = dkms_bls_default (text);

  g_assert (pattern == NULL || strchr (pattern, '\n') == NULL);
}

static void
extlinux (FuzzInput *input)
{
  g_autofree char *text = fuzz_text (input, '\0');
  const DkmsBootEntry *chosen = NULL;
  g_autoptr (GPtrArray) entries = dkms_extlinux_parse (text, &chosen);

  g_assert (chosen == NULL || contains (entries, chosen));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FuzzInput input = { data, size };
  char letter = (char)fuzz_byte (&input);

  fuzz_begin ();
  switch (letter)
    {
    case 'g':
      grub (&input);
      return 0;
    case 'e':
      grub_with_environment (&input);
      return 0;
    case 'b':
      bls (&input);
      return 0;
    case 'l':
      loader_conf (&input);
      return 0;
    case 'x':
      extlinux (&input);
      return 0;
    default:
      return -1; /* not added to the corpus */
    }
}
