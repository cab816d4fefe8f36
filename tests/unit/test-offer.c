/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what package managers print. */
#include <string.h>

#include "forecast/apt.h"
#include "forecast/dnf.h"

static void
test_apt_upgrade (void)
{
  static const char text[]
      = "Reading package lists...\n"
        "Inst bash [5.2.15-2+b8] (5.2.15-2+b9 Debian:12.9/stable [amd64])\n"
        "Inst linux-image-6.1.0-57-amd64 (6.1.192-3 Debian-Security:12/stable-security [amd64]) []\n"
        "Inst linux-image-amd64 [6.1.176-1] (6.1.192-3 Debian-Security:12/stable-security [amd64])\n"
        "Inst linux-image-6.1.0-56-amd64 [6.1.190-1] (6.1.192-1 Debian:12.9/stable, Debian-Security:12/x [amd64])\n"
        "Inst linux-image-6.1.0-57-amd64-dbg (6.1.192-3 Debian:12 [amd64])\n"
        "Inst linux-image-unsigned-6.8.0-40-generic (6.8.0-40.40 Ubuntu:24.04/noble [amd64])\n"
        "Conf linux-image-6.1.0-99-amd64 (6.1.192-3 Debian-Security:12/stable-security [amd64])\n"
        "Inst linux-image-6.2.0 6.2\n"
        "Inst linux-image-6.3.0 (6.3)\n"
        "Inst \n"
        "Inst linux-image-6.1.0-57-amd64 (6.1.192-3 Debian:12/again [amd64])";
  static const char *const expected[][3] = {
    { "6.1.0-57-amd64", "6.1.192-3", "Debian-Security:12/stable-security" },
    { "6.1.0-56-amd64", "6.1.192-1", "Debian:12.9/stable, Debian-Security:12/x" },
    { "6.8.0-40-generic", "6.8.0-40.40", "Ubuntu:24.04/noble" },
  };
  g_autoptr (GPtrArray) offers = g_ptr_array_new_with_free_func (dkms_kernel_offer_free);

  dkms_apt_read_upgrade (text, offers);
  g_assert_cmpuint (offers->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < offers->len; i++)
    {
      const DkmsKernelOffer *offer = offers->pdata[i];
      g_assert_cmpstr (offer->release, ==, expected[i][0]);
      g_assert_cmpstr (offer->image->version, ==, expected[i][1]);
      g_assert_cmpstr (offer->image->origin, ==, expected[i][2]);
    }
}

static void
test_apt_depends (void)
{
  static const char *const expected[]
      = { "linux-base", "linux-headers-6.12.117+deb12-common", "linux-image-6.12.117", "gcc-12", "pahole" };
  g_autoptr (GPtrArray) names = dkms_apt_depends (
      "linux-base (>= 4.12~), linux-headers-6.12.117+deb12-common (= 6.12.117-1~deb12u1), linux-image-6.12.117 (= 1) | "
      "linux-image-6.12.117-unsigned (= 1), gcc-12:any,, pahole");

  g_assert_cmpuint (names->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < names->len; i++)
    g_assert_cmpstr (names->pdata[i], ==, expected[i]);
}

static void
test_dnf (void)
{
  static const char text[] = "kernel-core 6.8.9-300.fc40.x86_64 updates\n\n"
                             "kernel-core 6.8.9-300.fc40.x86_64 mirror\n"
                             "Last metadata expiration check: now\n"
                             "kernel-core (none) updates\n"
                             "kernel-core 6.9.1-200.fc40.aarch64";
  g_autoptr (GPtrArray) offers = g_ptr_array_new_with_free_func (dkms_kernel_offer_free);

  dkms_dnf_read_query (text, offers);
  g_assert_cmpuint (offers->len, ==, 1);
  const DkmsKernelOffer *offer = offers->pdata[0];
  g_assert_cmpstr (offer->release, ==, "6.8.9-300.fc40.x86_64");
  g_assert_cmpstr (offer->image->origin, ==, "updates");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/offer/apt-upgrade", test_apt_upgrade);
  g_test_add_func ("/offer/apt-depends", test_apt_depends);
  g_test_add_func ("/offer/dnf", test_dnf);
  return g_test_run ();
}
