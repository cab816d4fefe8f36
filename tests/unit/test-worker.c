/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream of a worker: lines in parts, and invalid lines. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "model/event-json.h"
#include "run/worker.h"

static DkmsWorker *
worker_with (const void *bytes, gsize size)
{
  DkmsWorker *worker = g_new0 (DkmsWorker, 1);
  int ends[2];

  g_assert_cmpint (pipe2 (ends, O_NONBLOCK), ==, 0);
  g_assert_cmpint (write (ends[1], bytes, size), ==, (gssize)size);
  g_assert_cmpint (close (ends[1]), ==, 0);
  worker->lines = ends[0];
  worker->buffer = g_byte_array_new ();
  return worker;
}

/* Returns: (transfer full): the line with which a worker ends with an error of that message */
static char *
failure (const char *message)
{
  const DkmsErrorInfo info = { .kind = DKMS_ERROR_MAKE_FAILED, .path = "/x", .advice = "Look." };
  g_autoptr (GError) error = dkms_error_new_made (&info, message);

  return dkms_event_to_line (&(const DkmsEvent){ .kind = DKMS_EVENT_WORKER_ENDED, .error = error });
}

/* Collects in @heard the events that the parent reads from @bytes. Returns: whether the worker succeeded */
static gboolean
listen_to (const char *bytes, gsize size, GPtrArray *heard, GError **error)
{
  DkmsListener listener = dkms_listener_keeping (heard);
  DkmsWorker *worker = worker_with (bytes, size);

  (void)dkms_worker_listen (worker, &listener);
  gboolean ok = dkms_worker_finish (worker, error);
  dkms_worker_free (worker);
  return ok;
}

static void
test_events (void)
{
  static const char bytes[] = "{\"event\":\"signing\",\"path\":\"/x\"}\n"
                              "{\"event\":\"worker-ended\"}\n";
  g_autoptr (GPtrArray) heard = dkms_events_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (listen_to (bytes, strlen (bytes), heard, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (heard->len, ==, 1);
  const DkmsEvent *event = heard->pdata[0];
  g_assert_cmpint (event->kind, ==, DKMS_EVENT_SIGNING);
  g_assert_cmpstr (event->path, ==, "/x");
}

/* A worker that ends in the middle of a line, or without its last event, has failed. */
static void
test_parts (void)
{
  g_autofree char *line = failure ("text");

  for (gsize n = 0; n < strlen (line); n++)
    {
      g_autoptr (GPtrArray) heard = dkms_events_new ();
      g_autoptr (GError) error = NULL;

      g_assert_false (listen_to (line, n, heard, &error));
      g_assert_error (error, DKMS_ERROR, DKMS_ERROR_WORKER_ENDED);
      g_assert_cmpuint (heard->len, ==, 0);
    }
}

/* Every byte of a line is replaced by bytes with a special meaning. */
static void
test_faults (void)
{
  static const char faults[] = { '\0', '\n', '"', '{', '\\', (char)0xff };
  g_autofree char *line = failure ("text");
  gsize size = strlen (line);

  for (gsize n = 0; n < size * G_N_ELEMENTS (faults); n++)
    {
      g_autoptr (GPtrArray) heard = dkms_events_new ();
      g_autofree char *copy = g_memdup2 (line, size);
      g_autoptr (GError) error = NULL;

      copy[n / G_N_ELEMENTS (faults)] = faults[n % G_N_ELEMENTS (faults)];
      g_assert_true (listen_to (copy, size, heard, &error) || error != NULL);
    }
}

/* A stream without line ends is discarded when it exceeds the limit. */
static void
test_too_long (void)
{
  g_autoptr (GPtrArray) heard = dkms_events_new ();
  DkmsListener listener = dkms_listener_keeping (heard);
  DkmsWorker *worker = worker_with ("x", 1);
  gsize size = 65 << 20;
  g_autofree guint8 *much = g_malloc0 (size);

  g_byte_array_append (worker->buffer, much, (guint)size);
  (void)dkms_worker_listen (worker, &listener);
  g_assert_cmpuint (worker->buffer->len, ==, 0);
  dkms_worker_free (worker);
}

/* Of two results the first one is used. */
static void
test_two_results (void)
{
  g_autofree char *first = failure ("first"), *second = failure ("second");
  g_autofree char *both = g_strconcat (first, second, NULL);
  g_autoptr (GPtrArray) heard = dkms_events_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (listen_to (both, strlen (both), heard, &error));
  g_assert_error (error, DKMS_ERROR, DKMS_ERROR_MAKE_FAILED);
  g_assert_cmpstr (error->message, ==, "first");
  g_assert_cmpstr (dkms_error_info (error)->path, ==, "/x");
  g_assert_cmpstr (dkms_error_info (error)->advice, ==, "Look.");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/worker/events", test_events);
  g_test_add_func ("/worker/parts", test_parts);
  g_test_add_func ("/worker/faults", test_faults);
  g_test_add_func ("/worker/too-long", test_too_long);
  g_test_add_func ("/worker/two-results", test_two_results);
  return g_test_run ();
}
