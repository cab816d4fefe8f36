/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions that return no error note what they could not read; files that do not exist are not noted. */
#define _GNU_SOURCE
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/root.h"
#include "base/unread.h"
#include "base/walk.h"
#include "fixture.h"
#include "store/scan.h"

typedef struct {
  Fixture base;
  int fd; /* the root directory */
  struct rlimit limit;
} Readable;

static void
set_up (Readable *f, gconstpointer data)
{
  fixture_set_up (&f->base, data);
  fixture_put (&f->base, "/file", "x");
  fixture_put (&f->base, "/tree/foo/1.0/x", "x");
  f->fd = open (f->base.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &f->limit), ==, 0);
  dkms_unread_drop (0);
}

/* Afterwards the process cannot open another file. */
static void
exhaust (Readable *f)
{
  struct rlimit none = { 0, f->limit.rlim_max };

  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &none), ==, 0);
}

static void
restore (Readable *f)
{
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &f->limit), ==, 0);
}

static void
tear_down (Readable *f, gconstpointer data)
{
  restore (f);
  dkms_unread_drop (0);
  (void)close (f->fd);
  fixture_tear_down (&f->base, data);
}

static gboolean
visit (const char *path, const char *name, unsigned char type, gpointer data)
{
  return TRUE;
}

typedef void (*Reader) (Readable *f, const char *name);

static void
read_list (Readable *f, const char *name)
{
  GPtrArray *names = dkms_list_dir_at (f->fd, name, NULL);

  g_clear_pointer (&names, g_ptr_array_unref);
}

static void
read_file (Readable *f, const char *name)
{
  g_free (dkms_read_at (f->fd, name, 100, NULL, NULL));
}

static void
read_root (Readable *f, const char *name)
{
  g_autofree char *path = g_strconcat ("/", name, NULL);

  g_free (dkms_root_read (f->base.places.root, path, 100, NULL, NULL));
}

static void
read_sum (Readable *f, const char *name)
{
  g_free (dkms_sha256_at (f->fd, name, NULL));
}

static void
read_equal (Readable *f, const char *name)
{
  (void)dkms_files_equal_at (f->fd, name, f->fd, name);
}

static void
read_trees (Readable *f, const char *name)
{
  (void)dkms_trees_equal_at (f->fd, name, f->fd, name);
}

static void
read_is_file (Readable *f, const char *name)
{
  g_autofree char *path = g_strconcat ("/", name, NULL);

  (void)dkms_root_is_file (f->base.places.root, path);
}

static void
read_is_dir (Readable *f, const char *name)
{
  g_autofree char *path = g_strconcat ("/", name, NULL);

  (void)dkms_root_is_dir (f->base.places.root, path);
}

static void
read_canonical (Readable *f, const char *name)
{
  g_autofree char *path = g_strconcat ("/", name, NULL);

  g_free (dkms_root_canonical (f->base.places.root, path));
}

static void
read_resolved (Readable *f, const char *name)
{
  g_autofree char *path = g_strconcat ("/", name, NULL);

  g_free (dkms_root_resolved (f->base.places.root, path));
}

static const Reader readers[] = { read_list,  read_file,    read_root,   read_sum,       read_equal,
                                  read_trees, read_is_file, read_is_dir, read_canonical, read_resolved };

static void
test_every_reader_notes (Readable *f, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (readers); i++)
    {
      g_autoptr (GError) error = NULL;

      readers[i](f, "absent");
      readers[i](f, "file/absent");
      g_assert_true (dkms_unread_check (&error));
      exhaust (f);
      readers[i](f, "file");
      restore (f);
      g_assert_false (dkms_unread_check (&error));
      g_assert_nonnull (strstr (error->message, f->base.dir));
      g_assert_true (dkms_unread_check (NULL)); /* the check above removed the note */
    }
  exhaust (f);
  dkms_each_file_at (f->fd, visit, NULL);
  restore (f);
  g_assert_false (dkms_unread_check (NULL));
}

static void
test_names_that_are_too_long_are_noted (Readable *f, gconstpointer data)
{
  g_autofree char *name = g_strnfill (300, 'x');

  g_assert_false (dkms_is_dir_at (f->fd, name));
  g_assert_false (dkms_unread_check (NULL));
  g_assert_false (dkms_is_file_at (f->fd, name));
  g_assert_false (dkms_unread_check (NULL));
  g_assert_false (dkms_is_link_at (f->fd, name));
  g_assert_false (dkms_unread_check (NULL));
  g_assert_null (dkms_read_link_at (f->fd, name));
  g_assert_false (dkms_unread_check (NULL));
}

static void
test_what_is_something_else_is_not_noted (Readable *f, gconstpointer data)
{
  g_assert_null (dkms_read_link_at (f->fd, "file"));
  g_assert_false (dkms_is_dir_at (f->fd, "file"));
  g_assert_false (dkms_is_file_at (f->fd, "tree"));
  g_assert_false (dkms_is_file_at (-1, "file")); /* the failure to open the directory was noted before */
  dkms_unread_note (AT_FDCWD, "/proc/1/exe", EACCES);
  g_assert_true (dkms_unread_check (NULL));
}

static void
test_marks (Readable *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint mark;

  dkms_unread_note (f->fd, "first", EIO);
  mark = dkms_unread_mark ();
  g_assert_true (dkms_unread_since (mark, TRUE, NULL));
  dkms_unread_note (f->fd, "second", ESTALE);
  dkms_unread_note (f->fd, "", ENOMEM);
  g_assert_false (dkms_unread_since (mark, TRUE, &error));
  g_assert_nonnull (strstr (error->message, "/second: "));
  g_assert_cmpuint (dkms_unread_mark (), ==, mark);
  g_clear_error (&error);
  dkms_unread_note (f->fd, "third", EIO);
  dkms_unread_drop (mark);
  g_assert_false (dkms_unread_check (&error));
  g_assert_nonnull (strstr (error->message, "/first: "));
  g_assert_cmpuint (dkms_unread_mark (), ==, 0);
}

static void
test_errors_are_not_noted_twice (Readable *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  exhaust (f);
  g_assert_null (dkms_list_dir_at (f->fd, "tree", &error));
  restore (f);
  g_assert_nonnull (strstr (error->message, f->base.dir));
  g_assert_true (dkms_unread_check (NULL));
}

static void
test_absent (void)
{
  static const int absent[] = { ENOENT, ENOTDIR, ELOOP };
  guint count = 0;

  for (int code = 1; code < 134; code++)
    count += dkms_is_absent (code);
  for (gsize i = 0; i < G_N_ELEMENTS (absent); i++)
    g_assert_true (dkms_is_absent (absent[i]));
  g_assert_cmpuint (count, ==, G_N_ELEMENTS (absent));
}

static void
test_state (Readable *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsState) state = dkms_state_read (&f->base.places, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (state->versions->len, ==, 1);
  dkms_state_give_up (state, "foo", g_error_new_literal (1, 1, "why"));
  dkms_state_drop_unread (state);
  g_assert_cmpuint (state->versions->len, ==, 0);
  exhaust (f);
  g_assert_null (dkms_state_read (&f->base.places, NULL, &error));
  restore (f);
  g_assert_nonnull (error);
  g_assert_true (dkms_unread_check (NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add ("/unread/" path, Readable, NULL, set_up, function, tear_down)
  g_test_add_func ("/unread/absent", test_absent);
  ADD ("every-reader-notes", test_every_reader_notes);
  ADD ("names-that-are-too-long-are-noted", test_names_that_are_too_long_are_noted);
  ADD ("what-is-something-else-is-not-noted", test_what_is_something_else_is_not_noted);
  ADD ("marks", test_marks);
  ADD ("errors-are-not-noted-twice", test_errors_are_not_noted_twice);
  ADD ("state", test_state);
  return g_test_run ();
}
