/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths in the root that --root names do not lead out of it. */
#define _GNU_SOURCE
#include "base/root.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"

typedef struct {
  char *dir; /* it contains the root "in", and "out" */
  DkmsRoot *root;
} Lab;

static char *
path_of (const Lab *self, const char *name)
{
  return g_build_filename (self->dir, name, NULL);
}

static void
make_link (const Lab *self, const char *text, const char *name)
{
  g_autofree char *path = path_of (self, name);

  g_assert_cmpint (symlink (text, path), ==, 0);
}

static void
set_up (Lab *self, gconstpointer data)
{
  (void)data;
  self->dir = g_dir_make_tmp ("dkms-test-XXXXXX", NULL);
  g_autofree char *in = path_of (self, "in/dir");
  g_autofree char *out = path_of (self, "out");
  g_autofree char *file = path_of (self, "out/file");
  g_autofree char *top = path_of (self, "in");
  g_assert_cmpint (g_mkdir_with_parents (in, 0755), ==, 0);
  g_assert_cmpint (g_mkdir_with_parents (out, 0755), ==, 0);
  g_assert_true (g_file_set_contents (file, "x", 1, NULL));
  make_link (self, out, "in/absolute");
  make_link (self, "../out", "in/relative");
  make_link (self, "../../../../../../../../../out", "in/dir/climbing");
  make_link (self, "dir", "in/inside");
  make_link (self, file, "in/file");
  self->root = dkms_root_open (top, NULL);
}

static void
tear_down (Lab *self, gconstpointer data)
{
  (void)data;
  dkms_root_free (self->root);
  g_assert_true (dkms_remove_tree_at (AT_FDCWD, self->dir, NULL));
  g_free (self->dir);
}

static void
test_created_directories (Lab *self, gconstpointer data)
{
  static const struct {
    const char *path;
    gboolean made;
  } cases[] = { { "/new/deep", TRUE },          { "/inside/new", TRUE },
                { "/absolute", FALSE },         { "/absolute/new", FALSE },
                { "/relative", FALSE },         { "/relative/new/deep", FALSE },
                { "/dir/climbing/new", FALSE }, { "/inside/../relative/new", FALSE } };
  g_autofree char *out = path_of (self, "out");

  (void)data;
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_auto (DkmsFd) fd = dkms_root_open_dir (self->root, cases[i].path, TRUE, &error);

      g_test_message ("%s", cases[i].path);
      g_assert_cmpint (fd >= 0, ==, cases[i].made);
      g_assert_true ((error != NULL) == (fd < 0));
      g_autoptr (GPtrArray) names = dkms_list_dir_at (AT_FDCWD, out, NULL);
      g_assert_cmpuint (names->len, ==, 1);
    }
}

/* Functions that get a directory do not follow a link in it. */
static void
test_links_in_directories (Lab *self, gconstpointer data)
{
  g_auto (DkmsFd) fd = dkms_root_open_dir (self->root, "/", FALSE, NULL);
  g_autofree char *link = path_of (self, "in/file");
  g_autofree char *text = dkms_read_at (fd, "file", 10, NULL, NULL);
  g_autofree char *sum = dkms_sha256_at (fd, "file", NULL);
  g_autofree char *by_path = dkms_read_at (AT_FDCWD, link, 10, NULL, NULL);

  (void)data;
  g_assert_null (text);
  g_assert_null (sum);
  g_assert_cmpstr (by_path, ==, "x");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/root/created-directories", Lab, NULL, set_up, test_created_directories, tear_down);
  g_test_add ("/root/links-in-directories", Lab, NULL, set_up, test_links_in_directories, tear_down);
  return g_test_run ();
}
