/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events: names, copies, and conversion to JSON and back. */
#include <string.h>

#include "base/error.h"
#include "model/event-json.h"

static void
assert_equal (const DkmsEvent *a, const DkmsEvent *b)
{
  g_assert_cmpint (a->kind, ==, b->kind);
  g_assert_true (dkms_id_equal (&a->id, &b->id));
  g_assert_cmpstr (a->path, ==, b->path);
  g_assert_cmpstr (a->place, ==, b->place);
  g_assert_cmpstr (a->name, ==, b->name);
  g_assert_cmpstr (a->text, ==, b->text);
  g_assert_cmpint (a->number, ==, b->number);
  g_assert_cmpfloat (a->seconds, ==, b->seconds);
  g_assert_cmpint (a->error != NULL, ==, b->error != NULL);
  if (a->error != NULL)
    {
      g_assert_true (g_error_matches (a->error, b->error->domain, b->error->code));
      g_assert_cmpstr (a->error->message, ==, b->error->message);
      const DkmsErrorInfo *x = dkms_error_info (a->error), *y = dkms_error_info (b->error);
      g_assert_true (dkms_id_equal (&x->id, &y->id));
      g_assert_cmpstr (x->path, ==, y->path);
      g_assert_cmpstr (x->step, ==, y->step);
      g_assert_cmpstr (x->log, ==, y->log);
      g_assert_cmpstr (x->cause, ==, y->cause);
      g_assert_cmpstr (x->advice, ==, y->advice);
      g_assert_cmpint (x->status, ==, y->status);
    }
  g_assert_cmpint (a->reason != NULL, ==, b->reason != NULL);
  if (a->reason != NULL)
    assert_equal (a->reason, b->reason);
}

static void
test_names (void)
{
  for (gsize i = 0; i < DKMS_EVENT_LAST; i++)
    {
      DkmsEventKind kind = DKMS_EVENT_LAST;

      g_assert_true (dkms_event_from_name (dkms_event_name ((DkmsEventKind)i), &kind));
      g_assert_cmpint (kind, ==, i);
    }
  g_assert_cmpstr (dkms_event_name (DKMS_EVENT_BUILD_DELETED), ==, "build-deleted");
  g_assert_false (dkms_event_from_name ("", &(DkmsEventKind){ 0 }));
}

static void
test_round_trip (void)
{
  g_autoptr (GError) error = dkms_error_new_made (&(const DkmsErrorInfo){ .kind = DKMS_ERROR_SCRIPT_FAILED,
                                                                          .id = { "m", "1", "k", "a" },
                                                                          .path = "/p\xff",
                                                                          .step = "PRE_BUILD",
                                                                          .log = "/log\xff",
                                                                          .cause = "no-space",
                                                                          .advice = "a\nb",
                                                                          .status = 77 },
                                                  "\"quoted\" \x01");
  const DkmsEvent reason = { .kind = DKMS_EVENT_UNREADABLE, .id = { .module = "m" }, .error = error };
  const DkmsEvent events[] = {
    { .kind = DKMS_EVENT_BLANK },
    { .kind = DKMS_EVENT_STEP_BEGUN, .name = "", .text = "a\nb\t\x1b[0m" },
    { .kind = DKMS_EVENT_STEP_ENDED, .number = -1, .seconds = 0.25 },
    { .kind = DKMS_EVENT_INSTALLING, .id = { "m", "1", "k", "a" }, .path = "/\xc3\x28", .place = "\xff" },
    { .kind = DKMS_EVENT_HOPELESS, .reason = &reason },
    { .kind = DKMS_EVENT_ERROR, .error = error },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (events); i++)
    {
      g_autofree char *line = dkms_event_to_line (&events[i]);
      gsize length = strlen (line) - 1;
      g_autoptr (DkmsEvent) back = dkms_event_from_line (line, length);
      g_autoptr (DkmsEvent) copy = dkms_event_copy (&events[i]);

      g_assert_true (line[length] == '\n' && memchr (line, '\n', length) == NULL);
      g_assert_true (g_utf8_validate (line, -1, NULL));
      g_assert_nonnull (back);
      assert_equal (back, &events[i]);
      assert_equal (copy, &events[i]);
    }
}

/* Members of wrong types are ignored. */
static void
test_faults (void)
{
  static const char *const none[] = { "", "[]", "1", "{}", "{\"event\":1}", "{\"event\":\"no-such\"}", "{\"event\":" };
  static const char odd[] = "{\"event\":\"error\",\"module\":1,\"path\":[],\"path_bytes\":\"!\",\"number\":1e300,"
                            "\"seconds\":\"x\",\"error\":{\"kind\":[],\"status\":-5},"
                            "\"reason\":{\"event\":\"blank\",\"reason\":{\"event\":\"blank\",\"reason\":"
                            "{\"event\":\"blank\"}}}}";
  g_autoptr (DkmsEvent) event = dkms_event_from_line (odd, strlen (odd));

  for (gsize i = 0; i < G_N_ELEMENTS (none); i++)
    g_assert_null (dkms_event_from_line (none[i], strlen (none[i])));
  g_assert_nonnull (event);
  g_assert_cmpint (event->number, ==, 0);
  g_assert_error (event->error, DKMS_ERROR, DKMS_ERROR_IO);
  g_assert_null (event->reason->reason->reason);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/event/names", test_names);
  g_test_add_func ("/event/round-trip", test_round_trip);
  g_test_add_func ("/event/faults", test_faults);
  return g_test_run ();
}
