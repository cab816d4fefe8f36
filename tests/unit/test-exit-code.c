/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exit status of an error (docs/interface/cli.md §9). */
#include "base/error.h"
#include "cli/exit-code.h"
#include "cli/verbs.h"

static const struct {
  const char *verb; /* NULL: any */
  DkmsError kind;
  int status; /* exit status of a failed program */
  int code;
} cases[] = {
  { NULL, DKMS_ERROR_IO, 0, 1 },
  { NULL, DKMS_ERROR_MAKE_FAILED, 2, 10 },
  { NULL, DKMS_ERROR_PRE_INSTALL, 3, 101 },
  { NULL, DKMS_ERROR_EXCLUDED, 0, 77 },
  { NULL, DKMS_ERROR_REMOVED_MEANWHILE, 0, 77 },
  /* dkms exits with the status of a script, and with the number of a signal. */
  { NULL, DKMS_ERROR_SCRIPT_FAILED, 99, 99 },
  { NULL, DKMS_ERROR_POST_ADD_FAILED, 5, 5 },
  { NULL, DKMS_ERROR_INTERRUPTED, 130, 130 },
  /* An invalid name: the source does not exist (2), or the module is not registered (3). */
  { "add", DKMS_ERROR_BAD_NAME, 0, 2 },
  { "build", DKMS_ERROR_BAD_NAME, 0, 2 },
  { "install", DKMS_ERROR_BAD_NAME, 0, 2 },
  { "remove", DKMS_ERROR_BAD_NAME, 0, 3 },
  { "explain", DKMS_ERROR_BAD_NAME, 0, 3 },
  { "match", DKMS_ERROR_BAD_NAME, 0, 3 },
  { "install", DKMS_ERROR_BAD_TARGET, 0, 2 },
  { "remove", DKMS_ERROR_BAD_TARGET, 0, 2 },
  { "install", DKMS_ERROR_TREE_ABSENT, 0, 1 },
  { "ldtarball", DKMS_ERROR_TREE_ABSENT, 0, 1 },
  { "unbuild", DKMS_ERROR_TREE_ABSENT, 0, 3 },
  { "mktarball", DKMS_ERROR_TREE_ABSENT, 0, 3 },
  { "kernel_prerm", DKMS_ERROR_TREE_ABSENT, 0, 2 },
  { "autoinstall", DKMS_ERROR_TREE_ABSENT, 0, 2 },
  { "add", DKMS_ERROR_FILE_ABSENT, 0, 1 },
  { "ldtarball", DKMS_ERROR_FILE_ABSENT, 0, 2 },
};

static void
test_codes (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const DkmsErrorInfo info = { .kind = cases[i].kind, .status = cases[i].status };
      g_autoptr (GError) error = NULL;

      g_assert_false (dkms_fail_with (&error, &info));
      g_test_message ("%s: %s", cases[i].verb != NULL ? cases[i].verb : "", error->message);
      g_assert_true (cases[i].verb == NULL || dkms_verb_find (cases[i].verb) != NULL);
      g_assert_cmpint (dkms_exit_code (cases[i].verb, error), ==, cases[i].code);
      if (cases[i].verb == NULL)
        g_assert_cmpint (dkms_exit_code ("install", error), ==, cases[i].code);
    }
}

/* No error exits with 0. */
static void
test_all (void)
{
  g_autoptr (GError) foreign = g_error_new_literal (G_FILE_ERROR, G_FILE_ERROR_FAILED, "Other");

  g_assert_cmpint (dkms_exit_code ("install", foreign), ==, 1);
  for (int kind = 0; kind < DKMS_ERROR_LAST; kind++)
    for (const DkmsVerbInfo *const *verb = dkms_verbs (); *verb != NULL; verb++)
      {
        g_autoptr (GError) error = NULL;

        g_assert_false (dkms_fail_with (&error, &(const DkmsErrorInfo){ .kind = (DkmsError)kind, .status = 1 }));
        g_assert_cmpint (dkms_exit_code ((*verb)->name, error), >, 0);
      }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/exit-code/codes", test_codes);
  g_test_add_func ("/exit-code/all", test_all);
  return g_test_run ();
}
