/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy of a kernel for modules, and the keys that it trusts. */
#define _GNU_SOURCE
#include "check/policy.h"

#include <stdio.h>
#include <string.h>

#include "base/kconfig.h"

/* ---- options ---- */

static gboolean
is_set (const char *config, const char *name)
{
  const char *value = dkms_kconfig_find (config, name);

  return value != NULL && *value == 'y';
}

/* Returns: the release in the comment at the beginning of a configuration, "# Linux/x86 6.1.192 Kernel Configuration";
 * 0 */
static guint
find_release (const char *config)
{
  const char *at = strstr (config, "# Linux/"), *end = at != NULL ? strchrnul (at, '\n') : NULL;
  unsigned major = 0, minor = 0;

  while (at != NULL && at < end && *at != ' ')
    at++;
  at = at != NULL && at + 1 < end ? memchr (at + 1, ' ', (gsize)(end - at - 1)) : NULL;
  return at != NULL && sscanf (at, " %4u.%4u", &major, &minor) == 2 ? DKMS_RELEASE (major, minor) : 0;
}

static void
find_digests (const char *config, DkmsSigningOptions *to)
{
  static const struct {
    const char *name;
    DkmsDigestSet digest;
  } digests[] = { { "CONFIG_CRYPTO_MD5", DKMS_DIGEST_MD5 },
                  { "CONFIG_CRYPTO_SHA1", DKMS_DIGEST_SHA1 },
                  { "CONFIG_CRYPTO_SHA256", DKMS_DIGEST_SHA256 },
                  { "CONFIG_CRYPTO_SHA512", DKMS_DIGEST_SHA512 },
                  { "CONFIG_CRYPTO_SHA3", DKMS_DIGEST_SHA3 } };

  for (gsize i = 0; i < G_N_ELEMENTS (digests); i++)
    {
      const char *value = dkms_kconfig_find (config, digests[i].name);
      if (value != NULL && (*value == 'y' || *value == 'm'))
        to->digests |= digests[i].digest;
      if (value != NULL && *value == 'm')
        to->module_digests |= digests[i].digest;
    }
}

DkmsSigningOptions
dkms_signing_options_read (const char *config)
{
  DkmsSigningOptions self = { 0 };
  const struct {
    const char *name;
    gboolean *field;
  } switches[] = { { "CONFIG_MODULE_SIG", &self.signatures },
                   { "CONFIG_MODULE_SIG_FORCE", &self.forced },
                   { "CONFIG_IMA_ARCH_POLICY", &self.ima_arch },
                   { "CONFIG_LOCK_DOWN_IN_EFI_SECURE_BOOT", &self.locked_by_firmware },
                   { "CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY", &self.locked },
                   { "CONFIG_EFI_DISABLE_RUNTIME", &self.no_runtime },
                   { "CONFIG_INTEGRITY_MACHINE_KEYRING", &self.machine_keys },
                   { "CONFIG_INTEGRITY_CA_MACHINE_KEYRING", &self.only_ca },
                   { "CONFIG_INTEGRITY_CA_MACHINE_KEYRING_MAX", &self.only_strict_ca },
                   { "CONFIG_CRYPTO_ECDSA", &self.elliptic_curves },
                   { "CONFIG_SYSTEM_REVOCATION_LIST", &self.revocations },
                   { "CONFIG_IMA_APPRAISE_REQUIRE_MODULE_SIGS", &self.appraises },
                   { "CONFIG_SECURITY_LOADPIN_ENFORCE", &self.pins } };

  if (config == NULL)
    return self;
  self.known = TRUE;
  self.release = find_release (config);
  for (gsize i = 0; i < G_N_ELEMENTS (switches); i++)
    *switches[i].field = is_set (config, switches[i].name);
  self.locked = self.locked || is_set (config, "CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY");
  /* EFI_DISABLE_RUNTIME is newer than the behaviour that it controls. */
  if (self.release < DKMS_RELEASE (6, 1) && is_set (config, "CONFIG_PREEMPT_RT")
      && strstr (config, "# CONFIG_EFI_DISABLE_RUNTIME is not set") == NULL)
    self.no_runtime = TRUE;
  find_digests (config, &self);
  return self;
}

DkmsKnown
dkms_signing_options_have (const DkmsSigningOptions *self, const char *digest, gboolean only_built_in)
{
  static const struct {
    const char *name;
    DkmsDigestSet digest;
    guint from, until; /* the first release that knows it in signatures, and the first that no longer does */
  } names[] = { { "md4", DKMS_DIGEST_MD5, 0, DKMS_RELEASE (6, 7) },
                { "md5", DKMS_DIGEST_MD5, 0, DKMS_RELEASE (6, 7) },
                { "sha1", DKMS_DIGEST_SHA1, 0, G_MAXUINT },
                { "sha224", DKMS_DIGEST_SHA256, 0, G_MAXUINT },
                { "sha256", DKMS_DIGEST_SHA256, 0, G_MAXUINT },
                { "sha384", DKMS_DIGEST_SHA512, 0, G_MAXUINT },
                { "sha512", DKMS_DIGEST_SHA512, 0, G_MAXUINT },
                { "sha3-256", DKMS_DIGEST_SHA3, DKMS_RELEASE (6, 7), G_MAXUINT },
                { "sha3-384", DKMS_DIGEST_SHA3, DKMS_RELEASE (6, 7), G_MAXUINT },
                { "sha3-512", DKMS_DIGEST_SHA3, DKMS_RELEASE (6, 7), G_MAXUINT } };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      if (g_ascii_strcasecmp (names[i].name, digest) != 0)
        continue;
      if (!self->known)
        return DKMS_DONT_KNOW;
      if ((self->digests & names[i].digest) == 0 || (only_built_in && (self->module_digests & names[i].digest) != 0))
        return DKMS_NO;
      if (self->release == 0 && (names[i].from > 0 || names[i].until < G_MAXUINT))
        return DKMS_DONT_KNOW;
      return self->release >= names[i].from && self->release < names[i].until ? DKMS_YES : DKMS_NO;
    }
  return DKMS_NO; /* build systems of kernels offer no other digest */
}

/* ---- command lines ---- */

static gboolean
same_name (const char *word, gsize length, const char *name)
{
  if (strlen (name) != length)
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (word[i] != name[i] && !((word[i] == '-' || word[i] == '_') && (name[i] == '-' || name[i] == '_')))
      return FALSE;
  return TRUE;
}

/* Calls for each parameter @name: appends its value to @values. What follows "--" is for the first program. */
static void
find_values (const char *cmdline, const char *name, GPtrArray *values)
{
  for (const char *at = cmdline; *at != '\0';)
    {
      GString *word = g_string_new (NULL);
      gboolean quoted = FALSE;

      at += strspn (at, " \t\n");
      for (; *at != '\0' && (quoted || strchr (" \t\n", *at) == NULL); at++)
        if (*at == '"')
          quoted = !quoted;
        else
          g_string_append_c (word, *at);
      g_autofree char *text = g_string_free (word, FALSE);
      if (strcmp (text, "--") == 0)
        return;
      gsize length = strcspn (text, "=");
      if (length > 0 && same_name (text, length, name))
        g_ptr_array_add (values, g_strdup (text[length] == '=' ? text + length + 1 : ""));
    }
}

char *
dkms_cmdline_value (const char *cmdline, const char *name)
{
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func (g_free);

  find_values (cmdline, name, values);
  return values->len > 0 ? g_strdup (values->pdata[values->len - 1]) : NULL;
}

char **
dkms_cmdline_list (const char *cmdline, const char *name)
{
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func (g_free);
  GPtrArray *words = g_ptr_array_new ();

  find_values (cmdline, name, values);
  for (guint i = 0; i < values->len; i++)
    {
      g_auto (GStrv) parts = g_strsplit (values->pdata[i], ",", -1);
      for (char **part = parts; *part != NULL; part++)
        if (**part != '\0')
          g_ptr_array_add (words, g_strdup (*part));
    }
  g_ptr_array_add (words, NULL);
  return (char **)g_ptr_array_free (words, FALSE);
}

/* Returns: whether the boolean parameter @name is on; @usual without the parameter */
static gboolean
is_on (const char *cmdline, const char *name, gboolean usual)
{
  g_autofree char *value = dkms_cmdline_value (cmdline, name);

  if (value == NULL)
    return usual;
  return *value == '\0' || strchr ("1yY", *value) != NULL || g_ascii_strcasecmp (value, "on") == 0;
}

/* ---- policy ---- */

static DkmsKnown
known (gboolean truth)
{
  return truth ? DKMS_YES : DKMS_NO;
}

/* Returns: whether the kernel regards the boot as secure */
static DkmsKnown
is_secure (const DkmsFirmware *firmware)
{
  if (firmware->efi == DKMS_NO)
    return DKMS_NO;
  if (firmware->efi == DKMS_DONT_KNOW || firmware->secure_boot == DKMS_DONT_KNOW)
    return DKMS_DONT_KNOW;
  return known (firmware->secure_boot == DKMS_YES && !firmware->unchecked);
}

/* Returns: @if_secure under Secure Boot, otherwise DKMS_NO */
static DkmsKnown
when_secure (const DkmsFirmware *firmware, gboolean if_secure)
{
  return if_secure ? is_secure (firmware) : DKMS_NO;
}

/* Returns: whether runtime services of the firmware are used */
static DkmsKnown
uses_runtime (const DkmsSigningOptions *options, const char *cmdline)
{
  g_auto (GStrv) words = cmdline != NULL ? dkms_cmdline_list (cmdline, "efi") : NULL;

  if (cmdline == NULL || !options->known)
    return DKMS_DONT_KNOW;
  if (is_on (cmdline, "noefi", FALSE))
    return DKMS_NO;
  gboolean on = !options->no_runtime;
  for (char **word = words; *word != NULL; word++)
    on = strcmp (*word, "runtime") == 0 || (on && strcmp (*word, "noruntime") != 0);
  return known (on);
}

/* Returns: whether the command line asks IMA to appraise modules */
static gboolean
asks_ima (const char *cmdline)
{
  g_autofree char *policies = cmdline != NULL ? dkms_cmdline_value (cmdline, "ima_policy") : NULL;

  return policies != NULL && (strstr (policies, "secure_boot") != NULL || strstr (policies, "appraise_tcb") != NULL);
}

DkmsModulePolicy
dkms_module_policy (const DkmsSigningOptions *options, const DkmsFirmware *firmware, const char *cmdline)
{
  DkmsModulePolicy policy = { DKMS_DONT_KNOW, DKMS_DONT_KNOW, DKMS_DONT_KNOW, NULL };

  if (!options->known)
    return policy;
  policy.others = options->appraises || asks_ima (cmdline) ? "IMA" : options->pins ? "LoadPin" : NULL;
  policy.reads_firmware_keys = firmware->efi == DKMS_NO ? DKMS_NO : uses_runtime (options, cmdline);
  if (!options->signatures)
    {
      policy.enforces = policy.locked = DKMS_NO;
      return policy;
    }
  g_autofree char *lockdown = cmdline != NULL ? dkms_cmdline_value (cmdline, "lockdown") : NULL;
  gboolean asked
      = lockdown != NULL && (strcmp (lockdown, "integrity") == 0 || strcmp (lockdown, "confidentiality") == 0);
  gboolean forced = options->forced || (cmdline != NULL && is_on (cmdline, "module.sig_enforce", FALSE));
  policy.enforces = forced ? DKMS_YES : when_secure (firmware, options->ima_arch);
  policy.locked = options->locked || asked ? DKMS_YES : when_secure (firmware, options->locked_by_firmware);
  if (cmdline == NULL && policy.enforces == DKMS_NO)
    policy.enforces = DKMS_DONT_KNOW; /* the command line may ask for it */
  if (cmdline == NULL && policy.locked == DKMS_NO)
    policy.locked = DKMS_DONT_KNOW;
  return policy;
}

/* ---- keys ---- */

/* Returns: whether @words, separated by blanks, contain @word */
static gboolean
has_word (const char *words, const char *word)
{
  g_auto (GStrv) parts = g_strsplit (words != NULL ? words : "", " ", -1);

  return g_strv_contains ((const char *const *)parts, word);
}

DkmsVendorRules
dkms_vendor_rules (const char *id, const DkmsSigningOptions *options)
{
  static const struct {
    const char *id;
    gboolean patched; /* its kernels have LOCK_DOWN_IN_EFI_SECURE_BOOT, and others lack their patches */
    DkmsVendorRules rules;
  } vendors[] = {
    /* seen, on 6.1 and 6.12, and in Debian's patches of the kernel */
    { "debian", TRUE, { DKMS_YES, DKMS_YES, DKMS_NO, DKMS_YES } },
    /* its list of patches */
    { "ubuntu", TRUE, { DKMS_YES, DKMS_DONT_KNOW, DKMS_DONT_KNOW, DKMS_DONT_KNOW } },
    /* upstream sources */
    { "arch", FALSE, { DKMS_NO, DKMS_NO, DKMS_YES, DKMS_NO } },
  };

  /* Systems that are like Ubuntu are also like Debian. */
  for (gsize i = G_N_ELEMENTS (vendors); i-- > 0;)
    if (has_word (id, vendors[i].id) && (!vendors[i].patched || !options->known || options->locked_by_firmware))
      return vendors[i].rules;
  return (DkmsVendorRules){ DKMS_DONT_KNOW, DKMS_DONT_KNOW, DKMS_DONT_KNOW, DKMS_DONT_KNOW };
}

DkmsKnown
dkms_certificate_usable (const DkmsCertificateFacts *certificate, const DkmsSigningOptions *options)
{
  static const guint sizes[] = { 512, 1024, 1536, 2048, 3072, 4096 };

  if (certificate->odd_self_signature)
    return DKMS_NO;
  if (certificate->md5_self_signature && options->release == 0)
    return DKMS_DONT_KNOW;
  if (certificate->md5_self_signature && options->release >= DKMS_RELEASE (6, 7))
    return DKMS_NO;
  if (certificate->is_elliptic && certificate->is_p521 && options->elliptic_curves)
    return options->release == 0 ? DKMS_DONT_KNOW : known (options->release >= DKMS_RELEASE (6, 10));
  if (certificate->is_elliptic)
    return known (certificate->known_curve && options->elliptic_curves);
  for (gsize i = 0; certificate->is_rsa && i < G_N_ELEMENTS (sizes); i++)
    if (certificate->bits == sizes[i])
      return DKMS_YES;
  return DKMS_NO;
}

static DkmsTrust
platform (const DkmsVendorRules *rules)
{
  return rules->platform_counts == DKMS_YES  ? DKMS_TRUST_TRUSTED
         : rules->platform_counts == DKMS_NO ? DKMS_TRUST_PLATFORM_ONLY
                                             : DKMS_TRUST_UNKNOWN;
}

DkmsTrust
dkms_trust (const DkmsCertificateFacts *certificate, const DkmsSigningOptions *options, const DkmsFirmware *firmware,
            const DkmsModulePolicy *policy, const DkmsVendorRules *rules)
{
  if (!options->known)
    return DKMS_TRUST_UNKNOWN;
  DkmsKnown usable = dkms_certificate_usable (certificate, options);
  if (usable != DKMS_YES)
    return usable == DKMS_NO ? DKMS_TRUST_UNUSABLE : DKMS_TRUST_UNKNOWN;
  if (certificate->source == DKMS_KEY_BUILT_IN)
    return DKMS_TRUST_TRUSTED;
  if (policy->reads_firmware_keys == DKMS_NO)
    return DKMS_TRUST_NOT_READ;
  if (certificate->revoked && options->revocations)
    return DKMS_TRUST_REVOKED;
  if (policy->reads_firmware_keys == DKMS_DONT_KNOW)
    return DKMS_TRUST_UNKNOWN;
  if (certificate->source == DKMS_KEY_FIRMWARE)
    return platform (rules);
  DkmsKnown secure = is_secure (firmware);
  if (secure == DKMS_NO && rules->mok_needs_secure == DKMS_YES)
    return DKMS_TRUST_NOT_READ;
  if (secure != DKMS_YES && rules->mok_needs_secure != DKMS_NO)
    return DKMS_TRUST_UNKNOWN;
  if (firmware->unchecked)
    return DKMS_TRUST_NOT_READ; /* shim does not pass the list on */
  if (!options->machine_keys || (firmware->distrusted && rules->mok_needs_asking == DKMS_YES))
    return platform (rules);
  if (firmware->distrusted && rules->mok_needs_asking == DKMS_DONT_KNOW && rules->platform_counts != DKMS_YES)
    return DKMS_TRUST_UNKNOWN;
  if (options->only_ca
      && (!certificate->is_ca || !certificate->signs_certificates
          || (options->only_strict_ca && certificate->signs_data)))
    return platform (rules);
  return DKMS_TRUST_TRUSTED;
}
