/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parser of what dkms-modinfo --facts prints. */
#include "kernel/module-file.h"

#include <errno.h>

static void
test_files (void)
{
  static const char text[]
      = "compression\0xz\0sha256\0ab\0class\0002\0machine\00062\0type\0001\0struct\0001344\0tables\0001\0"
        "undefined\0printk\0undefined\0_GLOBAL_OFFSET_TABLE_\0weak\0maybe\0undefined\0kfree\0version\0000x11 printk\0"
        "version\0000xffffffff module_layout\0crc\0000x80000001 mine\0export\0mine\0gpl\0mine\0space\0mine module:a,b\0"
        "export\0plain\0export\0plain\0gpl\0nobody\0modinfo.vermagic\0006.1 SMP\0modinfo.vermagic\0second\0"
        "modinfo.import_ns\0A\0modinfo.import_ns\0B\0modinfo.intree\0Y\0modinfo.name\0foo\0modinfo.license\0GPL\0"
        "versioned\0001\0btf\0001\0module\0001\0end\0\0unread\00013\0error\0it is "
        "empty\0end\0\0empty\0001\0class\0002\0cut";
  g_autoptr (GPtrArray) all = dkms_module_files_parse (text, sizeof text - 1, 4);
  const DkmsModuleFile *first = all->pdata[0], *second = all->pdata[1], *third = all->pdata[2], *last = all->pdata[3];
  const DkmsModuleExport *mine = first->exports->pdata[0], *plain = first->exports->pdata[1];
  const DkmsImport *imports = (const DkmsImport *)(gpointer)first->imports->data;

  g_assert_cmpuint (all->len, ==, 4);
  g_assert_true (first->ended && first->class == 2 && first->machine == 62 && first->type == 1);
  g_assert_true (first->struct_size == 1344 && first->symbol_tables == 1 && first->unread == 0 && !first->empty);
  g_assert_true (first->in_tree && first->versioned && !first->extended && first->has_btf && !first->has_btf_base);
  g_assert_cmpstr (first->vermagic, ==, "6.1 SMP");
  g_assert_cmpstr (first->sha256, ==, "ab");
  g_assert_cmpstr (first->compression, ==, "xz");
  g_assert_cmpstr (first->namespaces[1], ==, "B");
  g_assert_null (first->namespaces[2]);
  g_assert_cmpuint (first->imports->len, ==, 3);
  g_assert_cmpstr (imports[0].name, ==, "printk");
  g_assert_true (imports[0].has_crc && imports[0].crc == 0x11 && !imports[0].weak);
  g_assert_cmpstr (imports[1].name, ==, "maybe");
  g_assert_true (!imports[1].has_crc && imports[1].weak);
  g_assert_cmpstr (imports[2].name, ==, "kfree");
  g_assert_true (first->has_layout && first->layout == 0xffffffff);
  g_assert_cmpuint (first->exports->len, ==, 2);
  g_assert_cmpstr (mine->name, ==, "mine");
  g_assert_cmpstr (mine->name_space, ==, "module:a,b");
  g_assert_true (mine->gpl_only && mine->has_crc && mine->crc == 0x80000001);
  g_assert_cmpstr (plain->name, ==, "plain");
  g_assert_true (!plain->gpl_only && !plain->has_crc && plain->name_space == NULL);
  g_assert_cmpstr (first->export_names[1], ==, "plain");
  g_assert_null (first->export_names[2]);
  g_assert_true (second->ended && second->unread == EACCES);
  g_assert_cmpstr (second->error, ==, "it is empty");
  g_assert_true (!third->ended && third->empty && third->class == 2);
  g_assert_true (!last->ended && last->error == NULL);
}

static void
test_facts (void)
{
  static const char text[]
      = "machine\00062\0tables\0001\0struct\0008\0undefined\0a\0version\0000x5 module_layout\0versioned\0001\0"
        "extended\0001\0export\0x\0modinfo.name\0foo\0module\0001\0end\0";
  g_autoptr (GPtrArray) all = dkms_module_files_parse (text, sizeof text, 2);
  DkmsLoadModule facts = { .btf_fits = DKMS_YES };

  dkms_module_file_facts (all->pdata[0], 62, &facts);
  g_assert_true (facts.is_module && facts.has_symbols && !facts.other_machine && !facts.is_empty && !facts.in_tree);
  g_assert_true (facts.has_crcs && facts.may_lack_crcs && facts.has_layout && facts.layout == 5);
  g_assert_true (facts.n_imports == 1 && facts.struct_size == 8 && facts.btf_fits == DKMS_YES);
  g_assert_cmpstr (facts.imports[0].name, ==, "a");
  g_assert_cmpstr (facts.exports[0], ==, "x");
  g_assert_cmpstr (facts.name, ==, "foo");
  dkms_module_file_facts (all->pdata[0], 183, &facts);
  g_assert_true (facts.other_machine);
  dkms_module_file_facts (all->pdata[0], 0, &facts);
  g_assert_false (facts.other_machine);
  dkms_module_file_facts (all->pdata[1], 62, &facts); /* the helper crashed */
  g_assert_true (!facts.is_module && !facts.has_symbols);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/module-file/files", test_files);
  g_test_add_func ("/module-file/facts", test_facts);
  return g_test_run ();
}
