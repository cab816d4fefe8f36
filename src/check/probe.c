/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Derives the policy of a kernel from its answers. */
#include "check/probe.h"

#include <errno.h>

/* Returns: whether the kernel passed a file, by its errno */
static DkmsKnown
passed (int code, gboolean locked)
{
  switch (code)
    {
    case ENOEXEC:
      return DKMS_YES;
    case EKEYREJECTED:
    case ENOKEY: /* of kernels before Linux 5.4, as the next two */
    case ENOPKG:
    case ENODATA:
    case EBADMSG:
    case EACCES: /* of IMA */
      return DKMS_NO;
    case EPERM:
      return locked ? DKMS_NO : DKMS_DONT_KNOW;
    default:
      return DKMS_DONT_KNOW;
    }
}

DkmsProbe
dkms_probe (const DkmsProbeErrors *errors)
{
  const DkmsKnown plain = passed (errors->plain, errors->locked), own = passed (errors->with_key, errors->locked),
                  changed = passed (errors->changed, errors->locked);
  DkmsProbe self = { .accepts = own };

  self.enforces = plain == DKMS_YES ? DKMS_NO : plain == DKMS_NO ? DKMS_YES : DKMS_DONT_KNOW;
  /* Without enforcement, a wrong signature is refused only if the kernel has the key. */
  if (own == DKMS_NO)
    self.trusts = DKMS_NO;
  else if (own == DKMS_YES && self.enforces == DKMS_YES)
    self.trusts = DKMS_YES;
  else if (own == DKMS_YES && self.enforces == DKMS_NO && changed != DKMS_DONT_KNOW)
    self.trusts = changed == DKMS_NO ? DKMS_YES : DKMS_NO;
  else
    self.trusts = DKMS_DONT_KNOW;
  return self;
}
