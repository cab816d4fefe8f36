/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which modules a kernel will refuse for their signature, and whose keys it will trust: pure functions of its
 * configuration, its command line and the state of the firmware. The rules are those of Linux 6.1 and 6.12, with the
 * patches of Debian, Ubuntu and Fedora where the configuration shows them. */
#pragma once

#include "check/load.h"

/* Digests in signatures. */
typedef enum {
  DKMS_DIGEST_MD5 = 1 << 0, /* and MD4 */
  DKMS_DIGEST_SHA1 = 1 << 1,
  DKMS_DIGEST_SHA256 = 1 << 2, /* and SHA-224 */
  DKMS_DIGEST_SHA512 = 1 << 3, /* and SHA-384 */
  DKMS_DIGEST_SHA3 = 1 << 4,
} DkmsDigestSet;

/** The release of a kernel as a number that can be compared, without its third part. */
#define DKMS_RELEASE(major, minor) ((guint)(major) << 16 | (guint)(minor))

/* Options of a kernel's configuration. All are FALSE if it is not @known. */
typedef struct {
  gboolean known;
  guint release;                /* DKMS_RELEASE() of the kernel; 0: unknown */
  gboolean signatures;          /* MODULE_SIG */
  gboolean forced;              /* MODULE_SIG_FORCE */
  gboolean ima_arch;            /* IMA_ARCH_POLICY */
  gboolean locked_by_firmware;  /* LOCK_DOWN_IN_EFI_SECURE_BOOT, a patch of distributions */
  gboolean locked;              /* LOCK_DOWN_KERNEL_FORCE_INTEGRITY or _CONFIDENTIALITY */
  gboolean no_runtime;          /* EFI_DISABLE_RUNTIME, or PREEMPT_RT of older kernels */
  gboolean machine_keys;        /* INTEGRITY_MACHINE_KEYRING */
  gboolean only_ca;             /* INTEGRITY_CA_MACHINE_KEYRING */
  gboolean only_strict_ca;      /* INTEGRITY_CA_MACHINE_KEYRING_MAX */
  gboolean elliptic_curves;     /* CRYPTO_ECDSA=y */
  gboolean revocations;         /* SYSTEM_REVOCATION_LIST */
  gboolean appraises;           /* IMA_APPRAISE_REQUIRE_MODULE_SIGS */
  gboolean pins;                /* SECURITY_LOADPIN_ENFORCE */
  DkmsDigestSet digests;        /* those that the kernel contains, or loads a module for: */
  DkmsDigestSet module_digests; /* CRYPTO_...=m */
} DkmsSigningOptions;

/** Returns: the options in the text of a configuration. @config: (nullable): NULL if it is not known */
DkmsSigningOptions dkms_signing_options_read (const char *config);
/** Returns: whether signatures with @digest, such as "sha256", can be verified, if the module that computes it can be
 * loaded. @only_built_in: without loading a module */
DkmsKnown dkms_signing_options_have (const DkmsSigningOptions *self, const char *digest, gboolean only_built_in);

/* The state of the firmware. Without EFI, @efi is DKMS_NO and the others are not meaningful. */
typedef struct {
  DkmsKnown efi;
  DkmsKnown secure_boot; /* SecureBoot is 1 and SetupMode is 0 */
  gboolean unchecked;    /* shim does not validate (MokSBStateRT) */
  gboolean distrusted;   /* shim does not ask to trust machine owner keys (MokListTrustedRT is absent) */
} DkmsFirmware;

typedef struct {
  DkmsKnown enforces, locked;    /* as in DkmsLoadKernel */
  DkmsKnown reads_firmware_keys; /* the kernel can read the keys that the firmware keeps */
  const char *others;            /* (nullable): another part of the kernel that may refuse modules, such as "IMA" */
} DkmsModulePolicy;

/** Returns: the policy of a kernel. @cmdline: (nullable): its command line; NULL if it is not known */
DkmsModulePolicy dkms_module_policy (const DkmsSigningOptions *options, const DkmsFirmware *firmware,
                                     const char *cmdline);
/**
 * dkms_cmdline_value:
 * @cmdline: a command line of a kernel, with words in quotes
 *
 * Returns: (transfer full) (nullable): the value of the last parameter @name; "" for one without a value; NULL if it
 * does not occur. A '-' and a '_' are equal in names
 */
char *dkms_cmdline_value (const char *cmdline, const char *name);
/** Returns: (transfer full): all values of the parameter @name, split at commas */
char **dkms_cmdline_list (const char *cmdline, const char *name);

/* ---- keys ---- */

/* Where a kernel finds a certificate. */
typedef enum {
  DKMS_KEY_BUILT_IN,      /* in its image */
  DKMS_KEY_MACHINE_OWNER, /* in shim's list of machine owner keys (MOK) */
  DKMS_KEY_FIRMWARE       /* in the firmware's list (db) */
} DkmsKeySource;

typedef struct {
  DkmsKeySource source;
  gboolean is_rsa, is_elliptic;
  guint bits;                  /* of an RSA key */
  gboolean known_curve;        /* P-192, P-256, P-384 or P-521 */
  gboolean is_p521;            /* which kernels know since 6.10 */
  gboolean odd_self_signature; /* it signs itself with RSA-PSS or another algorithm that kernels refuse */
  gboolean md5_self_signature; /* it signs itself with MD5, which kernels refuse since 6.7 */
  gboolean is_ca, signs_certificates, signs_data; /* CA:TRUE, keyCertSign, digitalSignature */
  gboolean revoked;                               /* the certificate is on a list of revoked ones (dbx, MokListX) */
} DkmsCertificateFacts;

/* How a distribution's kernels differ from upstream. */
typedef struct {
  DkmsKnown platform_counts;  /* keys of .platform are trusted for modules */
  DkmsKnown mok_needs_secure; /* machine owner keys are read under Secure Boot only */
  DkmsKnown mok_needs_asking; /* they are trusted only if MokListTrustedRT exists */
  DkmsKnown hashes_count;     /* module files are refused if their SHA-256 is on a list of forbidden hashes */
} DkmsVendorRules;

typedef enum {
  DKMS_TRUST_TRUSTED,
  DKMS_TRUST_UNUSABLE,      /* the kernel cannot verify with this kind of key */
  DKMS_TRUST_NOT_READ,      /* the kernel does not read the list that contains the key */
  DKMS_TRUST_PLATFORM_ONLY, /* the kernel keeps the key, and does not trust it for modules */
  DKMS_TRUST_REVOKED,
  DKMS_TRUST_UNKNOWN
} DkmsTrust;

/** Returns: the rules of a kernel of a distribution. @id: (nullable): ID or ID_LIKE in os-release. The configuration
 * shows whether the kernel has the patches of its distribution */
DkmsVendorRules dkms_vendor_rules (const char *id, const DkmsSigningOptions *options);
/** Returns: whether a kernel can verify signatures with the key, and accepts the certificate into a list */
DkmsKnown dkms_certificate_usable (const DkmsCertificateFacts *certificate, const DkmsSigningOptions *options);
/** Returns: whether a kernel will trust signatures by the key of @certificate */
DkmsTrust dkms_trust (const DkmsCertificateFacts *certificate, const DkmsSigningOptions *options,
                      const DkmsFirmware *firmware, const DkmsModulePolicy *policy, const DkmsVendorRules *rules);
