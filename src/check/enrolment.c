/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The states of the enrolment of a certificate. */
#include "check/enrolment.h"

/* Returns: the state of a certificate that the kernel can find */
static DkmsEnrolment
state_of_listed (const DkmsEnrolmentFacts *facts)
{
  if (facts->source == DKMS_KEY_BUILT_IN && facts->trust == DKMS_TRUST_TRUSTED)
    return DKMS_ENROLMENT_BUILT_IN;
  if (facts->to_delete)
    return DKMS_ENROLMENT_PENDING_REMOVAL;
  if (facts->needed == DKMS_NO)
    return DKMS_ENROLMENT_ENROLLED;
  switch (facts->trust)
    {
    case DKMS_TRUST_TRUSTED:
      return DKMS_ENROLMENT_ENROLLED;
    case DKMS_TRUST_REVOKED:
      return DKMS_ENROLMENT_REVOKED;
    case DKMS_TRUST_PLATFORM_ONLY:
      return DKMS_ENROLMENT_PLATFORM_ONLY;
    case DKMS_TRUST_NOT_READ:
      return DKMS_ENROLMENT_NOT_READ;
    case DKMS_TRUST_UNUSABLE:
      return DKMS_ENROLMENT_NOT_USABLE;
    default:
      return DKMS_ENROLMENT_UNKNOWN;
    }
}

DkmsEnrolment
dkms_enrolment (const DkmsEnrolmentFacts *facts)
{
  if (facts->usable == DKMS_NO)
    return DKMS_ENROLMENT_NOT_USABLE;
  if (facts->listed)
    return state_of_listed (facts);
  if (facts->needed == DKMS_YES && facts->efi == DKMS_NO)
    return DKMS_ENROLMENT_NO_EFI;
  if (facts->needed == DKMS_YES && facts->reads_firmware_keys == DKMS_NO)
    return DKMS_ENROLMENT_NOT_READ;
  if (facts->to_enrol)
    return DKMS_ENROLMENT_PENDING;
  if (facts->needed == DKMS_NO)
    return DKMS_ENROLMENT_NOT_NEEDED;
  if (facts->efi != DKMS_YES || !facts->read)
    return DKMS_ENROLMENT_UNKNOWN;
  return facts->shim == DKMS_NO ? DKMS_ENROLMENT_NO_SHIM : DKMS_ENROLMENT_NOT_ENROLLED;
}

DkmsKnown
dkms_enrolment_serves (DkmsEnrolment self, DkmsKnown needed)
{
  if (needed == DKMS_NO || self == DKMS_ENROLMENT_ENROLLED || self == DKMS_ENROLMENT_BUILT_IN
      || self == DKMS_ENROLMENT_NOT_NEEDED)
    return DKMS_YES;
  return needed == DKMS_DONT_KNOW || self == DKMS_ENROLMENT_UNKNOWN ? DKMS_DONT_KNOW : DKMS_NO;
}

const char *
dkms_enrolment_name (DkmsEnrolment self)
{
  static const char *const names[]
      = { "enrolled",      "built-in", "pending",    "pending-removal", "not-enrolled", "revoked", "not-usable",
          "platform-only", "not-read", "not-needed", "no-efi",          "no-shim",      "unknown" };
  G_STATIC_ASSERT (G_N_ELEMENTS (names) == DKMS_ENROLMENT_UNKNOWN + 1);

  return names[self];
}
