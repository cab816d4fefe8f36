/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The findings that follow from the verdict about one module file. */
#pragma once

#include "check/finding.h"
#include "check/policy.h"

/* What the sentences of the findings need. */
typedef struct {
  DkmsId id;                      /* of the build */
  const char *file;               /* name of the module file */
  const char *error;              /* (nullable): why it is not a module */
  const char *signer;             /* (nullable): subject of the certificate of its signature */
  const char *digest;             /* (nullable): of its signature */
  DkmsTrust trust;                /* of that certificate; meaningful with @signer */
  const char *policy_unread;      /* (nullable): why the policy or the keys are not known */
  const char *kernel_unread;      /* (nullable): why the symbols of the kernel are not known */
  DkmsConfidence symbols, policy; /* of the facts about symbols and keys */
} DkmsVerdictContext;

/** Adds what @verdict about @module means to @findings. */
void dkms_verdict_find (const DkmsLoadVerdict *verdict, const DkmsLoadModule *module, const DkmsLoadKernel *kernel,
                        const DkmsVerdictContext *context, GPtrArray *findings);
