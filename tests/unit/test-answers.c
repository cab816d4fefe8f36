/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the answers of helpers are remembered, and who may read them. The helper is a shell that counts its runs. */
#include "store/answers.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "fixture.h"

/* A time long after all changes of the test, and the time of the changes. */
static const gint64 later = G_MAXINT32, at_once = 0;
#define STORED "/tree/.dkms/facts/kernel"

/* Returns what a helper prints about /file: its words, its content with a NUL, and how often it has run. */
static char *
ask_with (const Fixture *f, const char *word, gint64 now)
{
  g_autofree char *file = g_build_filename (f->dir, "file", NULL), *count = g_build_filename (f->dir, "count", NULL);
  const char *const argv[]
      = { "/bin/sh", "-c", "echo >> \"$0\"; printf '%s\\0%s %s' \"$1\" \"$(cat \"$2\")\" $(wc -l < \"$0\")",
          count,     word, NULL };
  g_autoptr (GPtrArray) files = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (files, file);
  GBytes *bytes = dkms_answers_ask_at (&f->places, "kernel", argv, files, now, &error);
  g_assert_no_error (error);
  gsize size;
  char *text = g_bytes_unref_to_data (bytes, &size);
  g_assert_cmpuint (size, >, strlen (word) + 1);
  g_assert_cmpstr (text, ==, word);
  char *rest = g_strndup (text + strlen (word) + 1, size - strlen (word) - 1);
  g_free (text);
  return rest;
}

static void
assert_answer (const Fixture *f, gint64 now, const char *expected)
{
  g_autofree char *text = ask_with (f, "kernel", now);

  g_assert_cmpstr (text, ==, expected);
}

static guint
mode_of (const Fixture *f, const char *path)
{
  g_autofree char *host = g_build_filename (f->dir, path, NULL);
  struct stat st;

  return stat (host, &st) == 0 ? (guint)st.st_mode & 07777 : 0;
}

static void
set_mode (const Fixture *f, const char *path, mode_t mode)
{
  g_autofree char *host = g_build_filename (f->dir, path, NULL);

  g_assert_cmpint (chmod (host, mode), ==, 0);
}

/* Returns what a helper prints about two contents, and how often it has run. */
static char *
ask_about (const Fixture *f, const char *first, const char *second)
{
  g_autofree char *count = g_build_filename (f->dir, "count", NULL);
  const char *const argv[]
      = { "/bin/sh", "-c", "echo >> \"$0\"; printf '%s,%s %s' \"$(cat \"$1\")\" \"$(cat \"$2\")\" $(wc -l < \"$0\")",
          count, NULL };
  g_autoptr (GPtrArray) inputs = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (inputs, g_bytes_new (first, strlen (first)));
  g_ptr_array_add (inputs, g_bytes_new (second, strlen (second)));
  g_autoptr (GBytes) bytes = dkms_answers_ask_with (&f->places, "kernel", argv, inputs, none, &error);
  g_assert_no_error (error);
  return g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

static void
test_inputs (Fixture *f, gconstpointer data)
{
  static const char *const cases[][3]
      = { { "a", "bc", "a,bc 1" }, { "a", "bc", "a,bc 1" }, { "ab", "c", "ab,c 2" }, { "", "c", ",c 3" } };

  (void)data;
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = ask_about (f, cases[i][0], cases[i][1]);
      g_assert_cmpstr (text, ==, cases[i][2]);
    }
}

static void
test_remembered (Fixture *f, gconstpointer data)
{
  (void)data;
  set_mode (f, "", 0755);
  fixture_put (f, "/file", "one");
  set_mode (f, "file", 0644);
  assert_answer (f, at_once, "one 1"); /* the file could change again with the same signature */
  assert_answer (f, later, "one 2");
  assert_answer (f, later, "one 2");
  assert_answer (f, at_once, "one 2");
  g_assert_cmpuint (mode_of (f, STORED), ==, 0644);
  g_autofree char *other = ask_with (f, "other words", later);
  g_assert_cmpstr (other, ==, "one 3");
  assert_answer (f, later, "one 4");
  fixture_put (f, "/file", "two");
  assert_answer (f, later, "two 5");
  assert_answer (f, later, "two 5");
}

static void
test_private (Fixture *f, gconstpointer data)
{
  (void)data;
  set_mode (f, "", 0755);
  fixture_put (f, "/file", "secret");
  set_mode (f, "file", 0640);
  assert_answer (f, later, "secret 1");
  g_assert_cmpuint (mode_of (f, STORED), ==, 0600);
  assert_answer (f, later, "secret 1");
  set_mode (f, "file", 0644);
  assert_answer (f, later, "secret 2");
  g_assert_cmpuint (mode_of (f, STORED), ==, 0644);
  set_mode (f, "", 0750); /* a directory that others cannot enter */
  set_mode (f, "file", 0604);
  assert_answer (f, later, "secret 3");
  g_assert_cmpuint (mode_of (f, STORED), ==, 0600);
}

/* Asserts that the helper runs once more. */
static void
assert_runs (const Fixture *f, guint *runs)
{
  g_autofree char *expected = g_strdup_printf ("one %u", ++*runs);

  assert_answer (f, later, expected);
}

static void
test_damaged (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->dir, STORED, NULL), *text = NULL;
  guint runs = 0;
  gsize size;

  (void)data;
  fixture_put (f, "/file", "one");
  assert_runs (f, &runs);
  g_assert_true (g_file_get_contents (path, &text, &size, NULL));
  for (gsize i = 0; i < size; i += MAX (1, size / 12)) /* cut off, or one byte changed */
    {
      g_assert_true (g_file_set_contents (path, text, (gssize)i, NULL));
      assert_runs (f, &runs);
      g_autofree char *changed = g_memdup2 (text, size);
      changed[i] ^= 1;
      g_assert_true (g_file_set_contents (path, changed, (gssize)size, NULL));
      assert_runs (f, &runs);
    }
  text[size - 1] ^= 1; /* the number in the answer */
  g_assert_true (g_file_set_contents (path, text, (gssize)size, NULL));
  assert_runs (f, &runs);
}

/* The clock of files has seconds on some file systems. */
static void
test_racy (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->dir, "file", NULL);
  struct stat st;

  (void)data;
  fixture_put (f, "/file", "one");
  g_assert_cmpint (stat (path, &st), ==, 0);
  assert_answer (f, st.st_ctim.tv_sec, "one 1");
  assert_answer (f, st.st_ctim.tv_sec + 1, "one 2");
  assert_answer (f, st.st_ctim.tv_sec + 2, "one 3");
  assert_answer (f, st.st_ctim.tv_sec + 2, "one 3");
}

static void
test_not_stored (Fixture *f, gconstpointer data)
{
  (void)data;
  fixture_put (f, "/file", "one");
  fixture_put (f, "/tree/.dkms/facts", "a file is in the way");
  assert_answer (f, later, "one 1");
  assert_answer (f, later, "one 2");
  g_free (f->places.dkms_tree); /* a tree that does not exist is not created */
  f->places.dkms_tree = g_strdup ("/absent");
  assert_answer (f, later, "one 3");
  g_assert_cmpuint (mode_of (f, "absent"), ==, 0);
}

static void
test_failed (Fixture *f, gconstpointer data)
{
  const char *const argv[] = { "/bin/sh", "-c", "echo half; exit 3", NULL };
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;

  (void)data;
  fixture_put (f, "/file", "one");
  g_ptr_array_add (files, g_build_filename (f->dir, "file", NULL));
  g_assert_null (dkms_answers_ask_at (&f->places, "kernel", argv, files, later, &error));
  g_assert_error (error, DKMS_ERROR, DKMS_ERROR_HELPER_FAILED);
  g_assert_cmpuint (mode_of (f, STORED), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/answers/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)
  ADD ("remembered", test_remembered);
  ADD ("inputs", test_inputs);
  ADD ("private", test_private);
  ADD ("damaged", test_damaged);
  ADD ("racy", test_racy);
  ADD ("not-stored", test_not_stored);
  ADD ("failed", test_failed);
  return g_test_run ();
}
