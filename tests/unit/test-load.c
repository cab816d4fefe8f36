/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kernels answered to changed modules, as a table. The answers of the rows "seen" come from boots of Debian's
 * Linux 6.1 and 6.12 under Secure Boot with enrolled keys, and with other policies; they are data, not expectations. */
#include <errno.h>
#include <string.h>

#include "check/load.h"

/* ---- a kernel ---- */

typedef struct {
  const char *name;
  DkmsSymbol symbol;
} Row;

static const Row provided[] = {
  { "module_layout", { .found = DKMS_YES, .has_crc = TRUE, .crc = 1 } },
  { "_printk", { .found = DKMS_YES, .has_crc = TRUE, .crc = 2 } },
  { "gpl", { .found = DKMS_YES, .gpl_only = TRUE, .has_crc = TRUE, .crc = 3 } },
  { "spaced", { .found = DKMS_YES, .has_crc = TRUE, .crc = 4, .name_space = "SPACE" } },
  { "closed", { .found = DKMS_YES, .has_crc = TRUE, .crc = 5, .of_proprietary = TRUE } },
  { "hidden", { .found = DKMS_DONT_KNOW } },
  { "own", { .found = DKMS_YES, .owner = "radio" } },
  { "other", { .found = DKMS_YES, .owner = "tuner" } },
};

static DkmsSymbol
symbol (gconstpointer data, const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (provided); i++)
    if (strcmp (provided[i].name, name) == 0)
      return provided[i].symbol;
  return (DkmsSymbol){ .found = DKMS_NO };
}

static const char *const forbidden[] = { "radio", NULL };

#define KERNEL_6_1                                                                                                     \
  .vermagic = "6.1.0-56-amd64 SMP preempt mod_unload modversions ", .modversions = TRUE, .force_load = TRUE,           \
  .btf_mismatch = TRUE, .checks_signatures = TRUE, .symbol = symbol, .struct_size = 896
#define KERNEL_6_12                                                                                                    \
  .vermagic = "6.12.117+deb12-amd64 SMP preempt mod_unload modversions ", .modversions = TRUE, .force_load = TRUE,     \
  .btf_mismatch = TRUE, .checks_signatures = TRUE, .symbol = symbol, .struct_size = 1280, .compares_struct_size = TRUE

static const DkmsLoadKernel kernels[][2] = {
  /* Secure Boot: Debian enforces signatures and locks the kernel. */
  { { KERNEL_6_1, .enforces = DKMS_YES, .locked = DKMS_YES },
    { KERNEL_6_12, .enforces = DKMS_YES, .locked = DKMS_YES } },
  /* No policy. */
  { { KERNEL_6_1, .enforces = DKMS_NO, .locked = DKMS_NO }, { KERNEL_6_12, .enforces = DKMS_NO, .locked = DKMS_NO } },
  /* lockdown=integrity */
  { { KERNEL_6_1, .enforces = DKMS_NO, .locked = DKMS_YES }, { KERNEL_6_12, .enforces = DKMS_NO, .locked = DKMS_YES } },
  /* module_blacklist=radio */
  { { KERNEL_6_1, .enforces = DKMS_NO, .locked = DKMS_NO, .forbidden = forbidden },
    { KERNEL_6_12, .enforces = DKMS_NO, .locked = DKMS_NO, .forbidden = forbidden } },
  /* Nothing is known about the policy, as in an image. */
  { { KERNEL_6_1, .enforces = DKMS_DONT_KNOW, .locked = DKMS_DONT_KNOW },
    { KERNEL_6_12, .enforces = DKMS_DONT_KNOW, .locked = DKMS_DONT_KNOW } },
};

/* ---- a module, and what is changed ---- */

static const DkmsSignerFacts good = { DKMS_YES, DKMS_YES, TRUE }, foreign = { DKMS_YES, DKMS_NO, FALSE },
                             tampered = { DKMS_YES, DKMS_YES, FALSE }, unsupported = { DKMS_NO, DKMS_YES, TRUE },
                             unknown = { DKMS_YES, DKMS_DONT_KNOW, TRUE }, refuted = { DKMS_YES, DKMS_NO, FALSE, TRUE };
static const DkmsSignerFacts two[] = { { DKMS_YES, DKMS_NO, FALSE }, { DKMS_YES, DKMS_YES, TRUE } };
static const DkmsSignerFacts two_bad[] = { { DKMS_YES, DKMS_YES, TRUE }, { DKMS_YES, DKMS_YES, FALSE } };

static const char *const spaces[] = { "SPACE", NULL };
static const char *const duplicates[] = { "mine", "_printk", NULL };
static const char *const own_export[] = { "own", NULL }, *const of_other[] = { "own", "other", NULL };

static const DkmsImport printk[] = { { "_printk", FALSE, TRUE, 2 } };
static const DkmsImport wrong_crc[] = { { "_printk", FALSE, TRUE, 99 } };
static const DkmsImport no_entry[] = { { "_printk", FALSE, FALSE, 0 } };
static const DkmsImport gone[] = { { "gone", FALSE, TRUE, 7 } };
static const DkmsImport weak[] = { { "gone", TRUE, FALSE, 0 }, { "_printk", FALSE, TRUE, 2 } };
static const DkmsImport gpl[] = { { "gpl", FALSE, TRUE, 3 } };
static const DkmsImport spaced[] = { { "spaced", FALSE, TRUE, 4 } };
static const DkmsImport closed[] = { { "closed", FALSE, TRUE, 5 } };
static const DkmsImport closed_and_gpl[] = { { "closed", FALSE, TRUE, 5 }, { "gpl", FALSE, TRUE, 3 } };
static const DkmsImport hidden[] = { { "hidden", FALSE, TRUE, 6 } };
static const DkmsImport first_decides[] = { { "_printk", FALSE, TRUE, 99 }, { "gone", FALSE, TRUE, 7 } };

#define MODULE(...)                                                                                                    \
  {                                                                                                                    \
    .is_module = TRUE, .has_symbols = TRUE, .name = "radio", .license = "GPL", .has_crcs = TRUE, .has_layout = TRUE,   \
    .layout = 1, .imports = printk, .n_imports = 1, .signature = SIGNED (good), __VA_ARGS__                            \
  }
#define SIGNED(signer)                                                                                                 \
  {                                                                                                                    \
    .is_signed = TRUE, .signers = &(signer), .n_signers = 1, .blacklisted = DKMS_NO                                    \
  }

typedef struct {
  const char *name;
  int policy;
  DkmsLoadModule module;  /* vermagic and struct_size are those of the kernel, unless given */
  const char *answers[2]; /* of 6.1 and 6.12: an errno or "OK" and the taint; "?": not known */
} Case;

#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif

static const Case cases[] = {
  /* seen, Secure Boot */
  { "signed", 0, MODULE (), { "OK O", "OK O" } },
  { "two signers, one is known",
    0,
    MODULE (.signature = { .is_signed = TRUE, .signers = two, .n_signers = 2 }),
    { "OK O", "OK O" } },
  { "unsigned", 0, MODULE (.signature = { 0 }), { "EKEYREJECTED", "EKEYREJECTED" } },
  { "foreign", 0, MODULE (.signature = SIGNED (foreign)), { "EKEYREJECTED", "EKEYREJECTED" } },
  { "tampered", 0, MODULE (.signature = SIGNED (tampered)), { "EKEYREJECTED", "EKEYREJECTED" } },
  { "unsupported digest", 0, MODULE (.signature = SIGNED (unsupported)), { "EKEYREJECTED", "EKEYREJECTED" } },
  { "other type",
    0,
    MODULE (.signature = { .is_signed = TRUE, .other_type = TRUE }),
    { "EKEYREJECTED", "EKEYREJECTED" } },
  { "attributes",
    0,
    MODULE (.signature = { .is_signed = TRUE, .error = EKEYREJECTED }),
    { "EKEYREJECTED", "EKEYREJECTED" } },
  { "content in the message",
    0,
    MODULE (.signature = { .is_signed = TRUE, .error = EMSGSIZE }),
    { "EMSGSIZE", "EMSGSIZE" } },
  { "hash on the list",
    0,
    MODULE (.signature = { .is_signed = TRUE, .signers = &good, .n_signers = 1, .blacklisted = DKMS_YES }),
    { "EKEYREJECTED", "EKEYREJECTED" } },
  { "truncated", 0, MODULE (.is_module = FALSE, .signature = { 0 }), { "EKEYREJECTED", "EKEYREJECTED" } },
  { "empty", 0, { .is_empty = TRUE }, { "EINVAL", "EINVAL" } },
  { "other machine", 0, MODULE (.other_machine = TRUE), { "ENOEXEC", "ENOEXEC" } },
  { "CRC of a symbol", 0, MODULE (.imports = wrong_crc), { "EINVAL", "EINVAL" } },
  { "CRC entry missing", 0, MODULE (.imports = no_entry), { "EINVAL", "EINVAL" } },
  { "CRC entry missing, in the form of Linux 6.14",
    0,
    MODULE (.imports = no_entry, .has_layout = FALSE, .may_lack_crcs = TRUE),
    { "OK O", "OK O" } },
  { "CRC of a symbol, in the form of Linux 6.14",
    0,
    MODULE (.imports = wrong_crc, .may_lack_crcs = TRUE),
    { "EINVAL", "EINVAL" } },
  { "namespace not imported", 0, MODULE (.imports = spaced), { "EINVAL", "EINVAL" } },
  { "namespace imported", 0, MODULE (.imports = spaced, .namespaces = spaces), { "OK O", "OK O" } },
  { "undefined", 0, MODULE (.imports = gone), { "ENOENT", "ENOENT" } },
  { "weak undefined", 0, MODULE (.imports = weak, .n_imports = 2), { "OK O", "OK O" } },
  { "GPL-only from MIT", 0, MODULE (.imports = gpl, .license = "MIT"), { "ENOENT", "ENOENT" } },
  { "GPL-only from Dual MIT/GPL", 0, MODULE (.imports = gpl, .license = "Dual MIT/GPL"), { "OK O", "OK O" } },
  { "proprietary with a plain symbol", 0, MODULE (.license = "Proprietary"), { "OK PO", "OK PO" } },
  { "CRC of module_layout", 0, MODULE (.layout = 9), { "ENOEXEC", "ENOEXEC" } },
  { "no entry of module_layout", 0, MODULE (.has_layout = FALSE), { "ENOEXEC", "ENOEXEC" } },
  { "vermagic of another release",
    0,
    MODULE (.vermagic = "6.1.0-55-amd64 SMP preempt mod_unload modversions "),
    { "OK O", "OK O" } },
  { "other flags", 0, MODULE (.vermagic = "6.1.0-56-amd64 SMP mod_unload modversions "), { "ENOEXEC", "ENOEXEC" } },
  { "no CRCs", 0, MODULE (.has_crcs = FALSE), { "OK FO", "OK FO" } },
  { "no CRCs, another release",
    0,
    MODULE (.has_crcs = FALSE, .vermagic = "5.10.0-1-amd64 SMP preempt mod_unload modversions "),
    { "ENOEXEC", "ENOEXEC" } },
  { "no vermagic", 0, MODULE (.vermagic = ""), { "OK FO", "OK FO" } },
  { "its own export, in the index of modules", 0, MODULE (.exports = own_export), { "OK O", "OK O" } },
  { "an export of another module", 0, MODULE (.exports = of_other), { "ENOEXEC", "ENOEXEC" } },
  { "duplicate export", 0, MODULE (.exports = duplicates), { "ENOEXEC", "ENOEXEC" } },
  { "smaller struct module", 0, MODULE (.struct_size = 64), { "OK O", "ENOEXEC" } },
  { "wrong BTF", 0, MODULE (.has_btf = TRUE, .btf_fits = DKMS_NO), { "OK O", "OK O" } },
  /* seen, no policy */
  { "unsigned", 1, MODULE (.signature = { 0 }), { "OK OE", "OK OE" } },
  { "foreign", 1, MODULE (.signature = SIGNED (foreign)), { "OK OE", "OK OE" } },
  { "tampered, its certificate in the message",
    1,
    MODULE (.signature = SIGNED (refuted)),
    { "EKEYREJECTED", "EKEYREJECTED" } },
  { "tampered, a known key", 1, MODULE (.signature = SIGNED (tampered)), { "EKEYREJECTED", "EKEYREJECTED" } },
  { "attributes",
    1,
    MODULE (.signature = { .is_signed = TRUE, .error = EKEYREJECTED }),
    { "EKEYREJECTED", "EKEYREJECTED" } },
  { "CRC of a symbol", 1, MODULE (.imports = wrong_crc, .signature = { 0 }), { "EINVAL", "EINVAL" } },
  { "truncated", 1, MODULE (.is_module = FALSE, .signature = { 0 }), { "ENOEXEC", "ENOEXEC" } },
  { "no CRCs, unsigned", 1, MODULE (.has_crcs = FALSE, .signature = { 0 }), { "OK FOE", "OK FOE" } },
  /* seen, lockdown=integrity */
  { "unsigned", 2, MODULE (.signature = { 0 }), { "EPERM", "EPERM" } },
  { "unsigned and broken", 2, MODULE (.is_module = FALSE, .signature = { 0 }), { "EPERM", "EPERM" } },
  { "signed", 2, MODULE (), { "OK O", "OK O" } },
  /* seen, module_blacklist= */
  { "forbidden", 3, MODULE (), { "EPERM", "EPERM" } },
  { "forbidden and malformed",
    3,
    MODULE (.signature = { .is_signed = TRUE, .error = EKEYREJECTED }),
    { "EKEYREJECTED", "EKEYREJECTED" } },
  { "another name", 3, MODULE (.name = "radio2"), { "OK O", "OK O" } },
  /* derived from the sources */
  { "stripped of symbols", 0, MODULE (.has_symbols = FALSE), { "ENOEXEC", "ENOEXEC" } },
  { "in the tree", 0, MODULE (.in_tree = TRUE), { "OK ", "OK " } },
  { "the first symbol decides", 0, MODULE (.imports = first_decides, .n_imports = 2), { "EINVAL", "EINVAL" } },
  { "a known key that fails, beside one that fits",
    0,
    MODULE (.signature = { .is_signed = TRUE, .signers = two_bad, .n_signers = 2 }),
    { "EKEYREJECTED", "EKEYREJECTED" } },
  { "symbols of a proprietary module", 0, MODULE (.imports = closed), { "OK PO", "OK PO" } },
  { "the same with a GPL-only symbol", 0, MODULE (.imports = closed_and_gpl, .n_imports = 2), { "ENOENT", "ENOENT" } },
  /* what is not known is never "loads" */
  { "unknown policy, signed", 4, MODULE (), { "OK O", "OK O" } },
  { "unknown policy, unsigned", 4, MODULE (.signature = { 0 }), { "?", "?" } },
  { "unknown policy, unsigned, and refused in any case",
    4,
    MODULE (.imports = gone, .signature = { 0 }),
    { "NO", "NO" } },
  { "unknown key", 0, MODULE (.signature = SIGNED (unknown)), { "?", "?" } },
  { "unknown key, no policy", 1, MODULE (.signature = SIGNED (unknown)), { "OK ?", "OK ?" } },
  { "unknown symbol", 0, MODULE (.imports = hidden), { "?", "?" } },
};

/* Returns: (transfer full): the verdict as the table writes it */
static char *
describe (const DkmsLoadVerdict *verdict)
{
  static const struct {
    int code;
    const char *name;
  } names[] = { { EKEYREJECTED, "EKEYREJECTED" }, { EINVAL, "EINVAL" }, { ENOENT, "ENOENT" },
                { ENOEXEC, "ENOEXEC" },           { EPERM, "EPERM" },   { EMSGSIZE, "EMSGSIZE" } };

  if (verdict->loads == DKMS_DONT_KNOW)
    return g_strdup ("?");
  if (verdict->loads == DKMS_YES)
    return g_strdup_printf ("OK %s", verdict->exact ? verdict->taint : "?");
  for (gsize i = 0; i < G_N_ELEMENTS (names) && verdict->exact; i++)
    if (names[i].code == verdict->code)
      return g_strdup (names[i].name);
  return g_strdup ("NO");
}

static void
test_answers (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    for (gsize k = 0; k < 2; k++)
      {
        const DkmsLoadKernel *kernel = &kernels[cases[i].policy][k];
        DkmsLoadModule module = cases[i].module;

        if (module.vermagic == NULL)
          module.vermagic = kernel->vermagic;
        else if (*module.vermagic == '\0')
          module.vermagic = NULL;
        if (module.struct_size == 0)
          module.struct_size = kernel->struct_size;
        const DkmsLoadVerdict verdict = dkms_load_verdict (&module, kernel);
        g_autofree char *found = describe (&verdict);
        if (strcmp (found, cases[i].answers[k]) != 0)
          g_test_message ("%s, policy %d, kernel %zu: %s", cases[i].name, cases[i].policy, k, found);
        g_assert_cmpstr (found, ==, cases[i].answers[k]);
      }
}

/* Whatever single fact is unknown, the answer is never wrong: it is the same, less exact, or unknown. */
static void
test_unknown_facts (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    for (gsize k = 0; k < 2; k++)
      for (int blind = 0; blind < 4; blind++)
        {
          DkmsLoadKernel kernel = kernels[cases[i].policy][k], known = kernel;
          DkmsLoadModule module = cases[i].module;

          if (module.vermagic == NULL || *module.vermagic == '\0')
            module.vermagic = module.vermagic == NULL ? kernel.vermagic : NULL;
          if (module.struct_size == 0)
            module.struct_size = kernel.struct_size;
          const DkmsLoadVerdict full = dkms_load_verdict (&module, &known);
          if (blind == 0)
            kernel.enforces = DKMS_DONT_KNOW;
          else if (blind == 1)
            kernel.locked = DKMS_DONT_KNOW;
          else if (blind == 2)
            kernel.vermagic = NULL;
          else
            kernel.struct_size = 0;
          const DkmsLoadVerdict less = dkms_load_verdict (&module, &kernel);
          if (less.loads != DKMS_DONT_KNOW && full.loads != DKMS_DONT_KNOW)
            g_assert_cmpint (less.loads, ==, full.loads);
          if (less.loads != DKMS_DONT_KNOW && less.exact && full.exact)
            {
              g_assert_cmpint (less.code, ==, full.code);
              g_assert_cmpstr (less.taint, ==, full.taint);
            }
        }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/load/answers", test_answers);
  g_test_add_func ("/load/unknown-facts", test_unknown_facts);
  return g_test_run ();
}
