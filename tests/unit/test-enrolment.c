/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of the enrolment of a certificate. */
#include "check/enrolment.h"

#define Y DKMS_YES
#define N DKMS_NO
#define D DKMS_DONT_KNOW
#define IMAGE DKMS_KEY_BUILT_IN
#define OWNER DKMS_KEY_MACHINE_OWNER
#define DB DKMS_KEY_FIRMWARE
#define GOOD DKMS_TRUST_TRUSTED
#define BAD DKMS_TRUST_UNUSABLE
#define UNREAD DKMS_TRUST_NOT_READ
#define ONLY DKMS_TRUST_PLATFORM_ONLY
#define REVOKED DKMS_TRUST_REVOKED
#define UNSURE DKMS_TRUST_UNKNOWN

static void
test_states (void)
{
  static const struct {
    const char *state;
    DkmsEnrolmentFacts facts;
    DkmsKnown serves;
  } cases[] = {
    /* the kernel refuses modules without a trusted signature; it can use the key; the certificate is listed, where, and
       how much it counts there; requests to enrol and to delete it; the lists were read; the kernel reads them; EFI;
       shim */
    { "enrolled", { Y, Y, 1, OWNER, GOOD, 0, 0, 1, Y, Y, Y }, Y },
    { "enrolled", { Y, Y, 1, DB, GOOD, 0, 0, 1, Y, Y, N }, Y },
    { "enrolled", { Y, Y, 1, OWNER, GOOD, 1, 0, 1, Y, Y, Y }, Y },
    { "enrolled", { N, Y, 1, OWNER, UNREAD, 0, 0, 1, Y, Y, Y }, Y },
    { "built-in", { Y, Y, 1, IMAGE, GOOD, 0, 0, 1, Y, Y, Y }, Y },
    { "built-in", { Y, Y, 1, IMAGE, GOOD, 0, 1, 0, N, N, N }, Y },
    { "pending", { Y, Y, 0, 0, 0, 1, 0, 1, Y, Y, Y }, N },
    { "pending", { N, Y, 0, 0, 0, 1, 0, 1, Y, Y, Y }, Y },
    { "pending-removal", { Y, Y, 1, OWNER, GOOD, 0, 1, 1, Y, Y, Y }, N },
    { "not-enrolled", { Y, Y, 0, 0, 0, 0, 0, 1, Y, Y, Y }, N },
    { "not-enrolled", { Y, Y, 0, 0, 0, 0, 1, 1, Y, Y, Y }, N },
    { "not-enrolled", { Y, Y, 0, 0, 0, 0, 0, 1, Y, Y, D }, N },
    { "not-enrolled", { D, Y, 0, 0, 0, 0, 0, 1, Y, Y, Y }, D },
    { "revoked", { Y, Y, 1, OWNER, REVOKED, 0, 0, 1, Y, Y, Y }, N },
    { "not-usable", { Y, N, 0, 0, 0, 0, 0, 1, Y, Y, Y }, N },
    { "not-usable", { Y, N, 1, OWNER, BAD, 0, 0, 1, Y, Y, Y }, N },
    { "not-usable", { N, N, 0, 0, 0, 0, 0, 0, N, N, N }, Y },
    { "platform-only", { Y, Y, 1, OWNER, ONLY, 0, 0, 1, Y, Y, Y }, N },
    { "not-read", { Y, Y, 1, OWNER, UNREAD, 0, 0, 1, N, Y, Y }, N },
    { "not-read", { Y, Y, 0, 0, 0, 1, 0, 1, N, Y, Y }, N },
    { "not-needed", { N, Y, 0, 0, 0, 0, 0, 1, Y, Y, Y }, Y },
    { "not-needed", { N, Y, 0, 0, 0, 0, 0, 0, N, N, N }, Y },
    { "no-efi", { Y, Y, 0, 0, 0, 0, 0, 1, N, N, N }, N },
    { "no-shim", { Y, Y, 0, 0, 0, 0, 0, 1, Y, Y, N }, N },
    { "unknown", { Y, Y, 1, OWNER, UNSURE, 0, 0, 1, Y, Y, Y }, D },
    { "unknown", { Y, Y, 0, 0, 0, 0, 0, 0, Y, Y, Y }, D },
    { "unknown", { Y, Y, 0, 0, 0, 0, 0, 1, Y, D, Y }, D },
    { "unknown", { D, Y, 0, 0, 0, 0, 0, 1, N, N, N }, D },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      DkmsEnrolment state = dkms_enrolment (&cases[i].facts);

      g_test_message ("case %zu", i);
      g_assert_cmpstr (dkms_enrolment_name (state), ==, cases[i].state);
      g_assert_cmpint (dkms_enrolment_serves (state, cases[i].facts.needed), ==, cases[i].serves);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/enrolment/states", test_states);
  return g_test_run ();
}
