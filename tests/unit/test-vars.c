/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Variables: how values are normalised, matched and stored. */
#include <string.h>

#include "conf/vars.h"

static const struct {
  const char *value, *folded;
} folds[] = {
  { "", "" },
  { "make", "make" },
  { "make  \t a", "make a" },
  { "\n  make\n    -C /h\n\n\tM=/b\n", " make -C /h M=/b " },
  { "a 'b  c' \"d\n e\"", "a 'b c' \"d e\"" }, /* quotes have no special meaning */
  { "a\rb\vc", "a\rb\vc" },
  { " \n\t", " " },
};

static void
test_folding (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (folds); i++)
    {
      g_autoptr (DkmsVars) vars = dkms_vars_new ("x");

      dkms_vars_set_folded (vars, "MAKE", 0, folds[i].value);
      g_assert_cmpstr (dkms_vars_get (vars, "MAKE", 0), ==, folds[i].folded);
    }
}

static const struct {
  const char *name, *expression;
  gboolean matches;
} expressions[] = {
  { "MAKE_MATCH", "^6\\.1", TRUE },
  { "MAKE_MATCH", "^5", FALSE },
  { "PATCH_MATCH", "(", FALSE }, /* invalid */
  { "BUILD_EXCLUSIVE_ARCH", "86", TRUE },
  { "BUILD_EXCLUSIVE_ARCH", "^6", FALSE }, /* the expression applies to the kernel */
  { "MAKE", "^5", TRUE },                  /* MAKE is not compared with anything */
};

static void
test_match (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (expressions); i++)
    {
      g_autoptr (DkmsVars) vars = dkms_vars_new ("x");

      dkms_vars_set (vars, expressions[i].name, 2, expressions[i].expression);
      dkms_vars_try_match (vars, expressions[i].name, 2, "6.1.0", "x86_64");
      g_assert_cmpint (dkms_vars_match (vars, expressions[i].name, 2), ==, expressions[i].matches);
      g_assert_true (dkms_vars_match (vars, expressions[i].name, 0)); /* element 0 was not compared */
    }
}

static void
test_json (void)
{
  g_autoptr (DkmsVars) vars = dkms_vars_new ("x");
  json_t *json;

  dkms_vars_set (vars, "PATCH", 0, "a");
  dkms_vars_set (vars, "PATCH", 2, "c");
  json = dkms_vars_to_json (vars);
  g_autoptr (DkmsVars) again = dkms_vars_from_json ("x", json);

  g_assert_cmpuint (dkms_vars_count (again, "PATCH"), ==, 3);
  g_assert_cmpstr (dkms_vars_get (again, "PATCH", 1), ==, "");
  g_assert_cmpstr (dkms_vars_get (again, "PATCH", 2), ==, "c");
  json_decref (json);
  json = json_array ();
  g_assert_null (dkms_vars_from_json ("x", json));
  g_assert_null (dkms_vars_from_json ("x", NULL));
  json_decref (json);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vars/folding", test_folding);
  g_test_add_func ("/vars/match", test_match);
  g_test_add_func ("/vars/json", test_json);
  return g_test_run ();
}
