/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the answers of a kernel to files that are no modules mean. */
#include "check/probe.h"

#include <errno.h>

static void
test_answers (void)
{
  static const struct {
    DkmsProbeErrors errors;
    DkmsProbe probe; /* enforces, accepts, trusts */
  } cases[] = {
    { { EKEYREJECTED, ENOEXEC, EKEYREJECTED }, { DKMS_YES, DKMS_YES, DKMS_YES } },
    { { EKEYREJECTED, EKEYREJECTED, EKEYREJECTED }, { DKMS_YES, DKMS_NO, DKMS_NO } },
    /* Linux before 5.4 */
    { { ENODATA, ENOKEY, ENOKEY }, { DKMS_YES, DKMS_NO, DKMS_NO } },
    { { ENODATA, ENOPKG, ENOPKG }, { DKMS_YES, DKMS_NO, DKMS_NO } },
    /* no enforcement: only a known key makes a wrong signature wrong */
    { { ENOEXEC, ENOEXEC, EKEYREJECTED }, { DKMS_NO, DKMS_YES, DKMS_YES } },
    { { ENOEXEC, ENOEXEC, ENOEXEC }, { DKMS_NO, DKMS_YES, DKMS_NO } },
    { { ENOEXEC, ENOEXEC, ENOMEM }, { DKMS_NO, DKMS_YES, DKMS_DONT_KNOW } },
    /* lockdown without enforcement */
    { { EPERM, ENOEXEC, EKEYREJECTED, TRUE }, { DKMS_YES, DKMS_YES, DKMS_YES } },
    { { EPERM, EPERM, EPERM, TRUE }, { DKMS_YES, DKMS_NO, DKMS_NO } },
    { { EACCES, EACCES, EACCES }, { DKMS_YES, DKMS_NO, DKMS_NO } },
    /* nothing was asked */
    { { EPERM, EPERM, EPERM }, { DKMS_DONT_KNOW, DKMS_DONT_KNOW, DKMS_DONT_KNOW } },
    { { ENOSYS, ENOSYS, ENOSYS }, { DKMS_DONT_KNOW, DKMS_DONT_KNOW, DKMS_DONT_KNOW } },
    { { EPERM, ENOEXEC, EKEYREJECTED }, { DKMS_DONT_KNOW, DKMS_YES, DKMS_DONT_KNOW } },
    /* impossible */
    { { 0, 0, 0 }, { DKMS_DONT_KNOW, DKMS_DONT_KNOW, DKMS_DONT_KNOW } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const DkmsProbe probe = dkms_probe (&cases[i].errors);
      g_assert_cmpint (probe.enforces, ==, cases[i].probe.enforces);
      g_assert_cmpint (probe.accepts, ==, cases[i].probe.accepts);
      g_assert_cmpint (probe.trusts, ==, cases[i].probe.trusts);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/probe/answers", test_answers);
  return g_test_run ();
}
