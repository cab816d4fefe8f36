/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arguments of script directives. */
#include "install/script.h"

static const struct {
  const char *text, *words[5];
} cases[] = {
  { "", { NULL } },
  { " a  b ", { "a", "b" } },
  { " 'two words' \"and more\" x", { "two words", "and more", "x" } },
  { " --key=\"a b\"c'd e'", { "--key=a bcd e" } },
  { " '' \"\" x\"\"", { "", "", "x" } },
  { " it's", { "it's" } }, /* an unmatched quote is literal, as in the reference */
  { " \"a b", { "\"a", "b" } },
  { " it\\'s \\\"x\\\"", { "it's", "\"x\"" } },
  { " 'it\\' \"a\\\"b\"", { "it\\", "a\"b" } }, /* a backslash between single quotes is literal */
  { " a\\b \\n", { "a\\b", "\\n" } },           /* other backslashes are kept */
  { " $HOME `id` $(id) ~ {a,b}", { "$HOME", "`id`", "$(id)", "~", "{a,b}" } },
  { " a;id &&id >x |y", { "a;id", "&&id", ">x", "|y" } },
  { " /e[s]c /r?ot/no* '/etc*' \"/[e]tc\"", { "/e[s]c", "/r?ot/no*", "/etc*", "/[e]tc" } },
  { " /et[a-d] /e?c/host[n]ame", { "/etc", "/etc/hostname" } },
  { " -n !x ^y", { "-n", "!x", "^y" } },
};

/* bash must read the quoted line as the same arguments. */
static void
test_arguments (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *arguments = dkms_script_arguments (cases[i].text);
      g_autofree char *line = g_strdup_printf ("for x in %s; do printf '%%s\\n' \"$x\"; done", arguments);
      const char *argv[] = { "/bin/bash", "-p", "-c", line, NULL };
      g_autoptr (GString) expected = g_string_new (NULL);
      g_autofree char *out = NULL;
      g_autoptr (GError) error = NULL;

      for (guint w = 0; w < G_N_ELEMENTS (cases[i].words) && cases[i].words[w] != NULL; w++)
        g_string_append_printf (expected, "%s\n", cases[i].words[w]);
      g_spawn_sync ("/", (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, NULL, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpstr (out, ==, expected->str);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/script/arguments", test_arguments);
  return g_test_run ();
}
