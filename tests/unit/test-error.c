/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of errors, and the fields of an error. */
#include <errno.h>
#include <string.h>

#include "base/error.h"

/* An error with all fields set. */
static const DkmsErrorInfo full = {
  .id = { "<module>", "<version>", "<kernel>", "<arch>" },
  .path = "<path>",
  .place = "<place>",
  .name = "<name>",
  .text = "<text>",
  .near = "<near>",
  .step = "<step>",
  .log = "<log>",
  .cause = "cause",
  .number = ENOSPC,
  .limit = 7,
  .status = 2,
};

/* Sentences begin with a capital letter, a value, an option, or the name of a program. */
static gboolean
begins_well (const char *sentence)
{
  static const char *const programs[] = { "dkms ", "rpm ", "make " };

  for (gsize i = 0; i < G_N_ELEMENTS (programs); i++)
    if (g_str_has_prefix (sentence, programs[i]))
      return TRUE;
  return g_ascii_isupper (*sentence) || (*sentence != '\0' && strchr ("{\"-", *sentence) != NULL);
}

/* Advice ends with a full stop, or with a command to copy. */
static gboolean
ends_well (const char *advice)
{
  static const char *const commands[]
      = { "Run: ", "or run: ", "change its owner: ", "for others: ", "as in: ", "Build it again: ", "its directory: " };

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strstr (advice, commands[i]) != NULL && !g_str_has_suffix (advice, "."))
      return TRUE;
  return *advice == '\0' || g_str_has_suffix (advice, ".");
}

static void
test_rows (void)
{
  g_autoptr (GError) cause = NULL;
  DKMS_FAIL (&cause, TARBALL_KINDS, .path = "/cause");
  DkmsErrorInfo with = full, without = { 0 };

  with.error = cause;
  for (int i = 0; i < DKMS_ERROR_LAST; i++)
    {
      g_autoptr (GError) error = NULL, bare = NULL;
      g_autofree char *name = dkms_error_name ((DkmsError)i);
      const char *advice, *sentence = dkms_error_template ((DkmsError)i, &advice);

      g_test_message ("%s: %s / %s", name, sentence, advice);
      g_assert_cmpint (dkms_error_from_name (name), ==, i);
      g_assert_true (begins_well (sentence));
      g_assert_false (g_str_has_suffix (sentence, "."));
      g_assert_true (ends_well (advice));
      with.kind = without.kind = (DkmsError)i;
      g_assert_false (dkms_fail_with (&error, &with));
      g_assert_error (error, DKMS_ERROR, i);
      g_assert_null (strpbrk (error->message, "{}[]"));
      g_assert_null (strpbrk (dkms_error_info (error)->advice != NULL ? dkms_error_info (error)->advice : "", "{}[]"));
      g_assert_false (dkms_fail_with (&bare, &without)); /* missing fields are allowed */
      g_assert_cmpstr (dkms_error_info (bare)->advice, !=, "");
      g_assert_false (dkms_fail_with (NULL, &with));
    }
  g_assert_cmpint (dkms_error_from_name ("no such"), ==, DKMS_ERROR_IO);
}

static void
test_phrases (void)
{
  for (int i = 0; i < DKMS_PHRASE_LAST; i++)
    {
      g_autofree char *text = dkms_phrase_with ((DkmsPhrase)i, &full);

      g_assert_cmpstr (text, !=, "");
      g_assert_null (strpbrk (text, "{}[]"));
    }
}

/* Where the advice of an error comes from. */
static void
test_which_advice (void)
{
  g_autoptr (GError) cause = NULL, wraps = NULL, foreign = g_error_new_literal (G_FILE_ERROR, 1, "Other");
  DKMS_FAIL (&cause, TARBALL_KINDS, .path = "/cause");
  errno = ENOSPC;
  g_assert_false (dkms_fail_errno (&wraps, "open", "/x"));
  g_assert_cmpint (errno, ==, ENOSPC);
  g_assert_cmpstr (wraps->message, ==, "Cannot open /x: No space left on device");
  const struct {
    DkmsErrorInfo info;
    const char *message, *path, *advice; /* advice: its beginning */
  } cases[] = {
    { { .kind = DKMS_ERROR_NOT_ADDED, .id = { "m", "1", NULL, NULL }, .near = "n/1" },
      "m/1 is not registered",
      NULL,
      "Did you mean n/1? Run 'dkms status' for the list of modules." },
    { { .kind = DKMS_ERROR_NOT_ADDED, .id = { .module = "m" } },
      "m is not registered",
      NULL,
      "Run 'dkms status' for the list of modules." },
    { { .kind = DKMS_ERROR_NOT_ADDED, .id = { .module = "m" }, .advice = "Mine." },
      "m is not registered",
      NULL,
      "Mine." },
    /* A placeholder in the advice of the table is replaced by the advice of the caller. */
    { { .kind = DKMS_ERROR_MAY_NOT_LOAD, .id = { "m", "1", "k", NULL }, .text = "why", .advice = "Mine." },
      "m/1 would probably not load in kernel k: why",
      NULL,
      "Mine.\nTo get a warning instead of this error, set strict_symbols=no" },
    /* A kind without a sentence of its own takes message, path and advice of its cause. */
    { { .kind = DKMS_ERROR_COPY_FAILED, .error = cause },
      "--binaries-only and --source-only exclude each other",
      "/cause",
      "Choose one." },
    { { .kind = DKMS_ERROR_COPY_FAILED, .error = cause, .path = "/own" },
      "--binaries-only and --source-only exclude each other",
      "/own",
      "Choose one." },
    { { .kind = DKMS_ERROR_COPY_FAILED, .error = foreign }, "Other", NULL, NULL },
    { { .kind = DKMS_ERROR_OUTPUT_FAILED, .number = ENOSPC },
      "Cannot write everything to the standard output: No space left on device",
      NULL,
      "Free some space there" },
    { { .kind = DKMS_ERROR_OUTPUT_FAILED }, "Cannot write everything to the standard output", NULL, NULL },
    { { .kind = DKMS_ERROR_CONF_ENDED_EARLY, .path = "/x" },
      "/x ended its shell with status 0 before its directives could be read",
      "/x",
      "dkms sources the file." },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (dkms_fail_with (&error, &cases[i].info));
      g_assert_cmpstr (error->message, ==, cases[i].message);
      g_assert_cmpstr (dkms_error_info (error)->path, ==, cases[i].path);
      if (cases[i].advice == NULL)
        g_assert_null (dkms_error_info (error)->advice);
      else
        g_assert_true (g_str_has_prefix (dkms_error_info (error)->advice, cases[i].advice));
    }
}

static void
test_fields (void)
{
  DkmsErrorInfo info = full;
  g_autoptr (GError) error = NULL, copy = NULL, foreign = g_error_new_literal (G_FILE_ERROR, 1, "Other");

  info.kind = DKMS_ERROR_MAKE_FAILED;
  g_assert_false (dkms_fail_with (&error, &info));
  dkms_error_add_advice (error, "First.");
  dkms_error_add_advice (error, "Second.");
  dkms_error_set_failure (error, NULL, "/log");
  copy = g_error_copy (error);
  const DkmsErrorInfo *is = dkms_error_info (copy);
  g_assert_true (dkms_id_equal (&is->id, &full.id));
  g_assert_cmpstr (is->path, ==, "<path>");
  g_assert_cmpstr (is->step, ==, "<step>");
  g_assert_cmpstr (is->log, ==, "/log");
  g_assert_cmpstr (is->cause, ==, "cause");
  g_assert_cmpstr (is->advice, ==, "First.\nSecond.");
  g_assert_cmpint (is->status, ==, 2);
  /* These are part of the message only, because their strings may not outlive the call. */
  g_assert_true (is->name == NULL && is->text == NULL && is->place == NULL && is->near == NULL && is->error == NULL);
  /* An error of another domain has no fields, and none can be added. */
  dkms_error_add_advice (foreign, "x");
  dkms_error_set_failure (foreign, "x", "x");
  dkms_error_set_failure (NULL, "x", "x");
  g_assert_null (dkms_error_info (foreign)->advice);
  g_assert_null (dkms_error_info (NULL)->path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error/rows", test_rows);
  g_test_add_func ("/error/phrases", test_phrases);
  g_test_add_func ("/error/which-advice", test_which_advice);
  g_test_add_func ("/error/fields", test_fields);
  return g_test_run ();
}
