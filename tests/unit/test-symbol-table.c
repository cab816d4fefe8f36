/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of exported symbols. */
#include "verify/symbol-table.h"

static GBytes *
answer (const char *text, gsize size)
{
  return g_bytes_new (text, size);
}

#define ANSWER(text) answer (text, sizeof (text))

static void
test_add (void)
{
  DkmsSymbolTable *table = dkms_symbol_table_new ();

  g_assert_cmpint (dkms_symbol_table_find (table, "a").found, ==, DKMS_DONT_KNOW);
  dkms_symbol_table_set_absent (table, DKMS_NO);
  g_assert_cmpint (dkms_symbol_table_find (table, "a").found, ==, DKMS_NO);
  g_assert_cmpuint (
      dkms_symbol_table_add (table,
                             ANSWER ("vermagic\0x\0symbol\000f0000001 a any \0symbol\0- b gpl SPACE\0symbol\0nonsense\0"
                                     "symbol\0002 a gpl \0end\0\0symbol\0cut")),
      ==, 3);
  const DkmsSymbol a = dkms_symbol_table_find (table, "a"), b = dkms_symbol_table_find (table, "b");
  g_assert_true (a.found == DKMS_YES && a.has_crc && a.crc == 0xf0000001 && !a.gpl_only && a.name_space == NULL);
  g_assert_true (b.found == DKMS_YES && !b.has_crc && b.gpl_only && b.owner == NULL);
  g_assert_cmpstr (b.name_space, ==, "SPACE");
  dkms_symbol_table_add_crc (table, "a", 5);
  dkms_symbol_table_add_unknown (table, "b");
  dkms_symbol_table_add_unknown (table, "c");
  g_assert_true (dkms_symbol_table_find (table, "a").crc == 0xf0000001);
  g_assert_true (dkms_symbol_table_find (table, "b").found == DKMS_YES);
  g_assert_true (dkms_symbol_table_find (table, "c").found == DKMS_DONT_KNOW);
  dkms_symbol_table_free (table);
}

static void
test_module (void)
{
  static const char text[] = "modinfo.name\0m\0modinfo.license\0Proprietary\0export\0mine\0gpl\0mine\0crc\0000x7 mine\0"
                             "export\0a\0end\0";
  g_autoptr (GPtrArray) files = dkms_module_files_parse (text, sizeof text, 1);
  DkmsSymbolTable *table = dkms_symbol_table_new ();

  (void)dkms_symbol_table_add (table, ANSWER ("symbol\0001 a any \0"));
  dkms_symbol_table_add_module (table, files->pdata[0]);
  g_ptr_array_set_size (files, 0); /* the table has copies */
  const DkmsSymbol mine = dkms_symbol_table_find (table, "mine"), a = dkms_symbol_table_find (table, "a");
  g_assert_true (mine.found == DKMS_YES && mine.crc == 7 && mine.gpl_only && mine.of_proprietary);
  g_assert_cmpstr (mine.owner, ==, "m");
  g_assert_true (a.owner == NULL && !a.of_proprietary);
  dkms_symbol_table_free (table);
}

static void
test_differs (void)
{
  DkmsSymbolTable *table = dkms_symbol_table_new ();

  (void)dkms_symbol_table_add (table, ANSWER ("symbol\0001 a any \0symbol\0002 b any \0symbol\000- c any \0"));
  g_assert_false (
      dkms_symbol_table_differs (table, ANSWER ("symbol\0001 a gpl \0symbol\0009 d any \0symbol\0005 c any \0")));
  g_assert_true (dkms_symbol_table_differs (table, ANSWER ("symbol\0001 a any \0symbol\0003 b any \0")));
  dkms_symbol_table_free (table);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/symbol-table/add", test_add);
  g_test_add_func ("/symbol-table/module", test_module);
  g_test_add_func ("/symbol-table/differs", test_differs);
  return g_test_run ();
}
