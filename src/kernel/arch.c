/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of architectures, and how ELF files and kernel configurations identify them. */
#include "kernel/arch.h"

#include <elf.h>
#include <string.h>

#include "kernel/kernel.h"

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif
#ifndef EM_RISCV
#define EM_RISCV 243
#endif

/* The options of a kernel that identify its architecture. The first row whose option is set is used. @also: (nullable):
 * another option that must be set or, with '!', unset. */
static const struct {
  const char *option, *also;
  DkmsArch arch;
} table[] = {
  { "CONFIG_X86_64", NULL, { "x86_64", EM_X86_64, 64, FALSE } },
  { "CONFIG_ARM64", "CONFIG_CPU_BIG_ENDIAN", { "aarch64_be", EM_AARCH64, 64, TRUE } },
  { "CONFIG_ARM64", NULL, { "aarch64", EM_AARCH64, 64, FALSE } },
  { "CONFIG_X86_32", NULL, { "i686", EM_386, 32, FALSE } },
  { "CONFIG_ARM", "CONFIG_CPU_BIG_ENDIAN", { "armv7b", EM_ARM, 32, TRUE } },
  { "CONFIG_ARM", NULL, { "armv7l", EM_ARM, 32, FALSE } },
  { "CONFIG_PPC64", "CONFIG_CPU_LITTLE_ENDIAN", { "ppc64le", EM_PPC64, 64, FALSE } },
  { "CONFIG_PPC64", NULL, { "ppc64", EM_PPC64, 64, TRUE } },
  { "CONFIG_PPC32", NULL, { "ppc", EM_PPC, 32, TRUE } },
  { "CONFIG_RISCV", "CONFIG_64BIT", { "riscv64", EM_RISCV, 64, FALSE } },
  { "CONFIG_RISCV", NULL, { "riscv32", EM_RISCV, 32, FALSE } },
  { "CONFIG_S390", NULL, { "s390x", EM_S390, 64, TRUE } },
  { "CONFIG_LOONGARCH", "CONFIG_64BIT", { "loongarch64", EM_LOONGARCH, 64, FALSE } },
  { "CONFIG_SPARC64", NULL, { "sparc64", EM_SPARCV9, 64, TRUE } },
  { "CONFIG_ALPHA", NULL, { "alpha", 0x9026, 64, FALSE } },
  { "CONFIG_IA64", NULL, { "ia64", EM_IA_64, 64, FALSE } },
  { "CONFIG_M68K", NULL, { "m68k", EM_68K, 32, TRUE } },
  { "CONFIG_PARISC", "CONFIG_64BIT", { "parisc64", EM_PARISC, 64, TRUE } },
  { "CONFIG_PARISC", NULL, { "parisc", EM_PARISC, 32, TRUE } },
};

gboolean
dkms_arch_of_config (const char *config, DkmsArch *arch)
{
  for (gsize i = 0; config != NULL && i < G_N_ELEMENTS (table); i++)
    if (dkms_kernel_config_has (config, table[i].option)
        && (table[i].also == NULL || dkms_kernel_config_has (config, table[i].also)))
      {
        *arch = table[i].arch;
        return TRUE;
      }
  return FALSE;
}

/* Some architectures have several names. */
gboolean
dkms_arch_is_named (const DkmsArch *arch, const char *name)
{
  if (strcmp (arch->name, name) == 0)
    return TRUE;
  switch (arch->machine)
    {
    case EM_386:
      return strlen (name) == 4 && *name == 'i' && g_str_has_suffix (name, "86");
    case EM_ARM:
      return g_str_has_prefix (name, "armv") && g_str_has_suffix (name, "b") == arch->big;
    case EM_X86_64:
      return strcmp (name, "ia32e") == 0; /* used by old versions of dkms on systems with rpm */
    default:
      return FALSE;
    }
}

gboolean
dkms_arch_of_name (const char *name, DkmsArch *arch)
{
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    if (dkms_arch_is_named (&table[i].arch, name))
      {
        *arch = table[i].arch;
        return TRUE;
      }
  return FALSE;
}

const char *
dkms_arch_of_alias (const char *name)
{
  static const char *const aliases[][2]
      = { { "amd64", "x86_64" },    { "x64", "x86_64" },   { "x86-64", "x86_64" }, { "arm64", "aarch64" },
          { "armhf", "armv7l" },    { "armel", "armv7l" }, { "arm", "armv7l" },    { "x86", "i686" },
          { "ppc64el", "ppc64le" }, { "powerpc", "ppc" },  { "s390", "s390x" } };

  for (gsize i = 0; i < G_N_ELEMENTS (aliases); i++)
    if (g_ascii_strcasecmp (name, aliases[i][0]) == 0)
      return aliases[i][1];
  return NULL;
}

char *
dkms_arch_describe (guint machine, guint bits, gboolean big)
{
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    if (table[i].arch.machine == machine && table[i].arch.bits == bits && table[i].arch.big == big)
      return g_strdup (table[i].arch.name);
  return g_strdup_printf ("ELF machine %u with %u bits, %s endian", machine, bits, big ? "big" : "little");
}
