/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what package managers print. */
#include <string.h>

#include "forecast/apk.h"
#include "forecast/apt.h"
#include "forecast/dnf.h"
#include "forecast/pacman.h"
#include "forecast/zypper.h"

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

static GPtrArray *
offers_new (void)
{
  return g_ptr_array_new_with_free_func (dkms_kernel_offer_free);
}

/* Compares offers with lines "RELEASE NAME VERSION". */
static void
assert_offers (const GPtrArray *offers, const char *const *expected)
{
  guint i;

  for (i = 0; i < offers->len && expected[i] != NULL; i++)
    {
      const DkmsKernelOffer *offer = offers->pdata[i];
      g_autofree char *line = g_strdup_printf ("%s %s %s", offer->release, offer->image->name, offer->image->version);
      g_assert_cmpstr (line, ==, expected[i]);
    }
  g_assert_cmpuint (i, ==, offers->len);
  g_assert_null (expected[i]);
}

/* Compares headers with lines "NAME VERSION". */
static void
assert_headers (const DkmsKernelOffer *offer, const char *const *expected)
{
  guint i;

  for (i = 0; i < offer->headers->len && expected[i] != NULL; i++)
    {
      const DkmsPackageOffer *package = offer->headers->pdata[i];
      g_autofree char *line = g_strdup_printf ("%s %s", package->name, package->version);
      g_assert_cmpstr (line, ==, expected[i]);
    }
  g_assert_cmpuint (i, ==, offer->headers->len);
  g_assert_null (expected[i]);
}

#define UPDATE(name, edition) "<update kind=\"package\" name=\"" name "\" edition=\"" edition "\" arch=\"x86_64\"/>"
#define SOLVABLE(name, edition)                                                                                        \
  "<solvable status=\"not-installed\" name=\"" name "\" kind=\"package\" edition=\"" edition "\" repository=\"oss\"/>"

static void
test_zypper (void)
{
  static const char updates[]
      = "<?xml version='1.0'?>\n<stream>\n<message type=\"info\">Loading repository data...</message>\n"
        "<update-status version=\"0.6\"><update-list>\n" UPDATE ("kernel-default", "6.12.0-160000.8.1")
            UPDATE ("kernel-default-extra", "6.12.0-160000.8.1") UPDATE ("kernel-devel", "6.12.0-160000.8.1")
                UPDATE ("kernel-rt", "6.12.0-160000.8.3") UPDATE ("kernel-azure", "") UPDATE ("kernel-64kb", "none")
                    UPDATE ("kernel-default", "6.12.0-160000.8.1") UPDATE ("kernel-longterm", "6.6.63-1")
                        UPDATE ("kernel-vanilla", "-6.6.63-1") UPDATE (
                            "kernel-debug",
                            "6.6.63/x-1.1") "<update kind=\"patch\" name=\"kernel-pae\" edition=\"1-1.1\"/><update "
                                            "name=\"kernel-pae\"/>"
                                            "<summary name=\"kernel-pae\" kind=\"package\" "
                                            "edition=\"1-1.1\">x</summary></update-list></update-status></stream>";
  static const char found[]
      = "<stream><search-result><solvable-list>" SOLVABLE ("kernel-default-devel", "6.12.0-160000.7.1")
          SOLVABLE ("kernel-default-devel", "6.12.0-160000.8.1") SOLVABLE ("kernel-default-devel", "6.12.0-160000.8.1")
              SOLVABLE ("kernel-devel", "6.12.0-160000.8.2") SOLVABLE ("kernel-macros", "6.12.0-160000.80.1")
                  SOLVABLE ("kernel-macros", "6.12.0-160000.8.1") "</solvable-list></search-result></stream>";
  static const char *const kernels[]
      = { "6.12.0-160000.8-default kernel-default 6.12.0-160000.8.1", "6.12.0-160000.8-rt kernel-rt 6.12.0-160000.8.3",
          "6.6.63-1-longterm kernel-longterm 6.6.63-1", NULL };
  static const char *const headers[] = { "kernel-default-devel 6.12.0-160000.8.1", "kernel-devel 6.12.0-160000.8.2",
                                         "kernel-macros 6.12.0-160000.8.1", NULL };
  g_autoptr (GPtrArray) offers = offers_new ();
  g_autoptr (GError) error = NULL, broken = NULL;

  g_assert_true (dkms_zypper_read_updates (updates, offers, &error));
  assert_offers (offers, kernels);
  g_assert_true (dkms_zypper_read_search (found, offers->pdata[0], &error));
  assert_headers (offers->pdata[0], headers);
  g_assert_true (dkms_zypper_read_search (found, offers->pdata[1], &error));
  g_assert_cmpuint (((DkmsKernelOffer *)offers->pdata[1])->headers->len, ==, 0);
  g_assert_true (dkms_zypper_read_updates ("", offers, &error));
  g_assert_no_error (error);
  g_assert_false (dkms_zypper_read_updates ("<stream><update", offers, &broken));
  g_assert_nonnull (broken);
}

static void
test_pacman (void)
{
  static const char updates[]
      = "linux 6.12.1.arch1-1 -> 6.12.2.arch1-1\nlinux-api-headers 6.10-1 -> 6.12.1-1\n"
        "linux-firmware 20241017.22a6c7d-1 -> 20241111.b5885ec5-1\nlinux-headers 6.12.1.arch1-1 -> 6.12.2.arch1-1\n"
        "linux-lts 6.6.62-1 -> 6.6.63-1 [ignored]\nlinux-zen 6.12.1.zen1-1 -> 6.12.2.zen1-1\n"
        "linux-mine 6.9.1-1 -> 6.9.2-3\nlinux-mine-headers 6.9.1-1 -> 6.9.2-3\nlinux-atm 2.5.2-7 -> 2.5.2-8\n"
        "linux-hardened 6.11.1.hardened1-1 ->\nlinux-rt 6.6.1-1 -> ../6.6.2-1\nbash 5.1-1 -> 5.2-1";
  static const char *const kernels[]
      = { "6.12.2-arch1-1 linux 6.12.2.arch1-1", "6.12.2-zen1-1-zen linux-zen 6.12.2.zen1-1",
          "6.9.2-3-mine linux-mine 6.9.2-3", NULL };
  static const char *const headers[] = { "pahole 1:1.27-1", "linux-headers 6.12.2.arch1-1", NULL };
  static const char *const strange[][2] = { { "linux", "6.12-1" },   { "linuxfoo", "6.12-1" }, { "linux", "6." },
                                            { "linux", "2024.1-1" }, { "linux", "6.a-1" },     { "linux", "" } };
  g_autoptr (GPtrArray) offers = offers_new ();

  dkms_pacman_read_updates (updates, offers);
  assert_offers (offers, kernels);
  dkms_pacman_read_packages ("pahole 1:1.27-1 extra\n:: Synchronizing package databases...\nwarning: x\n"
                             "--root / extra\nlinux-headers 6.12.2.arch1-1 core\n",
                             offers->pdata[0]);
  assert_headers (offers->pdata[0], headers);
  for (gsize i = 0; i < G_N_ELEMENTS (strange); i++)
    {
      g_autofree char *release = dkms_pacman_release (strange[i][0], strange[i][1]);
      g_assert_cmpstr (release, ==, i == 0 ? "6.12-1" : NULL);
    }
}

static void
test_apk (void)
{
  static const char upgrade[]
      = "(1/5) Upgrading linux-lts (6.6.31-r0 -> 6.6.63-r2)\n( 2/5) Upgrading linux-pam (1.5.2-r0 -> 1.6.1-r0)\n"
        "(3/5) Installing linux-virt@edge (6.12.1-r0)\n(4/5) Upgrading linux-lts-dev (6.6.31-r0 -> 6.6.63-r2)\n"
        "(5/5) Upgrading linux-rpi (6.6.31-r0 -> 6.6.63)\n(5/5) Purging linux-edge (6.6.31-r0)\n"
        "(5/5) Installing linux-edge (6.12.1-rx)\nUpgrading linux-edge (1.1-r0 -> 1.2-r0)\nOK: 100 MiB in 50 packages";
  static const char *const kernels[]
      = { "6.6.63-2-lts linux-lts 6.6.63-r2", "6.12.1-0-virt linux-virt 6.12.1-r0", NULL };
  static const char *const headers[] = { "linux-lts-dev 6.6.63-r2", NULL };
  g_autoptr (GPtrArray) offers = offers_new ();

  dkms_apk_read_upgrade (upgrade, offers);
  assert_offers (offers, kernels);
  dkms_apk_read_search ("linux-lts-dev-6.6.31-r0\nlinux-lts-dev-doc-6.6.63-r2\nlinux-lts-dev-6.6.63-r2\n",
                        "linux-lts-dev", offers->pdata[0]);
  assert_headers (offers->pdata[0], headers);
}

/* Lines that apk has printed on machines: Alpine 3.14 and 3.16 with apk-tools 2, and Alpine 3.23 with apk-tools 3. The
 * boots after them had the kernels 5.10.56-0-lts, 5.15.67-0-virt and 6.18.32-0-virt. */
static void
test_apk_recorded (void)
{
  static const char *const printed[]
      = { "(7/8) Upgrading iwd-openrc (1.15-r1 -> 1.16-r1)\n(8/8) Upgrading linux-lts (5.10.55-r0 -> 5.10.56-r0)\n"
          "Executing busybox-1.33.1-r3.trigger\nExecuting kmod-29-r0.trigger\n",
          "(1/5) Upgrading alpine-baselayout-data (3.2.0-r22 -> 3.2.0-r23)\n"
          "Executing alpine-baselayout-3.2.0-r23.pre-upgrade\n(3/5) Upgrading libcurl (7.83.1-r2 -> 7.83.1-r3)\n"
          "(5/5) Upgrading linux-virt (5.15.62-r1 -> 5.15.67-r0)\nExecuting kmod-29-r2.trigger\n",
          "( 6/10) Upgrading docker-cli (29.1.3-r4 -> 29.5.1-r0)\n"
          "(10/10) Upgrading linux-virt (6.18.29-r0 -> 6.18.32-r0)\nExecuting busybox-1.37.0-r30.trigger\n" };
  static const char *const kernels[][2] = { { "5.10.56-0-lts linux-lts 5.10.56-r0", NULL },
                                            { "5.15.67-0-virt linux-virt 5.15.67-r0", NULL },
                                            { "6.18.32-0-virt linux-virt 6.18.32-r0", NULL } };

  for (gsize i = 0; i < G_N_ELEMENTS (printed); i++)
    {
      g_autoptr (GPtrArray) offers = offers_new ();
      dkms_apk_read_upgrade (printed[i], offers);
      assert_offers (offers, kernels[i]);
    }
}

/* Names that could be options or paths are refused, and no list grows without limit. */
static void
test_limits (void)
{
  static const char *const refused[] = { "", "-x", "a b", "a/b", "a\nb", "a=b", ".", "a\x80" };
  g_autoptr (GPtrArray) offers = offers_new ();
  DkmsPackageOffer *image = dkms_package_offer_new ("linux", "1", NULL);
  g_autofree char *longer = g_strnfill (201, 'a');

  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_assert_null (dkms_package_offer_new (refused[i], "1", NULL));
      g_assert_null (dkms_package_offer_new ("a", refused[i], NULL));
    }
  g_assert_null (dkms_package_offer_new (longer, "1", NULL));
  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *release = g_strdup_printf ("%u", i);
      dkms_offers_add (offers, release, image);
      dkms_kernel_offer_need (offers->pdata[0], release, "1", NULL);
    }
  dkms_offers_add (offers, "new", NULL);
  dkms_package_offer_free (image);
  g_assert_cmpuint (offers->len, ==, 32);
  g_assert_cmpuint (((DkmsKernelOffer *)offers->pdata[0])->headers->len, ==, 64);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/offer/apt-upgrade", test_apt_upgrade);
  g_test_add_func ("/offer/apt-depends", test_apt_depends);
  g_test_add_func ("/offer/dnf", test_dnf);
  g_test_add_func ("/offer/zypper", test_zypper);
  g_test_add_func ("/offer/pacman", test_pacman);
  g_test_add_func ("/offer/apk", test_apk);
  g_test_add_func ("/offer/apk-recorded", test_apk_recorded);
  g_test_add_func ("/offer/limits", test_limits);
  return g_test_run ();
}
