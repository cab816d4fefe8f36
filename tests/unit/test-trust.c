/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file cache-trust: its lines, its owner and its mode. */
#include "share/trust.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "fixture.h"

#define MINE "RWSBZLkK9mtsHYRX+Y8t9WeBc09NLlR5Cqaf33CRAATNLF35TzTe4PgP"
#define THEIRS "RWRIh2MsEqiKsydF8AjdcNZqrFxIraQ/D6tGh/rJU8hy5P1iyH1L3kM1"
/* The key of MINE with another id, and the id of MINE with another key. */
#define MINE_AGAIN "RWTBZLkK9mtsHYRX+Y8t9WeBc09NLlR5Cqaf33CRAATNLF35TzTe4PgP"
#define MINE_LIKE "RWSBZLkK9mtsHSdF8AjdcNZqrFxIraQ/D6tGh/rJU8hy5P1iyH1L3kM1"
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static DkmsTrust *
parse (const char *text, GError **error)
{
  return dkms_trust_parse (text, strlen (text), "file", error);
}

static void
test_lines (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsTrust) trust
      = parse ("# comment\n\n\ttrust " MINE "   # all\r\ntrust " THEIRS " zfs spl-*\nrequire 2 # two\n"
               "deny 0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef #x",
               &error);

  g_assert_no_error (error);
  g_assert_cmpuint (trust->signers->len, ==, 2);
  g_assert_cmpuint (trust->require, ==, 2);
  g_assert_cmpuint (trust->denied->len, ==, 1);
  g_assert_cmpstr (trust->denied->pdata[0], ==, DIGEST);
  const DkmsCacheSigner *mine = trust->signers->pdata[0], *theirs = trust->signers->pdata[1];
  g_assert_cmpstr (mine->key, ==, MINE);
  g_assert_cmpstr (mine->id, ==, "1D6C6BF60AB96481");
  g_assert_cmpstr (theirs->id, ==, "B38AA8122C638748");
  g_assert_true (dkms_cache_signer_may_build (mine, "anything"));
  g_assert_true (dkms_cache_signer_may_build (theirs, "zfs"));
  g_assert_true (dkms_cache_signer_may_build (theirs, "spl-x"));
  g_assert_false (dkms_cache_signer_may_build (theirs, "spl"));
  g_assert_false (dkms_cache_signer_may_build (theirs, "zfs2"));
  g_assert_false (dkms_cache_signer_may_build (theirs, ""));
}

static void
test_nothing (void)
{
  static const char *const texts[] = { "", "\n", "# trust " MINE, " #trust", "require 1\n", "deny " DIGEST };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (DkmsTrust) trust = parse (texts[i], &error);
      g_assert_no_error (error);
      g_assert_cmpuint (trust->signers->len, ==, 0);
      g_assert_cmpuint (trust->require, ==, 1);
    }
}

/* One bad line is enough: a line that is skipped could be the one with deny. */
static void
test_bad_lines (void)
{
  static const struct {
    const char *text, *message;
  } cases[] = {
    { "trust", "Line 1 of file is not understood: it has no public key of minisign" },
    { "\ntrust x", "Line 2 of file is not understood: it has no public key of minisign" },
    { "trust " MINE "=", "Line 1 of file is not understood: it has no public key of minisign" },
    { "trust *" MINE, "Line 1 of file is not understood: it has no public key of minisign" },
    { "trust RURBZLkK9mtsHYRX+Y8t9WeBc09NLlR5Cqaf33CRAATNLF35TzTe4PgP",
      "Line 1 of file is not understood: it has no public key of minisign" },
    { "trust " MINE "\ntrust " MINE " zfs", "Line 2 of file is not understood: the key is in a line before" },
    { "trust " MINE "\ntrust " MINE_AGAIN, "Line 2 of file is not understood: the key is in a line before" },
    { "trust " MINE "\ntrust " MINE_LIKE, "Line 2 of file is not understood: the key is in a line before" },
    { "trusts " MINE, "Line 1 of file is not understood: it does not begin with trust, require or deny" },
    { "Trust " MINE, "Line 1 of file is not understood: it does not begin with trust, require or deny" },
    { "require", "Line 1 of file is not understood: it has no number of signers" },
    { "require 0", "Line 1 of file is not understood: it has no number of signers" },
    { "require 1 2", "Line 1 of file is not understood: it has no number of signers" },
    { "require 65", "Line 1 of file is not understood: it has no number of signers" },
    { "require 1\nrequire 2", "Line 2 of file is not understood: there are too many lines of this kind" },
    { "trust " MINE "\nrequire 2", "file requires 2 signers and names 1" },
    { "require 2", "file requires 2 signers and names 0" },
    { "deny", "Line 1 of file is not understood: it has no key or SHA-256, which has 64 digits" },
    { "deny " DIGEST "0", "Line 1 of file is not understood: it has no key or SHA-256, which has 64 digits" },
    { "deny " DIGEST " " DIGEST, "Line 1 of file is not understood: it has no key or SHA-256, which has 64 digits" },
    { "deny g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
      "Line 1 of file is not understood: it has no key or SHA-256, which has 64 digits" },
    { "# \xff", "Line 1 of file is not understood: it is not UTF-8" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_test_message ("%s", cases[i].text);
      g_assert_null (parse (cases[i].text, &error));
      g_assert_cmpstr (error->message, ==, cases[i].message);
    }
  g_autoptr (GError) error = NULL;
  static const char nul[] = "require 1\n#\0\ndeny " DIGEST;
  g_assert_null (dkms_trust_parse (nul, sizeof nul - 1, "file", &error));
  g_assert_cmpstr (error->message, ==, "Line 2 of file is not understood: it has a NUL");
}

/* ---- the file ---- */

static DkmsTrust *
read_file (const Fixture *f, GError **error)
{
  const DkmsSettings settings = { .places = f->places };

  return dkms_trust_read (&settings, error);
}

static void
change_mode (const Fixture *f, const char *path, mode_t mode)
{
  g_autofree char *host = g_build_filename (f->dir, path, NULL);

  g_assert_cmpint (g_chmod (host, (int)mode), ==, 0);
}

static void
assert_refused (const Fixture *f, const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (read_file (f, &error));
  g_assert_cmpstr (error->message, ==, message);
}

static void
test_file (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsTrust) absent = read_file (f, &error);
  (void)data;

  g_assert_no_error (error);
  g_assert_cmpuint (absent->signers->len, ==, 0);
  fixture_put (f, "/etc/dkms/cache-trust", "trust " MINE "\n");
  change_mode (f, "etc/dkms/cache-trust", 0644);
  g_autoptr (DkmsTrust) trust = read_file (f, &error);
  g_assert_no_error (error);
  g_assert_nonnull (trust);
  g_assert_cmpuint (trust->signers->len, ==, 1);
}

static void
test_writable (Fixture *f, gconstpointer data)
{
  (void)data;
  fixture_put (f, "/etc/dkms/cache-trust", "trust " MINE "\n");
  change_mode (f, "etc/dkms/cache-trust", 0664);
  assert_refused (f, "/etc/dkms/cache-trust is not used, because others can write /etc/dkms/cache-trust");
  change_mode (f, "etc/dkms/cache-trust", 0646);
  assert_refused (f, "/etc/dkms/cache-trust is not used, because others can write /etc/dkms/cache-trust");
  change_mode (f, "etc/dkms/cache-trust", 0644);
  change_mode (f, "etc/dkms", 01777);
  assert_refused (f, "/etc/dkms/cache-trust is not used, because others can write /etc/dkms");
  change_mode (f, "etc/dkms", 0755);
  change_mode (f, "etc", 0777);
  assert_refused (f, "/etc/dkms/cache-trust is not used, because others can write /etc");
  change_mode (f, "etc", 0755);
  if (geteuid () == 0)
    {
      g_autofree char *host = g_build_filename (f->dir, "etc/dkms/cache-trust", NULL);
      g_assert_cmpint (chown (host, 1, 1), ==, 0);
      assert_refused (f, "/etc/dkms/cache-trust is not used, because others can write /etc/dkms/cache-trust");
      g_assert_cmpint (chown (host, 0, 0), ==, 0);
    }
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsTrust) trust = read_file (f, &error);
  g_assert_no_error (error);
  g_assert_nonnull (trust);
}

/* A link is followed, but the directory of the file that it leads to counts. */
static void
test_link (Fixture *f, gconstpointer data)
{
  g_autofree char *host = g_build_filename (f->dir, "etc/dkms/cache-trust", NULL);
  g_autoptr (GError) error = NULL;
  (void)data;

  fixture_put (f, "/etc/dkms/x", "");
  fixture_put (f, "/srv/trust", "trust " MINE "\n");
  change_mode (f, "srv/trust", 0644);
  g_assert_cmpint (symlink ("/srv/trust", host), ==, 0);
  g_autoptr (DkmsTrust) trust = read_file (f, &error);
  g_assert_no_error (error);
  g_assert_nonnull (trust);
  change_mode (f, "srv", 0777);
  assert_refused (f, "/etc/dkms/cache-trust is not used, because others can write /srv");
  change_mode (f, "srv", 0755);
  /* Who can change a directory can replace the link in it. */
  change_mode (f, "etc/dkms", 0777);
  assert_refused (f, "/etc/dkms/cache-trust is not used, because others can write /etc/dkms");
  change_mode (f, "etc/dkms", 01777);
  g_clear_pointer (&trust, dkms_trust_free);
  g_assert_nonnull (trust = read_file (f, &error));
  if (geteuid () == 0)
    {
      g_assert_cmpint (lchown (host, 1, 1), ==, 0);
      assert_refused (f, "/etc/dkms/cache-trust is not used, because others can write /etc/dkms/cache-trust");
    }
}

/* Links of directories, with .. and a part of the path that links lead to twice. */
static void
test_links (Fixture *f, gconstpointer data)
{
  g_autofree char *dir = g_build_filename (f->dir, "etc/dkms", NULL);
  g_autofree char *second = g_build_filename (f->dir, "srv/one", NULL);
  g_autoptr (GError) error = NULL;
  (void)data;

  fixture_put (f, "/etc/passwd", "");
  fixture_put (f, "/srv/two/three/cache-trust", "trust " MINE "\n");
  g_assert_cmpint (symlink ("../srv/two/../one/./three", dir), ==, 0);
  g_assert_cmpint (symlink ("/srv/two", second), ==, 0);
  g_autoptr (DkmsTrust) trust = read_file (f, &error);
  g_assert_no_error (error);
  g_assert_nonnull (trust);
  change_mode (f, "srv/two/three", 0777);
  assert_refused (f, "/etc/dkms/cache-trust is not used, because others can write /srv/two/three");
  change_mode (f, "srv/two/three", 0755);
  change_mode (f, "etc", 0777);
  assert_refused (f, "/etc/dkms/cache-trust is not used, because others can write /etc");
  change_mode (f, "etc", 0755);
  if (geteuid () == 0)
    {
      g_assert_cmpint (lchown (second, 1, 1), ==, 0);
      assert_refused (f, "/etc/dkms/cache-trust is not used, because others can write /srv/one");
      g_assert_cmpint (lchown (second, 0, 0), ==, 0);
    }
  g_assert_cmpint (unlink (second), ==, 0);
  g_assert_cmpint (symlink ("one", second), ==, 0);
  g_autoptr (DkmsTrust) nothing = read_file (f, &error);
  g_assert_no_error (error); /* as if it did not exist */
  g_assert_nonnull (nothing);
  g_assert_cmpint ((int)nothing->signers->len, ==, 0);
}

/* What cannot be read is not absent: a line with deny or require would not count. */
static void
test_unreadable (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  (void)data;

  fixture_put (f, "/etc/dkms/cache-trust/x", "");
  g_assert_null (read_file (f, &error));
  g_assert_nonnull (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trust/lines", test_lines);
  g_test_add_func ("/trust/nothing", test_nothing);
  g_test_add_func ("/trust/bad-lines", test_bad_lines);
  g_test_add ("/trust/file", Fixture, NULL, fixture_set_up, test_file, fixture_tear_down);
  g_test_add ("/trust/writable", Fixture, NULL, fixture_set_up, test_writable, fixture_tear_down);
  g_test_add ("/trust/link", Fixture, NULL, fixture_set_up, test_link, fixture_tear_down);
  g_test_add ("/trust/links", Fixture, NULL, fixture_set_up, test_links, fixture_tear_down);
  g_test_add ("/trust/unreadable", Fixture, NULL, fixture_set_up, test_unreadable, fixture_tear_down);
  return g_test_run ();
}
