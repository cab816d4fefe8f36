/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of findings, and which findings follow from a verdict. */
#include <errno.h>
#include <string.h>

#include "check/verdict.h"

static const DkmsId id = { "foo", "1.0", "6.1.0", "x86_64" };

/* ---- the table ---- */

static void
test_rows (void)
{
  const DkmsErrorInfo full = { .id = id, .path = "<path>", .name = "<name>", .text = "<text>" };
  const DkmsErrorInfo bare = { .id = id, .name = "<name>", .path = "<path>" };
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (int code = 0; code < DKMS_CODE_LAST; code++)
    {
      g_autoptr (GPtrArray) findings = dkms_check_findings_new (), without = dkms_check_findings_new ();
      const char *name = dkms_code_name ((DkmsCode)code);
      DkmsCode again = DKMS_CODE_LAST;

      g_test_message ("%s", name);
      g_assert_true (g_hash_table_add (seen, (gpointer)name));
      g_assert_true (dkms_code_from_name (name, &again) && again == (DkmsCode)code);
      g_assert_true (strspn (name, "abcdefghijklmnopqrstuvwxyz-") == strlen (name));
      g_assert_nonnull (dkms_check_name (dkms_code_check ((DkmsCode)code)));
      dkms_check_findings_add (findings, (DkmsCode)code, DKMS_RESULT_PROBLEM, DKMS_CONFIDENCE_CERTAIN, &full);
      dkms_check_findings_add (without, (DkmsCode)code, DKMS_RESULT_PROBLEM, DKMS_CONFIDENCE_CERTAIN, &bare);
      const DkmsCheckFinding *finding = findings->pdata[0], *other = without->pdata[0];
      g_assert_false (g_str_has_suffix (finding->text, ".") || strpbrk (finding->text, "{}[]") != NULL);
      g_assert_true (strpbrk (other->text, "{}[]") == NULL);
      /* An advice is a command, or sentences. */
      g_assert_true (finding->advice == NULL || g_str_has_prefix (finding->advice, "dkms ")
                     || g_str_has_prefix (finding->advice, "depmod ") || g_str_has_suffix (finding->advice, "."));
    }
  DkmsCode none;
  g_assert_false (dkms_code_from_name ("nope", &none));
}

static void
test_list (void)
{
  g_autoptr (GPtrArray) findings = dkms_check_findings_new ();

  g_assert_null (dkms_check_findings_worst (findings));
  DKMS_FIND (findings, OTHER_RELEASE, NOTE, CERTAIN, .id = id, .name = "a", .text = "x");
  DKMS_FIND (findings, OTHER_RELEASE, NOTE, CERTAIN, .id = id, .name = "a", .text = "y"); /* said already */
  DKMS_FIND (findings, CRC, PROBLEM, LIKELY, .id = id, .name = "a", .text = "kfree");
  DKMS_FIND (findings, CRC, PROBLEM, LIKELY, .id = id, .name = "b", .text = "kfree", .advice = "Do better.");
  DKMS_FIND (findings, INPUTS_CHANGED, WARNING, CERTAIN, .id = id, .text = "headers");
  g_assert_cmpuint (findings->len, ==, 4);
  const DkmsCheckFinding *worst = dkms_check_findings_worst (findings);
  g_assert_cmpstr (worst->file, ==, "a");
  g_assert_cmpstr (worst->text, ==, "a was built for another version of the symbol kfree");
  g_assert_cmpstr (worst->advice, ==, "dkms install foo/1.0 -k 6.1.0 --force");
  g_assert_cmpstr (((const DkmsCheckFinding *)findings->pdata[2])->advice, ==, "Do better.");
}

/* ---- verdicts ---- */

static void
test_refusals (void)
{
  static const struct {
    DkmsLoadReason reason;
    DkmsTrust trust;
    const char *signer;
    const char *code;
    DkmsConfidence confidence;
  } table[] = {
    { DKMS_LOAD_UNSIGNED, 0, NULL, "unsigned", DKMS_CONFIDENCE_LIKELY },
    { DKMS_LOAD_MALFORMED, 0, NULL, "malformed", DKMS_CONFIDENCE_LIKELY },
    { DKMS_LOAD_UNSUPPORTED, 0, NULL, "digest-unavailable", DKMS_CONFIDENCE_LIKELY },
    { DKMS_LOAD_KEY_UNKNOWN, DKMS_TRUST_NOT_READ, NULL, "key-unknown", DKMS_CONFIDENCE_LIKELY },
    { DKMS_LOAD_KEY_UNKNOWN, DKMS_TRUST_NOT_READ, "CN=x", "key-unknown", DKMS_CONFIDENCE_LIKELY },
    { DKMS_LOAD_KEY_UNKNOWN, DKMS_TRUST_UNUSABLE, "CN=x", "key-unusable", DKMS_CONFIDENCE_LIKELY },
    { DKMS_LOAD_KEY_UNKNOWN, DKMS_TRUST_PLATFORM_ONLY, "CN=x", "platform-only", DKMS_CONFIDENCE_LIKELY },
    { DKMS_LOAD_KEY_UNKNOWN, DKMS_TRUST_REVOKED, "CN=x", "key-revoked", DKMS_CONFIDENCE_LIKELY },
    { DKMS_LOAD_TAMPERED, DKMS_TRUST_TRUSTED, "CN=x", "tampered", DKMS_CONFIDENCE_LIKELY },
    { DKMS_LOAD_BLACKLISTED_HASH, 0, NULL, "blacklisted-hash", DKMS_CONFIDENCE_LIKELY },
    { DKMS_LOAD_NOT_A_MODULE, 0, NULL, "not-elf", DKMS_CONFIDENCE_CERTAIN },
    { DKMS_LOAD_OTHER_MACHINE, 0, NULL, "other-machine", DKMS_CONFIDENCE_CERTAIN },
    { DKMS_LOAD_NO_SYMBOLS, 0, NULL, "stripped-symbols", DKMS_CONFIDENCE_CERTAIN },
    { DKMS_LOAD_STRUCT_SIZE, 0, NULL, "struct-size", DKMS_CONFIDENCE_CERTAIN },
    { DKMS_LOAD_FORBIDDEN, 0, NULL, "cmdline-blacklist", DKMS_CONFIDENCE_CERTAIN },
    { DKMS_LOAD_LAYOUT, 0, NULL, "layout-crc", DKMS_CONFIDENCE_UNKNOWN },
    { DKMS_LOAD_NO_CRCS, 0, NULL, "no-crcs", DKMS_CONFIDENCE_CERTAIN },
    { DKMS_LOAD_VERMAGIC, 0, NULL, "other-flags", DKMS_CONFIDENCE_CERTAIN },
    { DKMS_LOAD_NO_VERMAGIC, 0, NULL, "vermagic-missing", DKMS_CONFIDENCE_CERTAIN },
    { DKMS_LOAD_UNDEFINED, 0, NULL, "undefined", DKMS_CONFIDENCE_UNKNOWN },
    { DKMS_LOAD_GPL_ONLY, 0, NULL, "gpl-only", DKMS_CONFIDENCE_UNKNOWN },
    { DKMS_LOAD_PROPRIETARY, 0, NULL, "gpl-only", DKMS_CONFIDENCE_UNKNOWN },
    { DKMS_LOAD_CRC, 0, NULL, "crc", DKMS_CONFIDENCE_UNKNOWN },
    { DKMS_LOAD_CRC_MISSING, 0, NULL, "crc-missing", DKMS_CONFIDENCE_UNKNOWN },
    { DKMS_LOAD_NAMESPACE, 0, NULL, "namespace", DKMS_CONFIDENCE_UNKNOWN },
    { DKMS_LOAD_DUPLICATE, 0, NULL, "duplicate-export", DKMS_CONFIDENCE_UNKNOWN },
    { DKMS_LOAD_BTF, 0, NULL, "btf-mismatch", DKMS_CONFIDENCE_CERTAIN },
  };
  const DkmsLoadModule module = { .vermagic = "6.1.0 SMP ", .signature = { .is_signed = TRUE } };
  const DkmsLoadKernel kernel = { .vermagic = "6.1.0 SMP preempt " };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (GPtrArray) findings = dkms_check_findings_new ();
      const DkmsLoadVerdict verdict
          = { .loads = DKMS_NO, .code = EINVAL, .reason = table[i].reason, .symbol = "kfree", .exact = TRUE };
      const DkmsVerdictContext context = { .id = id,
                                           .file = "foo",
                                           .signer = table[i].signer,
                                           .trust = table[i].trust,
                                           .symbols = DKMS_CONFIDENCE_UNKNOWN,
                                           .policy = DKMS_CONFIDENCE_LIKELY };

      dkms_verdict_find (&verdict, &module, &kernel, &context, findings);
      g_assert_cmpuint (findings->len, ==, 1);
      const DkmsCheckFinding *finding = findings->pdata[0];
      g_test_message ("%s: %s", table[i].code, finding->text);
      g_assert_cmpstr (dkms_code_name (finding->code), ==, table[i].code);
      g_assert_cmpint (finding->result, ==, DKMS_RESULT_PROBLEM);
      g_assert_cmpint (finding->confidence, ==, table[i].confidence);
      g_assert_true (strstr (finding->text, "foo") != NULL || finding->code == DKMS_CODE_CMDLINE_BLACKLIST);
    }
}

static void
test_loads (void)
{
  const DkmsLoadModule module = { .vermagic = "6.1.0-5 SMP ", .has_btf = TRUE, .btf_fits = DKMS_NO };
  const DkmsLoadKernel kernel = { .vermagic = "6.1.0-6 SMP " };
  const DkmsVerdictContext context = { .id = id, .file = "foo", .policy = DKMS_CONFIDENCE_CERTAIN };
  const DkmsLoadVerdict verdict = { .loads = DKMS_YES, .taint = "OE", .exact = TRUE };
  g_autoptr (GPtrArray) findings = dkms_check_findings_new ();
  static const char *const expected[] = { "unsigned", "other-release", "btf-mismatch" };

  dkms_verdict_find (&verdict, &module, &kernel, &context, findings);
  g_assert_cmpuint (findings->len, ==, G_N_ELEMENTS (expected));
  for (gsize i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      const DkmsCheckFinding *finding = findings->pdata[i];
      g_assert_cmpstr (dkms_code_name (finding->code), ==, expected[i]);
      g_assert_cmpint (finding->result, <, DKMS_RESULT_UNKNOWN);
    }
}

static void
test_unknown (void)
{
  const DkmsLoadModule module = { .vermagic = NULL };
  const DkmsLoadKernel kernel = { .vermagic = NULL };
  const DkmsVerdictContext context = { .id = id, .file = "foo", .kernel_unread = "no permission" };
  const DkmsLoadReason reasons[] = { DKMS_LOAD_KEY_UNKNOWN, DKMS_LOAD_UNDEFINED };
  static const char *const codes[] = { "trust-unknown", "symbols-unknown" };

  for (gsize i = 0; i < G_N_ELEMENTS (reasons); i++)
    {
      g_autoptr (GPtrArray) findings = dkms_check_findings_new ();
      const DkmsLoadVerdict verdict = { .loads = DKMS_DONT_KNOW, .reason = reasons[i] };
      dkms_verdict_find (&verdict, &module, &kernel, &context, findings);
      const DkmsCheckFinding *finding = findings->pdata[0];
      g_assert_cmpstr (dkms_code_name (finding->code), ==, codes[i]);
      g_assert_cmpint (finding->result, ==, DKMS_RESULT_UNKNOWN);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/findings/rows", test_rows);
  g_test_add_func ("/findings/list", test_list);
  g_test_add_func ("/verdict/refusals", test_refusals);
  g_test_add_func ("/verdict/loads", test_loads);
  g_test_add_func ("/verdict/unknown", test_unknown);
  return g_test_run ();
}
