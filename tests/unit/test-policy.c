/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policies of kernels for modules, and the keys that they trust. */
#include "check/policy.h"

#define DEBIAN .known = TRUE, .signatures = TRUE, .ima_arch = TRUE, .locked_by_firmware = TRUE, .machine_keys = TRUE

static const DkmsSigningOptions debian
    = { DEBIAN, .elliptic_curves = TRUE },
    debian_6_1 = { DEBIAN, .release = DKMS_RELEASE (6, 1) },
    debian_6_9 = { DEBIAN, .elliptic_curves = TRUE, .release = DKMS_RELEASE (6, 9) },
    debian_6_12 = { DEBIAN, .elliptic_curves = TRUE, .release = DKMS_RELEASE (6, 12) },
    realtime = { DEBIAN, .no_runtime = TRUE }, fedora = { DEBIAN, .only_ca = TRUE, .only_strict_ca = TRUE },
    upstream = { .known = TRUE, .signatures = TRUE }, own = { .known = TRUE, .signatures = TRUE, .machine_keys = TRUE },
    forced = { .known = TRUE, .signatures = TRUE, .forced = TRUE }, none = { .known = TRUE }, unknown = { 0 };
static const DkmsFirmware bios = { DKMS_NO, DKMS_DONT_KNOW, FALSE }, secure = { DKMS_YES, DKMS_YES, FALSE },
                          distrusted = { DKMS_YES, DKMS_YES, FALSE, TRUE }, insecure = { DKMS_YES, DKMS_NO, FALSE },
                          unchecked = { DKMS_YES, DKMS_YES, TRUE }, image = { DKMS_DONT_KNOW, DKMS_DONT_KNOW, FALSE };

static void
test_policy (void)
{
  static const struct {
    const DkmsSigningOptions *options;
    const DkmsFirmware *firmware;
    const char *cmdline;
    DkmsModulePolicy policy; /* enforces, locked, reads the keys of the firmware */
  } cases[] = {
    /* seen */
    { &debian, &secure, "root=/dev/sda1 quiet", { DKMS_YES, DKMS_YES, DKMS_YES } },
    { &debian, &unchecked, "", { DKMS_NO, DKMS_NO, DKMS_YES } },
    { &debian, &insecure, "", { DKMS_NO, DKMS_NO, DKMS_YES } },
    { &debian, &bios, "", { DKMS_NO, DKMS_NO, DKMS_NO } },
    { &debian, &secure, "efi=noruntime", { DKMS_YES, DKMS_YES, DKMS_NO } },
    { &debian, &bios, "lockdown=integrity", { DKMS_NO, DKMS_YES, DKMS_NO } },
    { &debian, &bios, "module.sig_enforce=1", { DKMS_YES, DKMS_NO, DKMS_NO } },
    /* derived */
    { &realtime, &secure, "", { DKMS_YES, DKMS_YES, DKMS_NO } },
    { &realtime, &secure, "efi=debug,runtime", { DKMS_YES, DKMS_YES, DKMS_YES } },
    { &debian, &secure, "noefi", { DKMS_YES, DKMS_YES, DKMS_NO } },
    { &upstream, &secure, "", { DKMS_NO, DKMS_NO, DKMS_YES } },
    { &forced, &bios, "", { DKMS_YES, DKMS_NO, DKMS_NO } },
    { &none, &secure, "module.sig_enforce", { DKMS_NO, DKMS_NO, DKMS_YES } },
    { &debian, &bios, "module.sig_enforce=0", { DKMS_NO, DKMS_NO, DKMS_NO } },
    { &debian, &bios, "module.sig-enforce", { DKMS_YES, DKMS_NO, DKMS_NO } },
    { &debian, &bios, "\"dyndbg=a module.sig_enforce\" -- module.sig_enforce", { DKMS_NO, DKMS_NO, DKMS_NO } },
    /* what is not known */
    { &unknown, &secure, "", { DKMS_DONT_KNOW, DKMS_DONT_KNOW, DKMS_DONT_KNOW } },
    { &debian, &image, "", { DKMS_DONT_KNOW, DKMS_DONT_KNOW, DKMS_YES } },
    { &upstream, &image, NULL, { DKMS_DONT_KNOW, DKMS_DONT_KNOW, DKMS_DONT_KNOW } },
    { &debian, &secure, NULL, { DKMS_YES, DKMS_YES, DKMS_DONT_KNOW } },
    { &debian, &bios, NULL, { DKMS_DONT_KNOW, DKMS_DONT_KNOW, DKMS_NO } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const DkmsModulePolicy found = dkms_module_policy (cases[i].options, cases[i].firmware, cases[i].cmdline);

      g_test_message ("case %zu: %s", i, cases[i].cmdline != NULL ? cases[i].cmdline : "no command line");
      g_assert_cmpint (found.enforces, ==, cases[i].policy.enforces);
      g_assert_cmpint (found.locked, ==, cases[i].policy.locked);
      g_assert_cmpint (found.reads_firmware_keys, ==, cases[i].policy.reads_firmware_keys);
    }
}

#define OWNER .source = DKMS_KEY_MACHINE_OWNER

static void
test_trust (void)
{
  static const struct {
    const char *name, *vendor;
    DkmsCertificateFacts certificate;
    const DkmsSigningOptions *options;
    const DkmsFirmware *firmware;
    const char *cmdline;
    DkmsTrust trust;
  } cases[] = {
    /* seen, Debian */
    { "RSA 2048 in the list",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &debian,
      &secure,
      "",
      DKMS_TRUST_TRUSTED },
    { "RSA 4096", "debian", { OWNER, .is_rsa = TRUE, .bits = 4096 }, &debian_6_1, &secure, "", DKMS_TRUST_TRUSTED },
    { "RSA 8192", "debian", { OWNER, .is_rsa = TRUE, .bits = 8192 }, &debian, &secure, "", DKMS_TRUST_UNUSABLE },
    { "RSA 2056", "debian", { OWNER, .is_rsa = TRUE, .bits = 2056 }, &debian, &secure, "", DKMS_TRUST_UNUSABLE },
    { "P-256 on 6.12",
      "debian",
      { OWNER, .is_elliptic = TRUE, .known_curve = TRUE },
      &debian,
      &secure,
      "",
      DKMS_TRUST_TRUSTED },
    { "P-256 on 6.1",
      "debian",
      { OWNER, .is_elliptic = TRUE, .known_curve = TRUE },
      &debian_6_1,
      &secure,
      "",
      DKMS_TRUST_UNUSABLE },
    { "P-521 on 6.12",
      "debian",
      { OWNER, .is_elliptic = TRUE, .known_curve = TRUE, .is_p521 = TRUE },
      &debian_6_12,
      &secure,
      "",
      DKMS_TRUST_TRUSTED },
    { "P-521 on 6.9",
      "debian",
      { OWNER, .is_elliptic = TRUE, .known_curve = TRUE, .is_p521 = TRUE },
      &debian_6_9,
      &secure,
      "",
      DKMS_TRUST_UNUSABLE },
    { "P-521 on an unknown release",
      "debian",
      { OWNER, .is_elliptic = TRUE, .known_curve = TRUE, .is_p521 = TRUE },
      &debian,
      &secure,
      "",
      DKMS_TRUST_UNKNOWN },
    { "another curve", "debian", { OWNER, .is_elliptic = TRUE }, &debian, &secure, "", DKMS_TRUST_UNUSABLE },
    { "Ed25519", "debian", { OWNER }, &debian, &secure, "", DKMS_TRUST_UNUSABLE },
    { "self-signed with RSA-PSS",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048, .odd_self_signature = TRUE },
      &debian,
      &secure,
      "",
      DKMS_TRUST_UNUSABLE },
    { "self-signed with MD5",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048, .md5_self_signature = TRUE },
      &debian_6_1,
      &secure,
      "",
      DKMS_TRUST_TRUSTED },
    { "self-signed with MD5, a newer kernel",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048, .md5_self_signature = TRUE },
      &debian_6_9,
      &secure,
      "",
      DKMS_TRUST_UNUSABLE },
    { "efi=noruntime",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &debian,
      &secure,
      "efi=noruntime",
      DKMS_TRUST_NOT_READ },
    { "shim does not validate",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &debian,
      &unchecked,
      "",
      DKMS_TRUST_NOT_READ },
    { "no Secure Boot",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &debian,
      &insecure,
      "",
      DKMS_TRUST_NOT_READ },
    { "revoked, where revocations do not count",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048, .revoked = TRUE },
      &debian,
      &secure,
      "",
      DKMS_TRUST_TRUSTED },
    { "built in",
      "debian",
      { .source = DKMS_KEY_BUILT_IN, .is_rsa = TRUE, .bits = 2048 },
      &debian,
      &bios,
      "",
      DKMS_TRUST_TRUSTED },
    { "in the list of the firmware",
      "debian",
      { .source = DKMS_KEY_FIRMWARE, .is_rsa = TRUE, .bits = 2048 },
      &debian,
      &secure,
      "",
      DKMS_TRUST_TRUSTED },
    /* derived */
    { "in the list of the firmware, upstream",
      "arch",
      { .source = DKMS_KEY_FIRMWARE, .is_rsa = TRUE, .bits = 2048 },
      &upstream,
      &secure,
      "",
      DKMS_TRUST_PLATFORM_ONLY },
    { "a list that shim does not ask to trust, Debian",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &debian,
      &distrusted,
      "",
      DKMS_TRUST_TRUSTED },
    { "a list that shim does not ask to trust, upstream",
      "arch",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &own,
      &distrusted,
      "",
      DKMS_TRUST_PLATFORM_ONLY },
    { "a list that shim does not ask to trust, an unknown distribution",
      "void",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &own,
      &distrusted,
      "",
      DKMS_TRUST_UNKNOWN },
    { "upstream without Secure Boot",
      "arch",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &own,
      &insecure,
      "",
      DKMS_TRUST_TRUSTED },
    { "a kernel of its user on Debian",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &own,
      &insecure,
      "",
      DKMS_TRUST_UNKNOWN },
    { "a derivative of Ubuntu",
      "ubuntu debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &debian,
      &insecure,
      "",
      DKMS_TRUST_UNKNOWN },
    { "a derivative of Debian",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &debian,
      &insecure,
      "",
      DKMS_TRUST_NOT_READ },
    { "no CA, where only CAs count",
      "fedora",
      { OWNER, .is_rsa = TRUE, .bits = 2048, .signs_data = TRUE },
      &fedora,
      &secure,
      "",
      DKMS_TRUST_UNKNOWN },
    { "a strict CA",
      "fedora",
      { OWNER, .is_rsa = TRUE, .bits = 2048, .is_ca = TRUE, .signs_certificates = TRUE },
      &fedora,
      &secure,
      "",
      DKMS_TRUST_TRUSTED },
    { "a CA that signs data",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048, .is_ca = TRUE, .signs_certificates = TRUE, .signs_data = TRUE },
      &fedora,
      &secure,
      "",
      DKMS_TRUST_TRUSTED }, /* it falls through to the keys of the platform, which count */
    { "the realtime kernel",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &realtime,
      &secure,
      "",
      DKMS_TRUST_NOT_READ },
    { "no configuration",
      "debian",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &unknown,
      &secure,
      "",
      DKMS_TRUST_UNKNOWN },
    { "an image", "debian", { OWNER, .is_rsa = TRUE, .bits = 2048 }, &debian, &image, "", DKMS_TRUST_UNKNOWN },
    { "an unknown distribution",
      "void",
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &debian,
      &secure,
      "",
      DKMS_TRUST_TRUSTED },
    { "an unknown distribution without Secure Boot",
      NULL,
      { OWNER, .is_rsa = TRUE, .bits = 2048 },
      &debian,
      &insecure,
      "",
      DKMS_TRUST_UNKNOWN },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const DkmsModulePolicy policy = dkms_module_policy (cases[i].options, cases[i].firmware, cases[i].cmdline);
      const DkmsVendorRules rules = dkms_vendor_rules (cases[i].vendor, cases[i].options);

      g_test_message ("%s", cases[i].name);
      g_assert_cmpint (dkms_trust (&cases[i].certificate, cases[i].options, cases[i].firmware, &policy, &rules), ==,
                       cases[i].trust);
    }
}

/* ---- options ---- */

#define HEAD "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 "
#define TAIL " Kernel Configuration\n#\n"

static void
test_options (void)
{
  static const struct {
    const char *config;
    DkmsSigningOptions options;
  } cases[] = {
    { NULL, { 0 } },
    { "", { .known = TRUE } },
    { "CONFIG_MODULE_SIG=y", { .known = TRUE, .signatures = TRUE } },
    { "# CONFIG_MODULE_SIG is not set\nCONFIG_MODULE_SIG_FORCE=y\n", { .known = TRUE, .forced = TRUE } },
    { "\n\nXCONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIGX=y\nCONFIG_MODULE_SIG=n\n", { .known = TRUE } },
    { HEAD "6.1.192" TAIL "CONFIG_CRYPTO_ECDSA=m\nCONFIG_IMA_ARCH_POLICY=y\n",
      { .known = TRUE, .release = DKMS_RELEASE (6, 1), .ima_arch = TRUE } },
    { "# Linux/arm64 7.0 Kernel Configuration\nCONFIG_CRYPTO_ECDSA=y\nCONFIG_LOCK_DOWN_IN_EFI_SECURE_BOOT=y\n",
      { .known = TRUE, .release = DKMS_RELEASE (7, 0), .elliptic_curves = TRUE, .locked_by_firmware = TRUE } },
    { "# Linux/x86\n# 6.1", { .known = TRUE } },
    { "CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY=y\n", { .known = TRUE, .locked = TRUE } },
    { "CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY=y\n", { .known = TRUE, .locked = TRUE } },
    { "CONFIG_INTEGRITY_MACHINE_KEYRING=y\nCONFIG_INTEGRITY_CA_MACHINE_KEYRING=y\n",
      { .known = TRUE, .machine_keys = TRUE, .only_ca = TRUE } },
    { "CONFIG_INTEGRITY_CA_MACHINE_KEYRING_MAX=y\nCONFIG_SYSTEM_REVOCATION_LIST=y\n",
      { .known = TRUE, .only_strict_ca = TRUE, .revocations = TRUE } },
    { "CONFIG_IMA_APPRAISE_REQUIRE_MODULE_SIGS=y\nCONFIG_SECURITY_LOADPIN_ENFORCE=y\n",
      { .known = TRUE, .appraises = TRUE, .pins = TRUE } },
    /* the realtime flavour */
    { "CONFIG_PREEMPT_RT=y\nCONFIG_EFI_DISABLE_RUNTIME=y\n", { .known = TRUE, .no_runtime = TRUE } },
    { HEAD "5.15.1" TAIL "CONFIG_PREEMPT_RT=y\n",
      { .known = TRUE, .release = DKMS_RELEASE (5, 15), .no_runtime = TRUE } },
    { HEAD "6.12.1" TAIL "CONFIG_PREEMPT_RT=y\n", { .known = TRUE, .release = DKMS_RELEASE (6, 12) } },
    { "CONFIG_PREEMPT_RT=y\n# CONFIG_EFI_DISABLE_RUNTIME is not set\n", { .known = TRUE } },
    /* digests */
    { "CONFIG_CRYPTO_MD5=y\nCONFIG_CRYPTO_SHA1=y\nCONFIG_CRYPTO_SHA256=y\nCONFIG_CRYPTO_SHA512=m\n"
      "CONFIG_CRYPTO_SHA3=m\n",
      { .known = TRUE,
        .digests = DKMS_DIGEST_MD5 | DKMS_DIGEST_SHA1 | DKMS_DIGEST_SHA256 | DKMS_DIGEST_SHA512 | DKMS_DIGEST_SHA3,
        .module_digests = DKMS_DIGEST_SHA512 | DKMS_DIGEST_SHA3 } },
    { "CONFIG_CRYPTO_SHA512_SSSE3=m\nCONFIG_CRYPTO_SHA256=n\n", { .known = TRUE } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const DkmsSigningOptions found = dkms_signing_options_read (cases[i].config);

      g_test_message ("case %zu: %s", i, cases[i].config != NULL ? cases[i].config : "none");
      g_assert_cmpmem (&found, sizeof found, &cases[i].options, sizeof cases[i].options);
    }
}

static void
test_digests (void)
{
  static const DkmsDigestSet all
      = DKMS_DIGEST_MD5 | DKMS_DIGEST_SHA1 | DKMS_DIGEST_SHA256 | DKMS_DIGEST_SHA512 | DKMS_DIGEST_SHA3;
  static const DkmsSigningOptions old
      = { DEBIAN, .release = DKMS_RELEASE (6, 1), .digests = all, .module_digests = DKMS_DIGEST_SHA512 },
      new = { DEBIAN, .release = DKMS_RELEASE (6, 12), .digests = all }, undated = { DEBIAN, .digests = all },
      few = { DEBIAN, .digests = DKMS_DIGEST_SHA256 };
  static const struct {
    const DkmsSigningOptions *options;
    const char *digest;
    gboolean only_built_in;
    DkmsKnown answer;
  } cases[] = {
    /* seen: 6.1 takes md5, and sha512 if modprobe finds the module; 6.12 does not take md5 */
    { &old, "md5", FALSE, DKMS_YES },           { &old, "sha512", FALSE, DKMS_YES },
    { &old, "SHA384", TRUE, DKMS_NO },          { &old, "sha256", TRUE, DKMS_YES },
    { &old, "sha3-256", FALSE, DKMS_NO },       { &new, "MD5", FALSE, DKMS_NO },
    { &new, "sha3-512", FALSE, DKMS_YES },      { &new, "SHA512", TRUE, DKMS_YES },
    { &undated, "md5", FALSE, DKMS_DONT_KNOW }, { &undated, "sha3-384", FALSE, DKMS_DONT_KNOW },
    { &undated, "sha1", FALSE, DKMS_YES },      { &few, "sha1", FALSE, DKMS_NO },
    { &few, "sha224", FALSE, DKMS_YES },        { &few, "sha3", FALSE, DKMS_NO },
    { &few, "ripemd160", FALSE, DKMS_NO },      { &unknown, "sha256", FALSE, DKMS_DONT_KNOW },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("case %zu: %s", i, cases[i].digest);
      g_assert_cmpint (dkms_signing_options_have (cases[i].options, cases[i].digest, cases[i].only_built_in), ==,
                       cases[i].answer);
    }
}

static void
test_others (void)
{
  static const DkmsSigningOptions pinned = { DEBIAN, .pins = TRUE }, appraised = { DEBIAN, .appraises = TRUE };

  g_assert_null (dkms_module_policy (&debian, &bios, "ima_policy=tcb").others);
  g_assert_null (dkms_module_policy (&debian, &bios, NULL).others);
  g_assert_cmpstr (dkms_module_policy (&debian, &bios, "ima_policy=tcb|secure_boot").others, ==, "IMA");
  g_assert_cmpstr (dkms_module_policy (&debian, &bios, "ima_policy=appraise_tcb").others, ==, "IMA");
  g_assert_cmpstr (dkms_module_policy (&appraised, &bios, "").others, ==, "IMA");
  g_assert_cmpstr (dkms_module_policy (&pinned, &bios, "").others, ==, "LoadPin");
}

static void
test_cmdline (void)
{
  g_auto (GStrv) forbidden
      = dkms_cmdline_list ("a module_blacklist=nouveau,radio x=1 module-blacklist=foo,", "module_blacklist");
  g_autofree char *joined = g_strjoinv (" ", forbidden);
  g_autofree char *last = dkms_cmdline_value ("lockdown=integrity lockdown=none", "lockdown");
  g_autofree char *flag = dkms_cmdline_value ("quiet", "quiet");
  g_autofree char *absent = dkms_cmdline_value ("lockdownx=1 xlockdown=1", "lockdown");
  g_autofree char *quoted = dkms_cmdline_value ("a=\"b c\" d", "a");

  g_assert_cmpstr (joined, ==, "nouveau radio foo");
  g_assert_cmpstr (last, ==, "none");
  g_assert_cmpstr (flag, ==, "");
  g_assert_null (absent);
  g_assert_cmpstr (quoted, ==, "b c");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/kernels", test_policy);
  g_test_add_func ("/policy/options", test_options);
  g_test_add_func ("/policy/digests", test_digests);
  g_test_add_func ("/policy/others", test_others);
  g_test_add_func ("/policy/trust", test_trust);
  g_test_add_func ("/policy/command-line", test_cmdline);
  return g_test_run ();
}
