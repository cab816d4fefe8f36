/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transactions, and the recovery of journals. */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/file.h"
#include "base/unread.h"
#include "fixture.h"
#include "store/recovery.h"
#include "store/transaction.h"

static void
hear_nothing (gpointer data, const DkmsEvent *event)
{
}

static DkmsListener events = { .hear = hear_nothing };

static void
test_commit (Fixture *f, gconstpointer data)
{
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (&f->places);
  g_autoptr (GError) error = NULL;

  fixture_put (f, "/new", "new");
  fixture_put (f, "/lib/m.ko", "old");
  fixture_put (f, "/lib/a/b/gone.ko", "x");
  dkms_transaction_copy (tx, "/new", "/lib/m.ko", 0644);
  dkms_transaction_write (tx, "text", "/made/deep/file");
  dkms_transaction_link (tx, "new", "/lib/link");
  dkms_transaction_delete (tx, "/lib/a/b/gone.ko");
  dkms_transaction_prune (tx, "/lib/a/b", "/lib");
  g_assert_true (dkms_transaction_commit (tx, &events, &error));
  g_assert_no_error (error);
  fixture_assert_text (f, "/lib/m.ko", "new");
  fixture_assert_text (f, "/made/deep/file", "text");
  fixture_assert_text (f, "/lib/a/b/gone.ko", NULL);
  g_assert_false (dkms_root_is_dir (f->places.root, "/lib/a"));
  g_assert_true (dkms_root_is_dir (f->places.root, "/lib"));
}

static void
test_prune_stops (Fixture *f, gconstpointer data)
{
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (&f->places);
  g_autoptr (GError) error = NULL;

  fixture_put (f, "/lib/only/a/b/gone.ko", "x");
  fixture_put (f, "/lib/other/gone.ko", "x");
  dkms_transaction_delete (tx, "/lib/only/a/b/gone.ko");
  dkms_transaction_prune (tx, "/lib/only/a/b", "/lib/only");
  dkms_transaction_delete (tx, "/lib/other/gone.ko");
  dkms_transaction_prune (tx, "/lib/other", "/lib/other");
  g_assert_true (dkms_transaction_commit (tx, &events, &error));
  g_assert_no_error (error);
  g_assert_false (dkms_root_is_dir (f->places.root, "/lib/only/a"));
  g_assert_true (dkms_root_is_dir (f->places.root, "/lib/only")); /* empty, but the pruning stops here */
  g_assert_true (dkms_root_is_dir (f->places.root, "/lib/other"));
}

static void
test_failure_changes_nothing (Fixture *f, gconstpointer data)
{
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (&f->places);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) left = NULL;
  g_autofree char *lib = g_strconcat (f->dir, "/lib", NULL);

  fixture_put (f, "/lib/m.ko", "old");
  dkms_transaction_write (tx, "new", "/lib/m.ko");
  dkms_transaction_copy (tx, "/absent", "/lib/n.ko", 0644);
  g_assert_false (dkms_transaction_commit (tx, &events, &error));
  g_assert_nonnull (error);
  fixture_assert_text (f, "/lib/m.ko", "old");
  left = dkms_list_dir_at (-100, lib, NULL);
  g_assert_cmpuint (left->len, ==, 1);
}

static void
test_nothing_is_changed_on_what_could_not_be_read (Fixture *f, gconstpointer data)
{
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (&f->places);
  g_autoptr (GError) error = NULL;

  fixture_put (f, "/lib/m.ko", "old");
  dkms_transaction_write (tx, "new", "/lib/m.ko");
  dkms_unread_note (-100, "/lib/other.ko", EIO);
  g_assert_false (dkms_transaction_commit (tx, &events, &error));
  g_assert_nonnull (strstr (error->message, "/lib/other.ko"));
  fixture_assert_text (f, "/lib/m.ko", "old");
  g_clear_error (&error);
  g_assert_true (dkms_transaction_commit (tx, &events, &error)); /* the unread file belongs to the first attempt only */
  fixture_assert_text (f, "/lib/m.ko", "new");
}

static void
test_recover_forward (Fixture *f, gconstpointer data)
{
  fixture_put (f, "/lib/.dkms-1-0", "new");
  fixture_put (f, "/lib/m.ko", "old");
  fixture_put (f, "/lib/gone", "x");
  fixture_put (
      f, "/tree/.dkms/journal/1.json",
      "{\"ops\": [[\"rename\", \"/lib/.dkms-1-0\", \"/lib/m.ko\"], [\"rename\", \"/lib/.dkms-1-1\", \"/lib/done.ko\"],"
      " [\"delete\", \"/lib/gone\", \"\"]]}");
  g_assert_true (dkms_journal_recover (&f->places, &events, NULL));
  fixture_assert_text (f, "/lib/m.ko", "new");
  fixture_assert_text (f, "/lib/gone", NULL);
  fixture_assert_text (f, "/tree/.dkms/journal/1.json", NULL);
}

static void
test_recover_back (Fixture *f, gconstpointer data)
{
  fixture_put (f, "/lib/.dkms-1-0", "half");
  fixture_put (f, "/lib/precious", "x");
  fixture_put (f, "/tree/.dkms/journal/1.json",
               "{\"temps\": [\"/lib/.dkms-1-0\", \"/lib/.dkms-1-1\", \"/lib/precious\"]}");
  g_assert_true (dkms_journal_recover (&f->places, &events, NULL));
  fixture_assert_text (f, "/lib/.dkms-1-0", NULL);
  fixture_assert_text (f, "/lib/precious", "x"); /* its name is not that of a temporary file */
}

/* Recovery refuses journals with paths that this program does not write. */
static void
test_paths_that_climb (Fixture *f, gconstpointer data)
{
  static const char *const ops[]
      = { "[\"delete\", \"/lib/../etc/precious\", \"\"]", "[\"delete\", \"/lib/./../etc/precious\", \"\"]",
          "[\"delete\", \"etc/precious\", \"\"]", "[\"rename\", \"/lib/x\", \"/etc/../etc/precious\"]" };

  fixture_put (f, "/etc/precious", "x");
  fixture_put (f, "/lib/x", "y");
  for (gsize i = 0; i < G_N_ELEMENTS (ops); i++)
    {
      g_autofree char *text = g_strdup_printf ("{\"ops\": [%s]}", ops[i]);
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", text);
      fixture_put (f, "/tree/.dkms/journal/1.json", text);
      g_assert_false (dkms_journal_recover (&f->places, &events, &error));
      g_assert_nonnull (error);
      fixture_assert_text (f, "/etc/precious", "x");
    }
}

/* The journal cannot contain such a path, so a killed run could not be completed. */
static void
test_path_that_is_not_utf8 (Fixture *f, gconstpointer data)
{
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (&f->places);
  g_autoptr (GError) error = NULL;

  fixture_put (f, "/lib/a.ko", "a");
  fixture_put (f, "/lib/b\xff.ko", "b");
  dkms_transaction_delete (tx, "/lib/a.ko");
  dkms_transaction_delete (tx, "/lib/b\xff.ko");
  g_assert_false (dkms_transaction_commit (tx, &events, &error));
  g_assert_error (error, DKMS_ERROR, DKMS_ERROR_PATH_NOT_UTF8);
  fixture_assert_text (f, "/lib/a.ko", "a");
  fixture_assert_text (f, "/lib/b\xff.ko", "b");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function)                                                                                            \
  g_test_add ("/transaction/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)
  ADD ("commit", test_commit);
  ADD ("prune-stops", test_prune_stops);
  ADD ("failure-changes-nothing", test_failure_changes_nothing);
  ADD ("nothing-is-changed-on-what-could-not-be-read", test_nothing_is_changed_on_what_could_not_be_read);
  ADD ("recover-forward", test_recover_forward);
  ADD ("recover-back", test_recover_back);
  ADD ("paths-that-climb", test_paths_that_climb);
  ADD ("path-that-is-not-utf8", test_path_that_is_not_utf8);
  return g_test_run ();
}
