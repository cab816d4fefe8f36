/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers that a recipe forges on the descriptor of the answers of bash. Warnings of GLib end a test. */
#define _GNU_SOURCE
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "conf/evaluate.h"

typedef struct {
  const char *name, *says; /* what the recipe does */
  gboolean fails;
  guint timeout; /* in seconds; 0: 30 */
} Case;

/* The recipe deletes its file, so that dkms cannot read the file when an answer requests its text. */
#define GONE "PACKAGE_NAME=m; rm -f \"$BASH_SOURCE\"\n"

static const Case cases[] = {
  { "nothing", "", FALSE, 0 },
  { "unreadable", "printf 'U\\0000\\0000\\0' >&$__dkms_fd\n", FALSE, 0 },
  { "unreadable-twice", "printf 'U\\0000\\0000\\0U\\0000\\0000\\0' >&$__dkms_fd\n", FALSE, 0 },
  { "unreadable-and-exit", "printf 'U\\0000\\0000\\0' >&$__dkms_fd; exit 3\n", TRUE, 0 },
  { "unreadable-when-answered", "printf 'D\\0E\\0000\\0000\\0U\\0000\\0000\\0' >&$__dkms_fd\n", FALSE, 0 },
  { "begins-again", "printf 'D\\0E\\0000\\0000\\0B\\0000\\0009\\0E\\0000\\0009\\0' >&$__dkms_fd\n", FALSE, 0 },
};

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *dir = g_dir_make_tmp ("dkms-test-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "dkms.conf", NULL);
  g_autofree char *text = g_strconcat (GONE, c->says, NULL);
  g_autoptr (GPtrArray) queries = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_query_free);
  DkmsQuery *query = dkms_query_new ();
  DkmsSettings settings
      = { .policy.recipe_timeout = c->timeout > 0 ? c->timeout : 30, .policy.sandbox = DKMS_SANDBOX_OFF };
  const DkmsEvaluation how = { .settings = &settings, .names = "PACKAGE_NAME" };
  g_auto (DkmsRemarks) remarks = { 0 };
  g_autoptr (GError) error = NULL;

  settings.places.root = dkms_root_open (NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_ptr_array_add (queries, query);
  g_ptr_array_add (query->files, g_strdup (path));
  query->shown = g_strdup (path);
  g_assert_true (dkms_evaluate (&how, queries, &remarks, &error));
  g_assert_no_error (error);
  if (!c->fails)
    g_assert_no_error (query->error);
  g_assert_true ((query->error != NULL) == c->fails);
  g_assert_true ((query->vars != NULL) != c->fails);
  dkms_root_free (settings.places.root);
  g_assert_true (dkms_remove_tree_at (-100 /* AT_FDCWD */, dir, NULL));
}

/* Of several answers of one kind the last one is used. AddressSanitizer checks that none leaks. */
static void
test_findings (void)
{
  static const char text[] = "setup a\nmissing b\ndisk\nmemory\nleft 1 sh\nleft 2 sh, sleep\n";
  g_auto (DkmsFindings) findings = { 0 };
  int report = memfd_create ("findings", MFD_CLOEXEC);

  g_assert_cmpint (write (report, text, strlen (text)), ==, (gssize)strlen (text));
  for (int round = 0; round < 2; round++)
    dkms_findings_read (&findings, report);
  g_assert_cmpstr (findings.failure, ==, "b");
  g_assert_true (findings.missing);
  g_assert_true (g_str_has_prefix (findings.ended, "it used four fifths"));
  g_assert_cmpstr (findings.left, ==, "2 processes (sh, sleep)");
  g_assert_cmpint (close (report), ==, 0);
}

/* A recipe that stops dkms for longer than it may take. */
static void
test_stopped (void)
{
  static const Case stopped = { "stopped", "kill -STOP $PPID; sleep 5; kill -CONT $PPID\n", FALSE, 4 };

  if (g_test_subprocess ())
    return test_case (&stopped);
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();
}

/* Evaluates the recipes of two packages, in which DIR is a directory. Returns: (transfer full): what they printed */
static char *
evaluate_two (const char *jobs, const char *const says[2])
{
  g_autofree char *dir = g_dir_make_tmp ("dkms-test-XXXXXX", NULL);
  g_autoptr (GPtrArray) queries = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_query_free);
  g_autofree char *limit = g_strdup (jobs);
  DkmsSettings settings = {
    .policy.recipe_timeout = 60,
    .policy.sandbox = DKMS_SANDBOX_OFF,
    .policy.jobs = limit,
  };
  const DkmsEvaluation how = { .settings = &settings, .names = "PACKAGE_NAME" };
  g_auto (DkmsRemarks) remarks = { 0 };

  settings.places.root = dkms_root_open (NULL, NULL);
  for (guint i = 0; i < 2; i++)
    {
      DkmsQuery *query = dkms_query_new ();
      g_autofree char *path = g_strdup_printf ("%s/%u.conf", dir, i);
      g_autofree char *text = g_strdup_printf ("DIR=%s\n%s", dir, says[i]);
      g_assert_true (g_file_set_contents (path, text, -1, NULL));
      g_ptr_array_add (query->files, g_strdup (path));
      query->shown = g_strdup (path);
      g_ptr_array_add (queries, query);
    }
  g_assert_true (dkms_evaluate (&how, queries, &remarks, NULL));
  for (guint i = 0; i < 2; i++)
    {
      const DkmsQuery *query = queries->pdata[i];
      g_assert_no_error (query->error);
      g_assert_cmpstr (dkms_vars_get (query->vars, "PACKAGE_NAME", 0), ==, i == 0 ? "first" : "second");
    }
  dkms_root_free (settings.places.root);
  g_assert_true (dkms_remove_tree_at (-100 /* AT_FDCWD */, dir, NULL));
  return g_steal_pointer (&remarks.printed);
}

/* The first recipe waits for the second one. What they print is in the order of the queries. */
static void
test_at_once (void)
{
  static const char *const says[] = { "while [ ! -e $DIR/go ]; do sleep 0.01; done\necho one >&2\nPACKAGE_NAME=first\n",
                                      "echo two >&2\n: > $DIR/go\nPACKAGE_NAME=second\n" };
  g_autofree char *printed = evaluate_two ("2", says);

  g_assert_cmpstr (printed, ==, "one\ntwo");
}

static void
test_one_job (void)
{
  static const char *const says[]
      = { ": > $DIR/busy\nsleep 0.2\nrm $DIR/busy\nPACKAGE_NAME=first\n", "[ -e $DIR/busy ] || PACKAGE_NAME=second\n" };
  g_autofree char *printed = evaluate_two ("1", says);

  g_assert_null (printed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/evaluate/", cases[i].name, NULL);
      g_test_add_data_func (path, &cases[i], test_case);
    }
  g_test_add_func ("/evaluate/stopped", test_stopped);
  g_test_add_func ("/evaluate/at-once", test_at_once);
  g_test_add_func ("/evaluate/one-job", test_one_job);
  g_test_add_func ("/findings/several", test_findings);
  return g_test_run ();
}
