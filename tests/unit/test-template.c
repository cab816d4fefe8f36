/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sentences with places for values. */
#include <string.h>

#include "base/template.h"

/* Of the fields "a", "b" and "brackets", "b" has no value. */
static char *
value (gconstpointer subject, const char *name)
{
  g_assert_cmpstr (subject, ==, "subject");
  return strcmp (name, "a") == 0          ? g_strdup ("1")
         : strcmp (name, "brackets") == 0 ? g_strdup ("{a} [x] {")
         : strcmp (name, "dkms") == 0     ? g_strdup ("dkms install")
                                          : NULL;
}

static void
test_fill (void)
{
  static const char *const cases[][2] = {
    { "", "" },
    { "No field.", "No field." },
    { "{a}", "1" },
    { "<{a}> and <{b}>", "<1> and <?>" },
    { "x[ {a}] y", "x 1 y" },
    { "x[ {b}] y", "x y" },
    { "x[ {a} {b}] y[ {a}]", "x y 1" },
    { "{b}[ {a}]", "? 1" }, /* a missing value outside of brackets removes nothing */
    { "x[ always] y", "x always y" },
    { "{brackets}[ {brackets}]", "{a} [x] { {a} [x] {" }, /* values are not templates */
    { "{a", "{a" },
    { "[{a}", "[1" },
    { "a} b]", "a} b]" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = dkms_template_fill (cases[i][0], "?", value, "subject");
      g_assert_cmpstr (text, ==, cases[i][1]);
    }
}

static gboolean
is_verb (const char *word)
{
  return strcmp (word, "install") == 0;
}

/* Commands in sentences get the value of --root; this test is the last, because that cannot be undone. */
static void
test_root (void)
{
  static const char *const cases[][2] = {
    { "Run 'dkms install {a}', or dkms install.",
      "Run 'dkms --root '/a b' install 1', or dkms --root '/a b' install." },
    { "dkms install", "dkms --root '/a b' install" },
    { "dkms installs it; my-dkms install; dkms", "dkms installs it; my-dkms install; dkms" },
    { "x[ dkms install {a}] y[ dkms install {b}]", "x dkms --root '/a b' install 1 y" },
    { "depmod {a}, or depmod", "depmod -b '/a b' 1, or depmod" },
    { "{dkms}", "dkms install" }, /* values are not changed */
  };

  g_assert_cmpstr (dkms_template_program (), ==, "dkms");
  dkms_template_set_root ("/a b", is_verb);
  g_assert_cmpstr (dkms_template_program (), ==, "dkms --root '/a b'");
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = dkms_template_fill (cases[i][0], "?", value, "subject");
      g_assert_cmpstr (text, ==, cases[i][1]);
    }
}

static void
test_recall (void)
{
  static const struct {
    const char *text, *filled;
    gboolean fits;
  } cases[] = {
    { "No field.", "No field.", TRUE },
    { "No field.", "No field.\n", FALSE },
    { "Cannot {text} {path}: {errno}", "Cannot read /a: b: no", TRUE },
    { "Cannot {text} {path}: {errno}", "Can read /a: no", FALSE },
    { "{path} is missing: {path}/b", "/a is missing: /a/b", TRUE },
    { "{path} is missing: {path}/b", "/a is missing: /c/b", FALSE },
    { "No log[ of {module}][ for {text}].", "No log for 6.1.", TRUE },
    { "No log[ of {module}][ for {text}].", "No log of a for 6.1.", TRUE },
    { "No log[ of {module}][ for {text}].", "No log of .", FALSE },
    { "(a.c) {text}*", "(a.c) 1\n2*", TRUE },
    { "(a.c) {text}*", "(abc) 1*", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpint (dkms_template_recall (cases[i].text, cases[i].filled), ==, cases[i].fits);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/template/fill", test_fill);
  g_test_add_func ("/template/recall", test_recall);
  g_test_add_func ("/template/root", test_root);
  return g_test_run ();
}
