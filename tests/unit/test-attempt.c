/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of attempts, and their form in JSON. */
#include <string.h>

#include "base/error.h"
#include "model/attempt.h"

static const DkmsId id = { "foo", "1.0", "6.1.0-9-test", "x86_64" };

static DkmsAttempt *
sample (void)
{
  DkmsAttempt *self = dkms_attempt_new (&id, "4.0", 1795819543123456);

  self->seconds = 3.5;
  self->outcome = DKMS_OUTCOME_FAILED;
  self->inputs = dkms_inputs_new (&id);
  dkms_inputs_set (self->inputs, "source", "aa");
  self->texts = g_strdup ("bb");
  self->make = g_strdup ("make -C '/x'");
  self->sandbox = "confined";
  dkms_attempt_add_step (self, "Building module(s)", 2, 3.25);
  self->error = dkms_error_new_made (
      &(const DkmsErrorInfo){ .kind = DKMS_ERROR_MAKE_FAILED, .path = "/log", .advice = "Read it." }, "make failed");
  self->first_error = g_strdup ("a.c:1: error: caf\xe9");
  self->cause = g_strdup ("api-removed");
  self->cause_name = g_strdup ("strlcpy");
  self->cause_file = g_strdup ("a.c");
  self->cause_line = 1;
  self->signer = g_strdup ("/var/lib/dkms/mok.pub");
  return self;
}

static void
test_round_trip (void)
{
  g_autoptr (DkmsAttempt) attempt = sample ();
  g_autofree char *text = dkms_attempt_to_text (attempt);
  gboolean newer = TRUE;
  g_autoptr (DkmsAttempt) back = dkms_attempt_from_text (text, strlen (text), &newer);
  g_autofree char *again = dkms_attempt_to_text (back);

  g_assert_false (newer);
  g_assert_cmpstr (text, ==, again);
  g_assert_nonnull (strstr (text, "\"time\":\"2026-11-27T"));
  g_assert_nonnull (strstr (text, "\"identity\":\""));
  g_assert_cmpint (back->begun, ==, attempt->begun);
  g_assert_cmpint (back->outcome, ==, DKMS_OUTCOME_FAILED);
  g_assert_true (dkms_id_equal (back->id, &id));
  g_assert_true (g_error_matches (back->error, DKMS_ERROR, DKMS_ERROR_MAKE_FAILED));
  g_assert_cmpstr (back->first_error, ==, "a.c:1: error: caf\xe9");
  g_assert_cmpuint (back->steps->len, ==, 1);
}

/* Texts that are not attempts are refused; attempts of a newer format are recognised. */
static void
test_refused (void)
{
  static const struct {
    const char *text;
    gboolean newer;
  } table[] = {
    { "", FALSE },
    { "[]", FALSE },
    { "{}", FALSE },
    { "{\"format\":1}", FALSE },
    { "{\"format\":0,\"module\":\"a\",\"version\":\"1\",\"kernel\":\"k\",\"arch\":\"a\",\"outcome\":\"built\"}",
      FALSE },
    { "{\"format\":1,\"module\":\"a\",\"version\":\"1\",\"kernel\":\"k\",\"arch\":\"a\",\"outcome\":\"unheard-of\"}",
      FALSE },
    { "{\"format\":1,\"module\":\"a\",\"version\":\"1\",\"kernel\":[],\"arch\":\"a\",\"outcome\":\"built\"}", FALSE },
    { "{\"format\":2,\"outcome\":\"built\"}", TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      gboolean newer = !table[i].newer;
      g_assert_null (dkms_attempt_from_text (table[i].text, strlen (table[i].text), &newer));
      g_assert_cmpint (newer, ==, table[i].newer);
    }
}

/* Members of wrong types, and unknown members, are ignored. */
static void
test_ignored (void)
{
  static const char text[]
      = "{\"format\":1,\"module\":\"a\",\"version\":\"1\",\"kernel\":\"k\",\"arch\":\"a\",\"outcome\":\"built\","
        "\"seconds\":\"x\",\"inputs\":[],\"steps\":{\"name\":1},\"error\":7,\"cause\":[1],\"sandbox\":\"new\",\"more\":"
        "{}}";
  g_autoptr (DkmsAttempt) attempt = dkms_attempt_from_text (text, strlen (text), NULL);

  g_assert_nonnull (attempt);
  g_assert_null (attempt->inputs);
  g_assert_null (attempt->error);
  g_assert_null (attempt->cause);
  g_assert_null (attempt->sandbox);
  g_assert_cmpuint (attempt->steps->len, ==, 0);
  g_assert_cmpint (attempt->begun, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/attempt/round-trip", test_round_trip);
  g_test_add_func ("/attempt/refused", test_refused);
  g_test_add_func ("/attempt/ignored", test_ignored);
  return g_test_run ();
}
