/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory walker on trees of any depth, and its users: deleting, flushing, removing set-id bits. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/publish.h"
#include "base/walk.h"

/* More directories than available descriptors, and a path longer than the kernel accepts. */
#define LONG_NAME "a-name-of-twenty-letters"
enum { DEPTH = 300, FEW_DESCRIPTORS = 24 };
G_STATIC_ASSERT (DEPTH * sizeof LONG_NAME > PATH_MAX);

typedef struct {
  char *dir;
  int fd;
  struct rlimit files;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  struct rlimit few;

  f->dir = g_dir_make_tmp ("dkms-walk-XXXXXX", NULL);
  f->fd = open (f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &f->files), ==, 0);
  few = (struct rlimit){ FEW_DESCRIPTORS, f->files.rlim_max };
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &few), ==, 0);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (dkms_remove_tree_at (AT_FDCWD, f->dir, &error));
  g_assert_no_error (error);
  g_assert_false (g_file_test (f->dir, G_FILE_TEST_EXISTS));
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &f->files), ==, 0);
  close (f->fd);
  g_free (f->dir);
}

static void
make_file (int dir, const char *name, mode_t mode)
{
  int fd = openat (dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (fchmod (fd, mode), ==, 0);
  close (fd);
}

/* deep/LONG_NAME/LONG_NAME/.../file, and a file beside every fiftieth directory */
static void
make_deep (const Fixture *f, const char *name, mode_t mode)
{
  int dir = dup (f->fd);

  for (int i = 0; i < DEPTH; i++)
    {
      const char *entry = i == 0 ? name : LONG_NAME;
      int next;

      g_assert_cmpint (mkdirat (dir, entry, 0755), ==, 0);
      next = openat (dir, entry, O_RDONLY | O_DIRECTORY);
      g_assert_cmpint (next, >=, 0);
      close (dir);
      dir = next;
      if (i % 50 == 0)
        make_file (dir, "beside", mode);
    }
  make_file (dir, "file", mode);
  close (dir);
}

static void
test_deeper_than_descriptors (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  make_deep (f, "deep", 0644);
  g_assert_true (dkms_flush_tree_at (f->fd, "deep", &error));
  g_assert_no_error (error);
  g_assert_true (dkms_remove_tree_at (f->fd, "deep", &error));
  g_assert_no_error (error);
  g_assert_false (dkms_is_dir_at (f->fd, "deep"));
}

static gboolean
count_setid (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  if (entry->st != NULL && (entry->st->st_mode & (S_ISUID | S_ISGID)) != 0)
    ++*(guint *)data;
  return TRUE;
}

static void
test_setid (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint count = 0;

  make_deep (f, "deep", 06755);
  g_assert_cmpint (mkfifoat (f->fd, "deep/fifo", 0644), ==, 0);
  g_assert_cmpint (fchmodat (f->fd, "deep/fifo", 06644, 0), ==, 0);
  g_assert_cmpint (mkdirat (f->fd, "deep/sub", 0755), ==, 0);
  g_assert_cmpint (fchmodat (f->fd, "deep/sub", 02755, 0), ==, 0);
  make_file (f->fd, "outside", 06755);
  g_assert_cmpint (symlinkat ("../outside", f->fd, "deep/link"), ==, 0);
  g_assert_true (dkms_walk_at (f->fd, "deep", count_setid, &count, &error));
  g_assert_cmpuint (count, ==, DEPTH / 50 + 3);

  g_assert_true (dkms_restrict_tree_at (f->fd, "deep", &error));
  g_assert_no_error (error);
  count = 0;
  g_assert_true (dkms_walk_at (f->fd, "deep", count_setid, &count, &error));
  g_assert_cmpuint (count, ==, 0);
  g_assert_true (dkms_walk_at (f->fd, "outside", count_setid, &count, &error));
  g_assert_cmpuint (count, ==, 1);
}

static gboolean
list (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  g_string_append_printf (data, "%c %s\n", "FEML"[entry->event], entry -> path);
  return TRUE;
}

static void
test_order (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) seen = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (mkdirat (f->fd, "t", 0755), ==, 0);
  g_assert_cmpint (mkdirat (f->fd, "t/b", 0755), ==, 0);
  make_file (f->fd, "t/a", 0644);
  make_file (f->fd, "t/b/x", 0644);
  g_assert_cmpint (symlinkat (".", f->fd, "t/c"), ==, 0);
  g_assert_true (dkms_walk_at (f->fd, "t", list, seen, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (seen->str, ==, "E t\nF t/a\nE t/b\nF t/b/x\nL t/b\nF t/c\nL t\n");

  g_string_truncate (seen, 0);
  g_assert_true (dkms_walk_at (f->fd, "absent", list, seen, &error));
  g_assert_cmpstr (seen->str, ==, "");
}

static gboolean
move_away (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  const Fixture *f = data;

  if (g_str_has_suffix (entry->path, "t/b/x"))
    g_assert_cmpint (renameat (f->fd, "t/b", f->fd, "elsewhere"), ==, 0);
  return TRUE;
}

static void
test_is_not_led_astray (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (mkdirat (f->fd, "t", 0755), ==, 0);
  g_assert_cmpint (mkdirat (f->fd, "t/b", 0755), ==, 0);
  make_file (f->fd, "t/b/x", 0644);
  g_assert_false (dkms_walk_at (f->fd, "t", move_away, f, &error));
  g_assert_nonnull (strstr (error->message, "t/b"));
}

static void
test_mount_is_not_entered (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) seen = g_string_new (NULL);
  g_autofree char *place = g_build_filename (f->dir, "t", "mnt", NULL);
  g_autofree char *file = g_build_filename (place, "precious", NULL);

  g_assert_cmpint (mkdirat (f->fd, "t", 0755), ==, 0);
  g_assert_cmpint (mkdirat (f->fd, "t/mnt", 0755), ==, 0);
  if (mount ("none", place, "tmpfs", 0, NULL) < 0)
    {
      g_test_skip ("this user may not mount a file system");
      return;
    }
  g_assert_true (g_file_set_contents (file, "x", -1, NULL));
  g_assert_true (dkms_walk_at (f->fd, "t", list, seen, &error));
  g_assert_false (dkms_remove_tree_at (f->fd, "t", &error));
  g_assert_nonnull (strstr (error->message, "t/mnt"));
  g_assert_true (g_file_test (file, G_FILE_TEST_EXISTS));
  g_assert_cmpint (umount (place), ==, 0);
  g_assert_cmpstr (seen->str, ==, "E t\nM t/mnt\nL t\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add (name, Fixture, NULL, set_up, function, tear_down)
  ADD ("/walk/order", test_order);
  ADD ("/walk/deep", test_deeper_than_descriptors);
  ADD ("/walk/setid", test_setid);
  ADD ("/walk/moved", test_is_not_led_astray);
  ADD ("/walk/mount", test_mount_is_not_entered);
  return g_test_run ();
}
