/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digests of directories and files, and when they are computed again. */
#include "store/digests.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "fixture.h"

/* A time long after all changes of the test, and the time of the changes. */
static const gint64 later = G_MAXINT32, at_once = 0;

static int
open_at (const Fixture *f, const char *path, int flags)
{
  g_autofree char *host = g_build_filename (f->dir, path, NULL);

  return open (host, O_RDONLY | O_CLOEXEC | flags);
}

static char *
digest_of (const Fixture *f, gint64 now)
{
  g_autoptr (DkmsDigests) digests = dkms_digests_new (&f->places, now);
  int fd = open_at (f, "src", O_DIRECTORY);
  char *digest = dkms_digests_tree (digests, "/src", fd, "dkms.conf");

  g_assert_cmpint (fd, >=, 0);
  close (fd);
  dkms_digests_save (digests);
  return digest;
}

/* Asserts that the digest equals @expected or, if @changed, that it differs. */
static void
assert_digest (const Fixture *f, const char *expected, gboolean changed)
{
  g_autofree char *digest = digest_of (f, later), *again = digest_of (f, later);

  g_assert_nonnull (digest);
  g_assert_cmpstr (digest, ==, again);
  if (changed)
    g_assert_cmpstr (digest, !=, expected);
  else
    g_assert_cmpstr (digest, ==, expected);
}

static char *
host (const Fixture *f, const char *path)
{
  return g_build_filename (f->dir, path, NULL);
}

static void
test_tree (Fixture *f, gconstpointer data)
{
  (void)data;
  fixture_put (f, "/src/a.c", "one");
  fixture_put (f, "/src/sub/b.c", "two");
  fixture_put (f, "/src/dkms.conf", "x");
  g_autofree char *first = digest_of (f, later);
  g_autofree char *a = host (f, "src/a.c"), *link = host (f, "src/link"), *empty = host (f, "src/empty"),
                  *moved = host (f, "src/c.c"), *fifo = host (f, "src/fifo");

  /* These changes do not change the digest. */
  fixture_put (f, "/src/dkms.conf", "y");
  fixture_put (f, "/src/.git/HEAD", "z");
  fixture_put (f, "/src/sub/.svn/entries", "z");
  fixture_put (f, "/src/a.c~", "z");
  assert_digest (f, first, FALSE);
  g_assert_cmpint (g_utime (a, NULL), ==, 0);
  assert_digest (f, first, FALSE);
  fixture_put (f, "/src/a.c", "one");
  assert_digest (f, first, FALSE);
  /* Each of these changes changes the digest, and is undone before the next. */
  fixture_put (f, "/src/a.c", "oNe");
  assert_digest (f, first, TRUE);
  fixture_put (f, "/src/a.c", "one");
  g_assert_cmpint (chmod (a, 0755), ==, 0);
  assert_digest (f, first, TRUE);
  g_assert_cmpint (chmod (a, 0644), ==, 0);
  g_assert_cmpint (symlink ("a.c", link), ==, 0);
  assert_digest (f, first, TRUE);
  g_autofree char *with_link = digest_of (f, later);
  g_assert_cmpint (unlink (link), ==, 0);
  g_assert_cmpint (symlink ("b.c", link), ==, 0);
  assert_digest (f, with_link, TRUE);
  g_assert_cmpint (unlink (link), ==, 0);
  g_assert_cmpint (mkdir (empty, 0755), ==, 0);
  assert_digest (f, first, TRUE);
  g_assert_cmpint (rmdir (empty), ==, 0);
  g_assert_cmpint (rename (a, moved), ==, 0);
  assert_digest (f, first, TRUE);
  g_assert_cmpint (rename (moved, a), ==, 0);
  assert_digest (f, first, FALSE);
  /* A directory with a named pipe has no digest. */
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  g_assert_null (digest_of (f, later));
}

static char *
count (int fd, gpointer data)
{
  (void)fd;
  ++*(guint *)data;
  return g_strdup_printf ("value %u", *(guint *)data);
}

static char *
value_of (const Fixture *f, gint64 now, guint *computed)
{
  g_autoptr (DkmsDigests) digests = dkms_digests_new (&f->places, now);
  int fd = open_at (f, "file", 0);
  char *value = dkms_digests_value (digests, "count /file", fd, count, computed);

  if (fd >= 0)
    close (fd);
  dkms_digests_save (digests);
  return value;
}

static void
test_memory (Fixture *f, gconstpointer data)
{
  guint computed = 0;

  (void)data;
  fixture_put (f, "/tree/.dkms/x", "");
  g_autofree char *absent = value_of (f, later, &computed);
  g_assert_cmpstr (absent, ==, "-");
  fixture_put (f, "/file", "one");
  /* A file that was changed just now is not remembered. */
  for (guint i = 1; i <= 2; i++)
    {
      g_free (value_of (f, at_once, &computed));
      g_assert_cmpuint (computed, ==, i);
    }
  fixture_assert_text (f, "/tree/.dkms/digests", NULL);
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *value = value_of (f, later, &computed);
      g_assert_cmpstr (value, ==, "value 3");
    }
  fixture_put (f, "/file", "other");
  g_autofree char *changed = value_of (f, later, &computed);
  g_assert_cmpstr (changed, ==, "value 4");
  /* A damaged file of digests is ignored. */
  fixture_put (f, "/tree/.dkms/digests", "x\ty\n\n\t\t\nvalue 9\tnot the signature\tcount /file\n");
  g_autofree char *again = value_of (f, later, &computed);
  g_assert_cmpstr (again, ==, "value 5");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/digests/tree", Fixture, NULL, fixture_set_up, test_tree, fixture_tear_down);
  g_test_add ("/digests/memory", Fixture, NULL, fixture_set_up, test_memory, fixture_tear_down);
  return g_test_run ();
}
