/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A root in a temporary directory, for unit tests. */
#include "fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "base/file.h"

void
fixture_set_up (Fixture *self, gconstpointer data)
{
  g_autofree char *tree = NULL;

  self->dir = g_dir_make_tmp ("dkms-test-XXXXXX", NULL);
  g_assert_nonnull (self->dir);
  tree = g_build_filename (self->dir, "tree", NULL);
  g_assert_cmpint (g_mkdir (tree, 0755), ==, 0);
  self->places = (DkmsPlaces){ .root = dkms_root_open (self->dir, NULL), .dkms_tree = g_strdup ("/tree") };
  g_assert_nonnull (self->places.root);
}

void
fixture_tear_down (Fixture *self, gconstpointer data)
{
  g_assert_true (dkms_remove_tree_at (AT_FDCWD, self->dir, NULL));
  dkms_places_clear (&self->places);
  g_free (self->dir);
}

void
fixture_put (const Fixture *self, const char *path, const char *text)
{
  g_autofree char *full = g_strconcat (self->dir, path, NULL);
  g_autofree char *dir = g_path_get_dirname (full);

  g_assert_cmpint (g_mkdir_with_parents (dir, 0755), ==, 0);
  g_assert_true (g_file_set_contents (full, text, -1, NULL));
}

void
fixture_assert_text (const Fixture *self, const char *path, const char *expected)
{
  g_autofree char *full = g_strconcat (self->dir, path, NULL);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (full, &text, NULL, NULL))
    g_clear_pointer (&text, g_free);
  g_assert_cmpstr (text, ==, expected);
}

char *
fixture_show (const GPtrArray *findings)
{
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < findings->len; i++)
    {
      const DkmsCheckFinding *finding = findings->pdata[i];
      g_string_append_printf (out, "%s%s %s: %s [%s]", i > 0 ? "; " : "", dkms_code_name (finding->code),
                              dkms_result_name (finding->result), finding->text,
                              finding->advice != NULL ? finding->advice : "");
    }
  return g_string_free (out, FALSE);
}

void
fixture_provide_helpers (void)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *dir = g_path_get_dirname (self);
  g_autofree char *link = g_build_filename (dir, "helpers", NULL);
  g_autofree char *helper = g_build_filename (link, "dkms-facts", NULL);

  if (symlink ("../../src/helpers", link) < 0)
    g_test_message ("%s exists", link);
  g_assert_true (g_file_test (helper, G_FILE_TEST_IS_EXECUTABLE));
}
