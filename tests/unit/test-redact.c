/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which parts of a report are replaced, and which are kept. */
#include "check/redact.h"

#include <string.h>

static const char *const users[] = { "root", "erika", NULL };
static const DkmsRedaction names = { users, "mill.example.org" };

static void
test_secrets (void)
{
  static const char *const table[][2] = {
    { "make[1]: /home/erika/src/foo.c", "make[1]: /home/<user>/src/foo.c" },
    { "/home/max.muster: here", "/home/<user>: here" },
    { "erika built it on mill", "<user> built it on <host>" },
    { "mill.example.org: ok", "<host>: ok" },
    { "write to erika.m@example.com.", "write to <e-mail>." },
    { "from 192.168.178.23 to 10.0.0.1:80", "from <address> to <address>:80" },
    { "inet6 2001:db8::1 and fe80::1c2:3ff:fe45:6789", "inet6 <address> and <address>" },
    { "2001:0db8:0000:0000:0000:ff00:0042:8329", "<address>" },
    { "link/ether 52:54:00:12:34:56 brd", "link/ether <mac> brd" },
    { "root=UUID=0a1b2c3d-1111-2222-3333-444455556666 ro", "root=UUID=<uuid> ro" },
    { "serial: XYZ-123", "serial: <serial>" },
    { "ID_SERIAL_SHORT is here, Serial Number: PF0ABCDE", "ID_SERIAL_SHORT is here, Serial Number: <serial>" },
    { "KBUILD_SIGN_PIN=1234 make", "KBUILD_SIGN_PIN=<secret> make" },
    { "DB_PASSWORD=\"hunter2\" x", "DB_PASSWORD=\"<secret>\" x" },
    { "password: hunter2", "password: <secret>" },
    { "{\"api_key\": \"abc\"}", "{\"api_key\": \"<secret>\"}" },
    { "curl -H 'Authorization: Basic dXNlcjpwYXNz'", "curl -H 'Authorization: <secret>" },
    { "curl -H 'X: Bearer abc.def'", "curl -H 'X: Bearer <secret>'" },
    { "https://me:pw@example.org/x", "https://<user>@example.org/x" },
    { "ghp_0123456789abcdefABCDEF0123456789abcd", "<secret>" },
    { "AKIAIOSFODNN7EXAMPLE", "<secret>" },
    { "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc", "<secret>" },
    { "pkcs11:token=x?pin-value=1234", "pkcs11:token=<secret>" },
    { "key aGVsbG8gd29ybGQsIHRoaXMgaXMgYSBsb25nIGtleQ== end", "key <secret> end" },
    { "a\n-----BEGIN PRIVATE KEY-----\nMIIEvQ\nabc\n-----END PRIVATE KEY-----\nb", "a\n<private key>\nb" },
    { "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ\ncut off", "<private key>" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autofree char *found = dkms_redact (table[i][0], &names);
      g_autofree char *again = dkms_redact (found, &names);
      g_assert_cmpstr (found, ==, table[i][1]);
      g_assert_cmpstr (again, ==, found);
    }
}

static void
test_what_stays (void)
{
  static const char *const table[] = {
    "foo.c:7:2: error: implicit declaration of function 'strlcpy'",
    "6.12.117+deb12-amd64, 6.1.0-56-amd64, 12.2.0-14+deb12u1",
    "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "/root/src, 127.0.0.1, ::, localhost",
    "DKMS_DRIVER_SUPPORTS_ASYNCHRONOUS_PROBING_OF_ALL_DEVICES",
    "nvidia_drm_gem_prime_force_fence_signal_ioctl_handler",
    "# elapsed time: 00:00:03",
    "make -C /lib/modules/6.1.0-56-amd64/build M=/var/lib/dkms/foo/1.0/build KERNELRELEASE=6.1.0-56-amd64",
    "CONFIG_MODULE_SIG_KEY=y",
    "millennium erikas",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autofree char *found = dkms_redact (table[i], &names);
      g_assert_cmpstr (found, ==, table[i]);
    }
  g_autofree char *bytes = dkms_redact ("caf\xe9", &names);
  g_assert_true (g_utf8_validate (bytes, -1, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/redact/secrets", test_secrets);
  g_test_add_func ("/redact/what-stays", test_what_stays);
  return g_test_run ();
}
