/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the answers of a kernel to files that are no modules say about its policy: a pure function. */
#pragma once

#include "check/policy.h"

/* Kernels check the signature of a file before they look for a module in it. Therefore ENOEXEC means that the signature
 * was accepted, or not needed. */
typedef struct {
  int plain;       /* errno for a file without a signature, */
  int with_key;    /* for the same file with a signature, */
  int changed;     /* and for a file that was changed after it was signed */
  gboolean locked; /* the kernel is locked down: EPERM refuses the signature. Otherwise, EPERM may have other reasons */
} DkmsProbeErrors;

typedef struct {
  DkmsKnown enforces; /* it refuses files without a signature */
  DkmsKnown accepts;  /* it accepts files that are signed with the key */
  DkmsKnown trusts;   /* the certificate is on its lists, also if any file is accepted */
} DkmsProbe;

/** Returns: what the kernel has answered */
DkmsProbe dkms_probe (const DkmsProbeErrors *errors);
