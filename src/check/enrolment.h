/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a kernel will accept modules that are signed with a certificate, and what is missing: a pure function. */
#pragma once

#include "check/policy.h"

typedef enum {
  DKMS_ENROLMENT_ENROLLED,
  DKMS_ENROLMENT_BUILT_IN,
  DKMS_ENROLMENT_PENDING,         /* MokManager will ask to enrol it */
  DKMS_ENROLMENT_PENDING_REMOVAL, /* MokManager will ask to delete it */
  DKMS_ENROLMENT_NOT_ENROLLED,
  DKMS_ENROLMENT_REVOKED,
  DKMS_ENROLMENT_NOT_USABLE,    /* the kernel cannot use this kind of key */
  DKMS_ENROLMENT_PLATFORM_ONLY, /* the kernel keeps the key, and does not trust it for modules */
  DKMS_ENROLMENT_NOT_READ,      /* the kernel does not read the lists of the firmware */
  DKMS_ENROLMENT_NOT_NEEDED,    /* modules are loaded without a trusted signature */
  DKMS_ENROLMENT_NO_EFI,        /* without EFI, only certificates in the kernel count */
  DKMS_ENROLMENT_NO_SHIM,       /* shim, which keeps the machine owner keys, does not run */
  DKMS_ENROLMENT_UNKNOWN
} DkmsEnrolment;

typedef struct {
  DkmsKnown needed;              /* the kernel refuses modules without a trusted signature */
  DkmsKnown usable;              /* dkms_certificate_usable() */
  gboolean listed;               /* the image of the kernel, the list of owner keys or db contains the certificate: */
  DkmsKeySource source;          /* where it counts most, */
  DkmsTrust trust;               /* and how much */
  gboolean to_enrol, to_delete;  /* requests to MokManager */
  gboolean read;                 /* all lists could be read */
  DkmsKnown reads_firmware_keys; /* as in DkmsModulePolicy */
  DkmsKnown efi, shim;
} DkmsEnrolmentFacts;

/** Returns: the state of the certificate */
DkmsEnrolment dkms_enrolment (const DkmsEnrolmentFacts *facts);
/** Returns: whether modules that are signed with the certificate will load. @needed: as in the facts */
DkmsKnown dkms_enrolment_serves (DkmsEnrolment self, DkmsKnown needed);
/** Returns: (transfer none): the stable name of a state, such as "not-enrolled" */
const char *dkms_enrolment_name (DkmsEnrolment self);
