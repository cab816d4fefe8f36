/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/plain.c reads recipes without bash, and gets the same values as bash. */
#define _GNU_SOURCE
#include "conf/plain.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "conf/evaluate.h"

static const char names[] = "PACKAGE_NAME PACKAGE_VERSION BUILT_MODULE_NAME DEST_MODULE_LOCATION MAKE BUILD_DEPENDS "
                            "BUILD_EXCLUSIVE_KERNEL";
static const char deprecated[] = "CLEAN MODULES_CONF";

/* @plain: whether the text can be read without bash */
static const struct {
  const char *name, *text;
  gboolean plain;
} cases[] = {
  { "empty", "", TRUE },
  { "usual",
    "# A comment with $(code) and `more`\nPACKAGE_NAME=foo\nPACKAGE_VERSION=\"1.0\"\n\nBUILT_MODULE_NAME[0]='foo'\n"
    "DEST_MODULE_LOCATION[0]=/kernel/drivers/misc # there\n",
    TRUE },
  { "variables",
    "PACKAGE_NAME=foo\nMAKE[0]=\"make -C $kernel_source_dir M=${dkms_tree}/$PACKAGE_NAME/$PACKAGE_VERSION "
    "KVER=$kernelver\"\n",
    TRUE },
  { "blanks", "  PACKAGE_NAME=\"a   b\"\t \n\tPACKAGE_VERSION='  x '\nMAKE=\"$PACKAGE_NAME  $PACKAGE_VERSION\"", TRUE },
  { "pieces", "MAKE=a\"b c\"'d  e'$kernelver\"\"''f\n", TRUE },
  { "nothing-given", "PACKAGE_NAME=\nPACKAGE_VERSION=\"\"\nMAKE=''\n", TRUE },
  { "again", "MAKE[1]=b\nMAKE=a\nMAKE[1]=c\nMAKE[12]=d\nPACKAGE_NAME=$MAKE\n", TRUE },
  { "not-set", "MAKE=\"x${BUILD_DEPENDS}y\"\n", TRUE },
  { "hash", "MAKE=\"a#b\" # c\n#d\n", TRUE },
  { "code", "PACKAGE_NAME=$(echo foo)\n", FALSE },
  { "back-quotes", "PACKAGE_NAME=\"`echo foo`\"\n", FALSE },
  { "expanded-once-more", "MAKE='make KERNELRELEASE=$kernelver'\n", FALSE },
  { "backslash", "MAKE=\"a\\\nb\"\n", FALSE },
  { "backslash-at-the-end", "MAKE=a\\\nPACKAGE_NAME=b\n", FALSE },
  { "lines", "MAKE=\"a\nb\"\n", FALSE },
  { "condition", "if [ \"$kernelver\" = 6 ]; then MAKE=a; fi\n", FALSE },
  { "condition-on-one-line", "[ x ] && MAKE=a\n", FALSE },
  { "command", "MAKE=a true\n", FALSE },
  { "two", "MAKE=a PACKAGE_NAME=b\n", FALSE },
  { "semicolon", "MAKE=a; PACKAGE_NAME=b\n", FALSE },
  { "hash-in-a-word", "MAKE=a#b\n", FALSE },
  { "append", "MAKE=a\nMAKE+=b\n", FALSE },
  { "array", "MAKE=(a b)\n", FALSE },
  { "own-variable", "version=1\nPACKAGE_VERSION=$version\n", TRUE },
  { "own-list", "name[1]=a\nname[0]=b\nMAKE=$name\nname[0]=\nPACKAGE_NAME=${name}\n", TRUE },
  { "own-variable-over-one-of-the-query", "arch=other\nMAKE=$arch\n", TRUE },
  { "own-variable-later", "MAKE=$version\nversion=1\n", FALSE },
  { "variable-of-bash", "IFS=a\nMAKE=abc\n", FALSE },
  { "private-variable", "__dkms_fd=1\nMAKE=abc\n", FALSE },
  { "deprecated",
    "CLEAN=\"make -C $kernel_source_dir clean\"\nMODULES_CONF[1]=x\nMAKE=$CLEAN\nPACKAGE_NAME=$MODULES_CONF\n", TRUE },
  { "deprecated-and-harmless", "CLEAN=true\nPACKAGE_NAME=foo\n", TRUE },
  { "of-the-environment", "MAKE=$HOME\n", FALSE },
  { "of-bash", "MAKE=$BASH_VERSION\n", FALSE },
  { "positional", "MAKE=$1\n", FALSE },
  { "default", "MAKE=${MAKE:-a}\n", FALSE },
  { "element", "MAKE[1]=a\nPACKAGE_NAME=${MAKE[1]}\n", FALSE },
  { "length", "MAKE=${#MAKE}\n", FALSE },
  { "octal", "MAKE[010]=a\n", FALSE },
  { "arithmetic", "MAKE[1+1]=a\n", FALSE },
  { "too-many", "MAKE[5000]=a\n", FALSE },
  { "tilde", "MAKE=~\n", FALSE },
  { "tilde-behind-a-colon", "MAKE=a:~root\n", FALSE },
  { "braces", "MAKE={a,b}\n", FALSE },
  { "star", "MAKE=*\n", FALSE },
  { "dollar", "MAKE=\"a$\"\n", FALSE },
  { "dollar-quote", "MAKE=$'a'\n", FALSE },
  { "unclosed", "MAKE=\"a\n", FALSE },
  { "expression", "BUILD_EXCLUSIVE_KERNEL=^6\n", FALSE },
  { "function", "MAKE () { :; }\n", FALSE },
  { "export", "export MAKE=a\n", FALSE },
  { "directive", "DKMS_DIRECTIVE1=MAKE=a\n", FALSE },
  { "redirection", "MAKE=a >/dev/null\n", FALSE },
  { "background", "MAKE=a&\n", FALSE },
  { "name-with-a-digit", "1MAKE=a\n", FALSE },
  { "blank-before", "MAKE =a\n", FALSE },
  { "umlaut", "MAKE=\"\xc3\xa4\"\n", FALSE },
};

typedef struct {
  char *dir;
  DkmsSettings settings;
} Lab;

static void
set_up (Lab *self, gconstpointer data)
{
  (void)data;
  self->dir = g_dir_make_tmp ("dkms-test-XXXXXX", NULL);
  self->settings = (DkmsSettings){ .policy.recipe_timeout = 60, .policy.sandbox = DKMS_SANDBOX_OFF };
  self->settings.places.root = dkms_root_open (NULL, NULL);
}

static void
tear_down (Lab *self, gconstpointer data)
{
  (void)data;
  dkms_root_free (self->settings.places.root);
  g_assert_true (dkms_remove_tree_at (AT_FDCWD, self->dir, NULL));
  g_free (self->dir);
}

static DkmsQuery *
query_of (const Lab *self, const char *name, const char *text)
{
  static const char *const assign[]
      = { "kernelver=6.1.0-1-test", "arch=x86_64", "kernel_source_dir=/lib/modules/a b/build",
          "dkms_tree=/var/lib/dkms", "action=" };
  g_autofree char *path = g_build_filename (self->dir, name, NULL);
  DkmsQuery *query = dkms_query_new ();

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_ptr_array_add (query->files, g_strdup (path));
  query->shown = g_strdup (path);
  for (gsize i = 0; i < G_N_ELEMENTS (assign); i++)
    g_ptr_array_add (query->assign, g_strdup (assign[i]));
  return query;
}

/* Returns: (transfer full): @vars as sorted JSON, followed by the names of deprecated directives */
static char *
dump (const DkmsVars *vars)
{
  json_t *json = dkms_vars_to_json (vars);
  char *dumped = json_dumps (json, JSON_SORT_KEYS);
  GString *text = g_string_new (dumped);

  free (dumped);
  json_decref (json);
  for (guint i = 0; i < vars->deprecated->len; i++)
    g_string_append_printf (text, " %s", ((const DkmsEvent *)vars->deprecated->pdata[i])->name);
  return g_string_free (text, FALSE);
}

/* Returns: (transfer full): the values of @text according to bash, as dump() shows them; "" if bash fails */
static char *
ask_bash (const Lab *self, const char *text)
{
  const DkmsEvaluation how = { .settings = &self->settings, .names = names, .deprecated = deprecated };
  g_autoptr (GPtrArray) queries = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_query_free);
  g_auto (DkmsRemarks) remarks = { 0 };
  g_autofree char *code = g_strconcat (":\n", text, NULL); /* a command, which only bash can read */
  DkmsQuery *query = query_of (self, "dkms.conf", code);

  g_ptr_array_add (queries, query);
  g_assert_true (dkms_evaluate (&how, queries, &remarks, NULL));
  return query->vars != NULL ? dump (query->vars) : g_strdup ("");
}

/* Returns: (transfer full) (nullable): the values according to conf/plain.c; NULL if @text needs bash */
static char *
read_plain (const Lab *self, const char *text)
{
  DkmsQuery *query = query_of (self, "plain.conf", text);
  char *result = NULL;

  dkms_query_read_files (query, self->settings.places.root, names, deprecated);
  g_assert_no_error (query->error);
  if (query->vars != NULL)
    result = dump (query->vars);
  dkms_query_free (query);
  return result;
}

static void
test_cases (Lab *self, gconstpointer data)
{
  (void)data;
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *plain = read_plain (self, cases[i].text);

      g_test_message ("%s", cases[i].name);
      g_assert_cmpint (plain != NULL, ==, cases[i].plain);
      if (plain == NULL)
        continue;
      g_autofree char *bash = ask_bash (self, cases[i].text);
      g_assert_cmpstr (plain, ==, bash);
    }
}

/* Random texts of these pieces: those that are read without bash have the same values in bash. */
static void
test_random (Lab *self, gconstpointer data)
{
  static const char *const pieces[] = { "MAKE",
                                        "PACKAGE_NAME",
                                        "BUILD_DEPENDS",
                                        "version",
                                        "CLEAN",
                                        "=",
                                        "=",
                                        "=",
                                        "[0]",
                                        "[1]",
                                        "[12]",
                                        "\"",
                                        "\"",
                                        "'",
                                        "'",
                                        " ",
                                        "  ",
                                        "\t",
                                        "\n",
                                        "\n",
                                        "#",
                                        "a",
                                        "b/c",
                                        "$MAKE",
                                        "${MAKE}",
                                        "$version",
                                        "${CLEAN}",
                                        "$a",
                                        "$",
                                        "{",
                                        "}",
                                        "$kernelver",
                                        ":",
                                        "+",
                                        "${arch}",
                                        ",",
                                        "%",
                                        "^",
                                        "@",
                                        "-",
                                        ".",
                                        ";",
                                        "\\",
                                        "\r\n",
                                        "\xc3\xa4",
                                        "MAKE=a\n",
                                        "~",
                                        "!",
                                        "[",
                                        "]",
                                        "(",
                                        ")",
                                        "&",
                                        "|" };
  guint compared = 0;

  (void)data;
  for (guint round = 0; compared < 100 && round < 2000000; round++)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      for (gint n = g_test_rand_int_range (1, 5); n > 0; n--)
        {
          g_string_append_printf (text, "%s=", pieces[g_test_rand_int_range (0, 5)]);
          for (gint m = g_test_rand_int_range (0, 6); m > 0; m--)
            g_string_append (text, pieces[g_test_rand_int_range (0, G_N_ELEMENTS (pieces))]);
          g_string_append_c (text, '\n');
        }
      g_autofree char *plain = read_plain (self, text->str);
      if (plain == NULL)
        continue;
      g_autofree char *bash = ask_bash (self, text->str);
      g_test_message ("%s", text->str);
      g_assert_cmpstr (plain, ==, bash);
      compared++;
    }
  g_assert_cmpuint (compared, ==, 100);
}

/* Each line doubles the value. 64 lines would fill the memory. */
static void
test_doubling (Lab *self, gconstpointer data)
{
  g_autoptr (GString) text = g_string_new ("MAKE=aaaaaaaa\n");

  (void)data;
  for (int i = 0; i < 64; i++)
    g_string_append (text, "MAKE=$MAKE$MAKE\n");
  g_autofree char *plain = read_plain (self, text->str);
  g_assert_null (plain);
}

/* Files are evaluated one after the other with the same variables. If one needs bash, all are read by bash. */
static void
test_overrides (Lab *self, gconstpointer data)
{
  static const char *const second[] = { "MAKE=\"$MAKE more\"\n", "[ x ] && MAKE=other\n" };

  (void)data;
  for (gsize i = 0; i < G_N_ELEMENTS (second); i++)
    {
      DkmsQuery *query = query_of (self, "dkms.conf", "MAKE=\"all   of it\"\n");
      g_autofree char *path = g_build_filename (self->dir, "override.conf", NULL);
      g_assert_true (g_file_set_contents (path, second[i], -1, NULL));
      g_ptr_array_add (query->files, g_strdup (path));
      dkms_query_read_files (query, self->settings.places.root, names, deprecated);
      g_assert_cmpint (query->vars != NULL, ==, i == 0);
      if (i == 0)
        g_assert_cmpstr (dkms_vars_get (query->vars, "MAKE", 0), ==, "all of it more");
      dkms_query_free (query);
    }
}

static void
test_directives (Lab *self, gconstpointer data)
{
  (void)data;
  g_assert_true (g_setenv ("DKMS_DIRECTIVE_X", "MAKE=b", TRUE));
  g_autofree char *plain = read_plain (self, "MAKE=a\n");
  g_assert_null (plain);
  g_unsetenv ("DKMS_DIRECTIVE_X");
}

/* Bash would also return a wanted variable that the query sets. */
static void
test_given_values (Lab *self, gconstpointer data)
{
  DkmsQuery *query = query_of (self, "dkms.conf", "PACKAGE_NAME=a\n");

  (void)data;
  g_ptr_array_add (query->assign, g_strdup ("MAKE=given"));
  dkms_query_read_files (query, self->settings.places.root, names, deprecated);
  g_assert_null (query->vars);
  dkms_query_free (query);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/plain/cases", Lab, NULL, set_up, test_cases, tear_down);
  g_test_add ("/plain/random", Lab, NULL, set_up, test_random, tear_down);
  g_test_add ("/plain/doubling", Lab, NULL, set_up, test_doubling, tear_down);
  g_test_add ("/plain/overrides", Lab, NULL, set_up, test_overrides, tear_down);
  g_test_add ("/plain/directives", Lab, NULL, set_up, test_directives, tear_down);
  g_test_add ("/plain/given-values", Lab, NULL, set_up, test_given_values, tear_down);
  return g_test_run ();
}
