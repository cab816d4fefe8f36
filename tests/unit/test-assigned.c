/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Assignments in the text of configuration files. */
#include "conf/assigned.h"

static const char text[] = "# A=0\n"
                           "A=1\n"
                           "  export B=2\n"
                           "B[1]=3\n"
                           "C=(4 5)\n"
                           "A+=6\n"
                           "B[$i]=7 # any\n"
                           "if D=8; then\n"
                           "  E = 9\n"
                           "F[2]=x\n"
                           "F[3\n"
                           "=\n"
                           "G[=]=y";

static void
test_names (void)
{
  g_autoptr (GPtrArray) names = dkms_assigned_names (text);
  g_autoptr (GPtrArray) none = dkms_assigned_names ("");
  static const char *const expected[] = { "A", "B", "C", "F", "G" };

  g_assert_cmpuint (names->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < names->len; i++)
    g_assert_cmpstr (names->pdata[i], ==, expected[i]);
  g_assert_cmpuint (none->len, ==, 0);
}

static void
test_lines (void)
{
  const struct {
    const char *name;
    int index;
    guint line;
  } table[] = {
    { "A", 0, 6 },   { "A", 1, 0 }, { "A", -1, 6 }, { "B", 0, 7 },  { "B", 1, 7 }, { "C", 0, 5 },
    { "C", 9, 5 },   { "D", 0, 0 }, { "E", 0, 0 },  { "F", 2, 10 }, { "F", 3, 0 }, { "F", 0, 0 },
    { "F", -1, 10 }, { "", 0, 0 },  { "G", 0, 13 }, { "AB", 0, 0 },
  };
  g_autofree char *without = dkms_file_and_line ("/f", 0), *with = dkms_file_and_line ("/f", 12);

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_test_message ("%s[%d]", table[i].name, table[i].index);
      g_assert_cmpuint (dkms_assigned_line (text, table[i].name, table[i].index), ==, table[i].line);
    }
  g_assert_cmpstr (without, ==, "/f");
  g_assert_cmpstr (with, ==, "/f:12");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/assigned/names", test_names);
  g_test_add_func ("/assigned/lines", test_lines);
  return g_test_run ();
}
