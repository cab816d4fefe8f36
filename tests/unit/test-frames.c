/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a worker tells its parent: frames as they are sent, and bytes that are none. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "run/worker.h"

static DkmsWorker *
worker_with (const void *bytes, gsize size)
{
  DkmsWorker *worker = g_new0 (DkmsWorker, 1);
  int ends[2];

  g_assert_cmpint (pipe2 (ends, O_NONBLOCK), ==, 0);
  g_assert_cmpint (write (ends[1], bytes, size), ==, (gssize)size);
  g_assert_cmpint (close (ends[1]), ==, 0);
  worker->frames = ends[0];
  worker->buffer = g_byte_array_new ();
  return worker;
}

/* Returns: (transfer full): what is sent for @event */
static GByteArray *
frame_of (const DkmsUiEvent *event)
{
  GByteArray *bytes = g_byte_array_new ();
  DkmsUi ui = { 0 };
  guint8 chunk[4096];
  int ends[2];

  g_assert_cmpint (pipe (ends), ==, 0);
  ui.frames = ends[1];
  dkms_ui_tell (&ui, event);
  g_byte_array_append (bytes, chunk, (guint)read (ends[0], chunk, sizeof chunk));
  g_assert_cmpint (close (ends[0]), ==, 0);
  g_assert_cmpint (close (ends[1]), ==, 0);
  return bytes;
}

static void
test_round_trip (void)
{
  const DkmsUiEvent *events[] = {
    &(DkmsUiEvent){ .voice = DKMS_VOICE_WARN, .text = "x", .number = 3, .code = -1, .seconds = 0.5 },
    &(DkmsUiEvent){ .voice = DKMS_VOICE_STEP_BEGIN, .text = "", .more = "make", .path = "/x" },
    &(DkmsUiEvent){ .voice = DKMS_VOICE_STEP_END },
    &(DkmsUiEvent){ .voice = DKMS_VOICE_RESULT },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (events); i++)
    {
      g_autoptr (GByteArray) bytes = frame_of (events[i]);
      g_autofree char *storage = NULL;
      DkmsUiEvent event;

      g_assert_true (dkms_ui_event_read (bytes, &event, &storage));
      g_assert_cmpuint (bytes->len, ==, 0);
      g_assert_true (event.voice == events[i]->voice && event.number == events[i]->number
                     && event.code == events[i]->code);
      g_assert_cmpfloat (event.seconds, ==, events[i]->seconds);
      g_assert_cmpstr (event.text, ==, events[i]->text);
      g_assert_cmpstr (event.more, ==, events[i]->more);
      g_assert_cmpstr (event.path, ==, events[i]->path);
    }
}

static void
test_parts (void)
{
  g_autoptr (GByteArray) bytes = frame_of (&(DkmsUiEvent){ .voice = DKMS_VOICE_NOTE, .text = "text" });

  for (guint n = 0; n < bytes->len; n++)
    {
      g_autoptr (GByteArray) part = g_byte_array_append (g_byte_array_new (), bytes->data, n);
      char *storage = NULL;
      DkmsUiEvent event;

      g_assert_false (dkms_ui_event_read (part, &event, &storage));
      g_assert_cmpuint (part->len, ==, n);
    }
}

/* Every byte of a frame changed to what a fault may make of it. */
static void
test_faults (void)
{
  static const guint8 faults[] = { 0, 1, '+', '-', 0x7f, 0xff };
  g_autoptr (GByteArray) whole = frame_of (&(DkmsUiEvent){ .voice = DKMS_VOICE_LINE, .text = "ab", .more = "c" });

  for (guint n = 0; n < whole->len * G_N_ELEMENTS (faults); n++)
    {
      g_autofree guint8 *copy = g_memdup2 (whole->data, whole->len);
      g_autoptr (GError) error = NULL;
      DkmsUi ui = { .frames = open ("/dev/null", O_WRONLY) };
      DkmsWorker *worker;

      copy[n / G_N_ELEMENTS (faults)] = faults[n % G_N_ELEMENTS (faults)];
      worker = worker_with (copy, whole->len);
      (void)dkms_worker_listen (worker, &ui);
      g_assert_true (dkms_worker_finish (worker, &error) || error != NULL);
      dkms_worker_free (worker);
      g_assert_cmpint (close (ui.frames), ==, 0);
    }
}

static void
test_short (void)
{
  static const guint8 bytes[64] = { 0 }; /* a frame of no size */
  g_autoptr (GError) error = NULL;
  DkmsUi ui = { 0 };
  DkmsWorker *worker = worker_with (bytes, sizeof bytes);

  g_assert_false (dkms_worker_listen (worker, &ui));
  g_assert_false (dkms_worker_finish (worker, &error));
  g_assert_nonnull (error);
  dkms_worker_free (worker);
}

/* Nobody waits for, or makes room for, what no worker sends. */
static void
test_too_long (void)
{
  static const guint32 sizes[] = { 65 << 20, G_MAXUINT32 };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GByteArray) bytes = frame_of (&(DkmsUiEvent){ .voice = DKMS_VOICE_LINE, .text = "ab" });
      g_autofree char *storage = NULL;
      DkmsUiEvent event;

      memcpy (bytes->data, &sizes[i], sizeof sizes[i]);
      g_assert_false (dkms_ui_event_read (bytes, &event, &storage));
      g_assert_cmpuint (bytes->len, ==, 0); /* it is thrown away, with all that follows */
    }
}

/* The first result counts. */
static void
test_two_results (void)
{
  g_autoptr (GByteArray) bytes = frame_of (&(DkmsUiEvent){ .voice = DKMS_VOICE_RESULT, .text = "first" });
  g_autoptr (GByteArray) more = frame_of (&(DkmsUiEvent){ .voice = DKMS_VOICE_RESULT, .text = "second" });
  g_autoptr (GError) error = NULL;
  DkmsUi ui = { 0 };
  DkmsWorker *worker;

  g_byte_array_append (bytes, more->data, more->len);
  worker = worker_with (bytes->data, bytes->len);
  (void)dkms_worker_listen (worker, &ui);
  g_assert_false (dkms_worker_finish (worker, &error));
  g_assert_cmpstr (error->message, ==, "first");
  dkms_worker_free (worker);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/frames/round-trip", test_round_trip);
  g_test_add_func ("/frames/parts", test_parts);
  g_test_add_func ("/frames/faults", test_faults);
  g_test_add_func ("/frames/short", test_short);
  g_test_add_func ("/frames/too-long", test_too_long);
  g_test_add_func ("/frames/two-results", test_two_results);
  return g_test_run ();
}
