/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks that a run lends to its scripts: the borrowers, the locks, and the time. */
#include <glib/gstdio.h>
#include <unistd.h>

#include "fixture.h"
#include "store/loan.h"

typedef struct {
  Fixture base;
  DkmsWork *work;
} Lender;

static void
set_up (Lender *f, gconstpointer data)
{
  fixture_set_up (&f->base, data);
  f->work = dkms_work_new (&f->base.places, NULL);
  g_assert_nonnull (f->work);
}

static void
tear_down (Lender *f, gconstpointer data)
{
  g_unsetenv ("DKMS_LOAN");
  dkms_work_free (f->work);
  fixture_tear_down (&f->base, data);
}

static DkmsLoan *
lend (const Lender *f, gboolean all)
{
  DkmsLoan *loan = dkms_loan_open (f->work, &(DkmsId){ .module = "foo", .kernel = "k1", .arch = "x" }, all);

  g_assert_nonnull (loan);
  g_assert_true (g_setenv ("DKMS_LOAN", dkms_loan_name (loan), TRUE));
  return loan;
}

static gboolean
borrows (const Lender *f, const char *name)
{
  int fd = dkms_loan_borrow (&f->base.places, name);

  return fd >= 0 && close (fd) == 0;
}

static void
test_only_what_is_lent (Lender *f, gconstpointer data)
{
  DkmsLoan *loan = lend (f, FALSE);

  g_assert_true (borrows (f, "locks/module/foo"));
  g_assert_true (borrows (f, "locks/build/k1/x/foo"));
  g_assert_false (borrows (f, "locks/build/k2/x/foo"));
  g_assert_false (borrows (f, "locks/build/k1/x/bar"));
  g_assert_false (borrows (f, "locks/module/bar"));
  g_assert_false (borrows (f, "lock"));
  dkms_loan_close (loan);
  loan = lend (f, TRUE); /* all builds of that module, but of no other module */
  g_assert_true (borrows (f, "locks/build/k2/x/foo"));
  g_assert_false (borrows (f, "locks/build/k2/x/bar"));
  dkms_loan_close (loan);
}

static gpointer
take_back (gpointer data)
{
  dkms_loan_close (data);
  return NULL;
}

/* If the borrower outlives the script that started it, the run waits for the borrower. */
static void
test_waits_for_borrowers (Lender *f, gconstpointer data)
{
  DkmsLoan *loan = lend (f, FALSE);
  g_autofree char *path = g_build_filename (f->base.dir, "tree/.dkms/work", dkms_loan_name (loan), NULL);
  int fd = dkms_loan_borrow (&f->base.places, "locks/module/foo");
  GThread *thread;

  g_assert_cmpint (fd, >=, 0);
  thread = g_thread_new ("takes back", take_back, loan);
  g_usleep (200000);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  g_assert_cmpint (close (fd), ==, 0);
  g_thread_join (thread);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  g_assert_false (borrows (f, "locks/module/foo"));
}

/* Locks of a run that was killed are not lent any more, because another run may hold them. */
static void
test_of_the_dead (Lender *f, gconstpointer data)
{
  g_autofree char *dir = g_build_filename (f->base.dir, "tree/.dkms/work/0000dead", NULL);
  g_autofree char *file = g_build_filename (dir, "loan-1-1", NULL);

  g_assert_cmpint (g_mkdir (dir, 0700), ==, 0);
  g_assert_true (g_file_set_contents (file, "locks/module/foo\n", -1, NULL));
  g_assert_true (g_setenv ("DKMS_LOAN", "0000dead/loan-1-1", TRUE));
  g_assert_false (borrows (f, "locks/module/foo"));
}

/* The name of the loan comes from the environment, and may be anything. */
static void
test_other_files_are_no_loans (Lender *f, gconstpointer data)
{
  static const char *const names[]
      = { "none", "", "../../lent", "0000000g/loan-1-1", "00000000/loan-1-1/../x", "/lent" };
  g_autofree char *lent = g_build_filename (f->base.dir, "tree/lent", NULL);

  g_assert_true (g_file_set_contents (lent, "locks/module/foo\n", -1, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_test_message ("%s", names[i]);
      g_assert_true (g_setenv ("DKMS_LOAN", names[i], TRUE));
      g_assert_false (borrows (f, "locks/module/foo"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add ("/loan/" path, Lender, NULL, set_up, function, tear_down)
  ADD ("only-what-is-lent", test_only_what_is_lent);
  ADD ("waits-for-borrowers", test_waits_for_borrowers);
  ADD ("of-the-dead", test_of_the_dead);
  ADD ("other-files-are-no-loans", test_other_files_are_no_loans);
  return g_test_run ();
}
