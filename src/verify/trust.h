/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which signatures a kernel accepts on this machine: its policy, the keys that it trusts, and the signers of modules.
 */
#pragma once

#include "check/probe.h"
#include "conf/settings.h"
#include "machine/firmware.h"
#include "verify/certificate.h"
#include "verify/digest-modules.h"
#include "verify/kernel-facts.h"

/* A key that signs modules for the kernel. */
typedef struct {
  char *key, *certificate;    /* (nullable): paths inside the root; a key may be a pkcs11: URI */
  char *error;                /* (nullable): why the certificate cannot be read */
  const DkmsCertificate *own; /* (nullable): the certificate; one of those of the reading */
} DkmsOwnKey;

typedef struct {
  char *release; /* of the kernel */
  DkmsFirmware firmware;
  DkmsKnown shim; /* as in DkmsFirmwareReading */
  DkmsSigningOptions options;
  DkmsModulePolicy policy;
  DkmsVendorRules rules;
  DkmsConfidence confidence; /* of the policy */
  gboolean complete;         /* all certificates that the kernel may trust are known */
  GPtrArray *certificates;   /* (element-type DkmsCertificate) */
  GHashTable *forbidden;     /* (element-type utf8): SHA-256 of files on the lists of the firmware, as a set */
  char *unread;              /* (nullable): a list that could not be read */
  GPtrArray *keys;           /* (element-type DkmsOwnKey): those in the settings; at least one */
  char *probe_key;           /* (nullable): as of dkms_probe_key(), for these keys */
  DkmsDigestModules *digests;
} DkmsTrustReading;

/** Returns: (transfer full): what this machine, and @kernel with the command line @cmdline (nullable: unknown), trust.
 * A root that is not that of the machine has no firmware, and its state is unknown. @settings must live longer */
DkmsTrustReading *dkms_trust_reading_new (const DkmsSettings *settings, const DkmsKernelReading *kernel,
                                          const char *cmdline);
/** Takes what a kernel has answered (check/probe.h) in place of what the tables say. @now: the running kernel has just
 * answered; otherwise, it was the same kernel at another time, perhaps with another command line */
void dkms_trust_reading_take (DkmsTrustReading *self, const DkmsProbe *probe, gboolean now);
/** Fills in the policy of @to: checks_signatures, enforces, locked. */
void dkms_trust_reading_policy (const DkmsTrustReading *self, DkmsLoadKernel *to);
void dkms_trust_reading_free (DkmsTrustReading *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsTrustReading, dkms_trust_reading_free)

/* The signature of a module file. */
typedef struct {
  DkmsSignatureFacts facts; /* borrows from this value */
  GArray *signers;          /* (element-type DkmsSignerFacts) */
  GPtrArray *certificates;  /* (element-type DkmsCertificate) (nullable elements): of each signer */
  char *digest;             /* (nullable): of the first signer, such as "sha256" */
  char *error;              /* (nullable): why the file cannot be read; the rest is not meaningful */
} DkmsFileSignature;

void dkms_file_signature_free (DkmsFileSignature *self);
/** Returns: whether one of the signers has a certificate of the settings */
gboolean dkms_file_signature_is_own (const DkmsFileSignature *self);

/** Returns: (transfer full) (element-type DkmsFileSignature) (nullable): for each of @paths, files of the host; NULL
 * with an error if the helper cannot run */
GPtrArray *dkms_trust_reading_signatures (const DkmsTrustReading *self, const DkmsSettings *settings,
                                          const GPtrArray *paths, GError **error);
