/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The picture of modules by kernels. */
#include "report/matrix.h"

static DkmsMatrix *
example (void)
{
  DkmsMatrix *matrix = dkms_matrix_new ();
  const DkmsId old = { "foo", "1.0", "6.1.0-9", "x86_64" }, new = { "foo", "1.0", "6.12.0-10", "x86_64" };
  const DkmsEvent events[]
      = { { .kind = DKMS_EVENT_STATUS_KERNEL, .id = { .kernel = "6.12.0-10" }, .number = 2 },
          { .kind = DKMS_EVENT_STATUS_KERNEL, .id = { .kernel = "6.1.0-9" }, .number = 1 },
          { .kind = DKMS_EVENT_STATUS_ADDED, .id = { "added", "2" } },
          { .kind = DKMS_EVENT_STATUS_BROKEN, .id = { "bad", "3" } },
          { .kind = DKMS_EVENT_STATUS_BUILD, .id = old, .name = "installed" },
          { .kind = DKMS_EVENT_STATUS_BUILD, .id = new, .name = "installed", .place = "headers" },
          { .kind = DKMS_EVENT_STATUS_REMARK, .id = { "foo", "1.0", "6.9.0-1", "x86_64" }, .name = "failed" },
          { .kind = DKMS_EVENT_STATUS_REMARK, .id = { "foo", "1.0", "6.9.0-1", "x86_64" }, .name = "unknown word" } };

  for (guint i = 0; i < G_N_ELEMENTS (events); i++)
    g_assert_true (dkms_matrix_hear (matrix, &events[i]));
  return matrix;
}

static void
wide (void)
{
  g_autoptr (DkmsMatrix) matrix = example ();
  g_autofree char *text = dkms_matrix_draw (matrix, 80, FALSE);

  g_assert_cmpstr (text, ==,
                   "MODULE          6.1.0-9*   6.9.0-1  6.12.0-10>\n"
                   "added/2         -          -        -\n"
                   "bad/3 (broken)  -          -        -\n"
                   "foo/1.0         installed  failed   stale\n");
  g_assert_true (dkms_matrix_has_marks (matrix));
}

static void
narrow (void)
{
  g_autoptr (DkmsMatrix) matrix = example ();
  g_autofree char *two = dkms_matrix_draw (matrix, 34, FALSE), *one = dkms_matrix_draw (matrix, 1, FALSE);
  const char *last = "\n"
                     "MODULE          6.12.0-10>\n"
                     "added/2         -\n"
                     "bad/3 (broken)  -\n"
                     "foo/1.0         stale\n";

  g_assert_true (g_str_has_prefix (two, "MODULE          6.1.0-9*   6.9.0-1\n"));
  g_assert_true (g_str_has_suffix (two, last));
  g_assert_true (g_str_has_prefix (one, "MODULE          6.1.0-9*\n"));
  g_assert_true (g_str_has_suffix (one, last));
}

static void
colours (void)
{
  g_autoptr (DkmsMatrix) matrix = example ();
  g_autofree char *text = dkms_matrix_draw (matrix, 80, TRUE);

  g_assert_nonnull (
      g_strstr_len (text, -1, "  \033[32minstalled\033[0m  \033[31mfailed\033[0m   \033[33mstale\033[0m\n"));
}

/* A problem of the next boot matters more than that the module is installed, in whichever order they come. */
static void
ranks (void)
{
  const DkmsId id = { "foo", "1.0", "6.1", "x86_64" };
  const DkmsEvent build = { .kind = DKMS_EVENT_STATUS_BUILD, .id = id, .name = "installed", .text = "originals" },
                  problem = { .kind = DKMS_EVENT_STATUS_REMARK, .id = id, .name = "problem" };

  for (int i = 0; i < 2; i++)
    {
      g_autoptr (DkmsMatrix) matrix = dkms_matrix_new ();
      g_assert_true (dkms_matrix_hear (matrix, i == 0 ? &build : &problem));
      g_assert_true (dkms_matrix_hear (matrix, i == 0 ? &problem : &build));
      g_autofree char *text = dkms_matrix_draw (matrix, 80, FALSE);
      g_assert_cmpstr (text, ==, "MODULE   6.1\nfoo/1.0  problem\n");
      g_assert_false (dkms_matrix_has_marks (matrix));
    }
}

static void
empty (void)
{
  g_autoptr (DkmsMatrix) matrix = dkms_matrix_new ();
  g_autofree char *nothing = dkms_matrix_draw (matrix, 80, FALSE);

  g_assert_cmpstr (nothing, ==, "");
  g_assert_true (dkms_matrix_hear (matrix, &(const DkmsEvent){ .kind = DKMS_EVENT_STATUS_ADDED, .id = { "a", "1" } }));
  g_autofree char *one = dkms_matrix_draw (matrix, 80, FALSE);
  g_assert_cmpstr (one, ==, "MODULE\na/1\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/matrix/wide", wide);
  g_test_add_func ("/matrix/narrow", narrow);
  g_test_add_func ("/matrix/colours", colours);
  g_test_add_func ("/matrix/ranks", ranks);
  g_test_add_func ("/matrix/empty", empty);
  return g_test_run ();
}
