/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks, whose files exist only while they are held. */
#include <unistd.h>

#include "fixture.h"
#include "store/lock.h"

static const char lock_name[] = "locks/module/foo";

typedef struct {
  Fixture base;
  int reported[2]; /* the thread writes a byte for each of its events while it waits */
} Locks;

static void
set_up (Locks *f, gconstpointer data)
{
  fixture_set_up (&f->base, data);
  g_assert_cmpint (pipe (f->reported), ==, 0);
}

static void
tear_down (Locks *f, gconstpointer data)
{
  (void)close (f->reported[0]);
  (void)close (f->reported[1]);
  fixture_tear_down (&f->base, data);
}

/* Returns: (nullable): the lock; NULL if it is held */
static DkmsLock *
try_it (const Locks *f)
{
  g_autoptr (GError) error = NULL;
  DkmsLock *lock = dkms_lock_try (&f->base.places, NULL, lock_name, TRUE, &error);

  g_assert_no_error (error);
  return lock;
}

static void
hear (gpointer data, const DkmsEvent *event)
{
  g_assert_cmpint (event->kind, ==, DKMS_EVENT_WAITING);
  g_assert_cmpstr (event->id.module, ==, "foo");
  g_assert_cmpint (write (*(const int *)data, "x", 1), ==, 1);
}

static gpointer
wait_for_it (gpointer data)
{
  const Locks *f = data;
  DkmsListener events = { .hear = hear, .data = (gpointer)&f->reported[1] };
  g_autoptr (GError) error = NULL;
  DkmsLock *lock = dkms_lock_take (&f->base.places, &events, lock_name, TRUE, &error);

  g_assert_no_error (error);
  return lock;
}

static void
test_one_at_a_time (Locks *f, gconstpointer data)
{
  DkmsLock *first = try_it (f);

  g_assert_nonnull (first);
  g_assert_null (try_it (f));
  dkms_lock_release (first);
  first = try_it (f);
  g_assert_nonnull (first);
  dkms_lock_release (first);
}

/* The holder deletes the file. A waiter that had opened it must then lock a new file with that name. */
static void
test_deleted_file (Locks *f, gconstpointer data)
{
  DkmsLock *first = try_it (f), *second;
  GThread *thread;
  char byte;

  g_assert_nonnull (first);
  thread = g_thread_new ("waits", wait_for_it, f);
  g_assert_cmpint (read (f->reported[0], &byte, 1), ==, 1); /* the thread has opened the file, and waits */
  dkms_lock_release (first);
  second = g_thread_join (thread);
  g_assert_nonnull (second);
  g_assert_null (try_it (f));
  dkms_lock_release (second);
}

static void
test_nothing_is_left (Locks *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->base.dir, "tree/.dkms", lock_name, NULL);
  DkmsLock *lock = try_it (f);

  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  dkms_lock_release (lock);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add ("/lock/" path, Locks, NULL, set_up, function, tear_down)
  ADD ("one-at-a-time", test_one_at_a_time);
  ADD ("deleted-file", test_deleted_file);
  ADD ("nothing-is-left", test_nothing_is_left);
  return g_test_run ();
}
