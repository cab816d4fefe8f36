/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The check whether a module will load: architectures, lists of symbols, and the reader of ELF files, which must accept
 * any input. */
#include <string.h>

#include "build/loadable.h"
#include "helpers/module-elf.h"
#include "kernel/arch.h"

static void
test_arch (void)
{
  static const struct {
    const char *config, *name;
    guint bits;
    gboolean big;
  } rows[] = {
    { "CONFIG_64BIT=y\nCONFIG_X86_64=y\n", "x86_64", 64, FALSE },
    { "CONFIG_X86_32=y\n", "i686", 32, FALSE },
    { "CONFIG_ARM64=y\n", "aarch64", 64, FALSE },
    { "CONFIG_ARM64=y\nCONFIG_CPU_BIG_ENDIAN=y\n", "aarch64_be", 64, TRUE },
    { "CONFIG_ARM=y\n", "armv7l", 32, FALSE },
    { "CONFIG_PPC64=y\nCONFIG_CPU_LITTLE_ENDIAN=y\n", "ppc64le", 64, FALSE },
    { "CONFIG_PPC64=y\nCONFIG_CPU_BIG_ENDIAN=y\n", "ppc64", 64, TRUE },
    { "CONFIG_RISCV=y\nCONFIG_64BIT=y\n", "riscv64", 64, FALSE },
    { "CONFIG_S390=y\n", "s390x", 64, TRUE },
    { "CONFIG_MODULES=y\nCONFIG_ARM_AMBA=y\n", NULL, 0, FALSE },
  };
  DkmsArch arch;

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_assert_cmpint (dkms_arch_of_config (rows[i].config, &arch), ==, rows[i].name != NULL);
      if (rows[i].name == NULL)
        continue;
      g_assert_cmpstr (arch.name, ==, rows[i].name);
      g_assert_cmpuint (arch.bits, ==, rows[i].bits);
      g_assert_cmpint (arch.big, ==, rows[i].big);
      g_assert_true (dkms_arch_is_named (&arch, rows[i].name));
      g_assert_false (dkms_arch_is_named (&arch, "amd64"));
    }
  g_assert_false (dkms_arch_of_config (NULL, &arch));
  g_assert_true (dkms_arch_of_name ("i386", &arch) && arch.bits == 32);
  g_assert_true (dkms_arch_of_name ("armv6l", &arch) && !arch.big);
  g_assert_false (dkms_arch_of_name ("amd64", &arch));
  g_assert_cmpstr (dkms_arch_of_alias ("amd64"), ==, "x86_64");
  g_assert_cmpstr (dkms_arch_of_alias ("arm64"), ==, "aarch64");
  g_assert_null (dkms_arch_of_alias ("x86_64"));
}

static GHashTable *
wanted (void)
{
  GHashTable *table = g_hash_table_new (g_str_hash, g_str_equal);

  g_hash_table_insert (table, (gpointer) "printk", (gpointer) "0x00000011");
  g_hash_table_insert (table, (gpointer) "kfree", (gpointer) "0x00000022");
  g_hash_table_insert (table, (gpointer) "other", NULL);
  return table;
}

static void
test_symvers (void)
{
  g_autoptr (GHashTable) table = wanted ();
  g_autoptr (GHashTable) differing = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree char *longest = g_strnfill (100000, 'x');
  g_autofree char *text = g_strconcat ("0x11\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n\n\t\nnonsense\n0x5\t", longest,
                                       "\n0x00000023\tkfree\tvmlinux\tEXPORT_SYMBOL", NULL);

  dkms_symvers_take (text, table, differing);
  g_assert_cmpuint (g_hash_table_size (table), ==, 1);
  g_assert_true (g_hash_table_contains (table, "other"));
  g_assert_cmpuint (g_hash_table_size (differing), ==, 1);
  g_assert_true (g_hash_table_contains (differing, "kfree"));
  dkms_symvers_take ("", table, NULL);
  dkms_symvers_take ("0x1\tother", table, NULL);
  g_assert_cmpuint (g_hash_table_size (table), ==, 0);
}

static void
test_symbol_index (void)
{
  g_autoptr (GHashTable) table = wanted ();

  dkms_symbol_index_take ("# Aliases\nalias symbol:printk core\nalias pci:kfree x\nalias symbol:other", table);
  g_assert_cmpuint (g_hash_table_size (table), ==, 1);
  g_assert_true (g_hash_table_contains (table, "kfree"));
}

static void
test_release (void)
{
  g_autofree char *release = dkms_release_of_header ("#define UTS_RELEASE \"6.1.0-56-amd64\"\n");
  g_autofree char *open = dkms_release_of_header ("#define UTS_RELEASE \"6.1");

  g_assert_cmpstr (release, ==, "6.1.0-56-amd64");
  g_assert_cmpstr (open, ==, "6.1");
  g_assert_null (dkms_release_of_header ("#define OTHER \"x\"\n"));
}

static void
ignore (ElfKind kind, const char *name, const char *value, void *user)
{
  gsize *length = user;

  *length += strlen (name) + (value != NULL ? strlen (value) : 0); /* reads all bytes of both */
}

/* The ELF reader accepts prefixes of this program, and the program with random bytes from a fixed seed. */
static void
test_any_file (void)
{
  g_autofree char *bytes = NULL;
  gsize size, length = 0;
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  ElfFacts facts;

  g_assert_true (g_file_get_contents ("/proc/self/exe", &bytes, &size, NULL));
  elf_read (bytes, size, &facts, ignore, &length);
  g_assert_null (facts.why);
  g_assert_false (facts.is_module);
  for (gsize cut = 0; cut < size; cut += 1 + cut / 8)
    {
      g_autofree char *piece = g_memdup2 (bytes, cut + 1); /* AddressSanitizer notices reads beyond its end */
      elf_read (piece, cut, &facts, ignore, &length);
    }
  for (int i = 0; i < 3000; i++)
    {
      g_autofree char *changed = g_memdup2 (bytes, size);
      for (int n = 0; n < 4; n++)
        {
          /* half of them in the headers, which the reader interprets */
          gsize end = size - 64 * 40;
          gsize at = n % 2 == 0 ? (gsize)g_rand_int_range (random, 4, 64)
                                : end + (gsize)g_rand_int_range (random, 0, 64 * 40);
          changed[at] = (char)g_rand_int (random);
        }
      elf_read (changed, size, &facts, ignore, &length);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/loadable/arch", test_arch);
  g_test_add_func ("/loadable/symvers", test_symvers);
  g_test_add_func ("/loadable/symbol-index", test_symbol_index);
  g_test_add_func ("/loadable/release", test_release);
  g_test_add_func ("/loadable/any-file", test_any_file);
  return g_test_run ();
}
