/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sentence of every event can be made from the fields that model/events.def lists. */
#include <string.h>

#include "base/error.h"
#include "report/sentences.h"

/* An event with all fields set to recognisable values. */
static DkmsEvent
full (DkmsEventKind kind, const GError *error, const DkmsEvent *reason)
{
  return (DkmsEvent){ .kind = kind,
                      .id = { "<module>", "<version>", "<kernel>", "<arch>" },
                      .path = "<path>",
                      .place = "<place>",
                      .name = "<name>",
                      .text = "<text>",
                      .number = 2,
                      .error = error,
                      .reason = reason };
}

static void
test_all (void)
{
  g_autoptr (GError) error = dkms_error_new_made (&(const DkmsErrorInfo){ .advice = "<advice>" }, "<error>");
  const DkmsEvent reason = full (DKMS_EVENT_NOT_BUILT, NULL, NULL);

  for (gsize i = 0; i < DKMS_EVENT_LAST; i++)
    {
      const DkmsEvent with = full ((DkmsEventKind)i, error, &reason), without = { .kind = (DkmsEventKind)i };
      const char *text = dkms_sentence_template ((DkmsEventKind)i);
      g_autofree char *sentence = dkms_sentence_for (&with);
      g_autofree char *none = dkms_sentence_for (&without); /* missing fields are allowed */

      g_test_message ("%s: %s", dkms_event_name ((DkmsEventKind)i), sentence);
      g_assert_nonnull (text);
      g_assert_null (strpbrk (sentence, "{}[]"));
      g_assert_nonnull (none);
      /* Events that are shown have a text; others need none. */
      if (dkms_sentence_voice ((DkmsEventKind)i) >= DKMS_VOICE_LINE && i != DKMS_EVENT_BLANK
          && i != DKMS_EVENT_STEP_ENDED)
        g_assert_cmpstr (sentence, !=, "");
    }
}

static void
test_parts (void)
{
  g_autoptr (GError) error = dkms_error_new_made (&(const DkmsErrorInfo){ .advice = "Do it." }, "It failed");
  g_autoptr (GError) bare = dkms_error_new_made (&(const DkmsErrorInfo){ 0 }, "It failed");
  const DkmsEvent reason = { .kind = DKMS_EVENT_ALREADY_BUILT };
  const struct {
    DkmsEvent event;
    const char *sentence;
  } cases[] = {
    { { .kind = DKMS_EVENT_ERROR, .error = error }, "\nError! It failed.\nDo it." },
    { { .kind = DKMS_EVENT_ERROR, .error = bare }, "\nError! It failed." },
    { { .kind = DKMS_EVENT_COMPRESS_FAILED, .path = "/x" }, "Could not compress /x. It is installed uncompressed." },
    { { .kind = DKMS_EVENT_PLAN_STEP, .name = "depmod", .id = { .kernel = "k" } }, "depmod k" },
    { { .kind = DKMS_EVENT_PLAN_STEP, .name = "note", .id = { "m", "1", "k", "a" }, .reason = &reason },
      "note m/1 k a: already built" },
    { { .kind = DKMS_EVENT_WAITING, .text = "1" }, "Waiting for another dkms process working on the tree (PID 1)" },
    { { .kind = DKMS_EVENT_AUTOINSTALL_FAILED, .id = { .kernel = "k" }, .text = "m(10)", .place = "/a\n/b" },
      "Autoinstall on k failed for: m(10)" },
    { { .kind = DKMS_EVENT_BUILD_EXPLAINED, .text = "It broke.", .place = "dkms explain m" },
      "  It broke.\n  dkms explain m" },
    { { .kind = DKMS_EVENT_BUILD_EXPLAINED, .place = "dkms explain m" }, "  dkms explain m" },
    { { .kind = DKMS_EVENT_STATUS_BUILD, .id = { "m", "1", "k", "a" }, .name = "built" }, "m/1, k, a: built" },
    { { .kind = DKMS_EVENT_STATUS_BUILD,
        .id = { "m", "1", "k", "a" },
        .name = "installed",
        .text = "originals differs" },
      "m/1, k, a: installed (Original modules exist) (Differences between built and installed modules)" },
    /* Text of other programs is not read as a template. */
    { { .kind = DKMS_EVENT_SCRIPT_PRINTED, .text = "{path} [x] {" }, "{path} [x] {" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *sentence = dkms_sentence_for (&cases[i].event);
      g_assert_cmpstr (sentence, ==, cases[i].sentence);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sentences/all", test_all);
  g_test_add_func ("/sentences/parts", test_parts);
  return g_test_run ();
}
