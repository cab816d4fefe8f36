/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nearest known word. */
#include "base/near.h"

static void
test_nearest (void)
{
  const char *const choices[] = { "add", "install", "status", "uninstall", "parallel_jobs", "sandbox", NULL };
  const char *const table[][2] = {
    { "statsu", "status" },
    { "instal", "install" },
    { "unistall", "uninstall" },
    { "isntall", "install" },
    { "STATUS", "status" },
    { "sandbx", "sandbox" },
    { "paralel_job", "parallel_jobs" },
    { "ad", "add" },
    { "xyz", NULL },
    { "remove", NULL },
    { "", NULL },
    { "a_word_that_is_longer_than_any_that_somebody_would_type", NULL },
  };

  g_autoptr (GPtrArray) array = g_ptr_array_new ();
  for (gsize i = 0; i < G_N_ELEMENTS (choices) - 1; i++)
    g_ptr_array_add (array, (gpointer)choices[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_assert_cmpstr (dkms_nearest (table[i][0], choices), ==, table[i][1]);
      g_assert_cmpstr (dkms_nearest_in (table[i][0], array), ==, table[i][1]);
    }
  g_ptr_array_set_size (array, 0);
  g_assert_null (dkms_nearest_in ("add", array));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/near/nearest", test_nearest);
  return g_test_run ();
}
