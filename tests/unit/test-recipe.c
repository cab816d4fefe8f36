/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recipes: values, problems, MAKE lines and placeholders. */
#include <string.h>

#include "base/error.h"
#include "conf/make-line.h"
#include "conf/recipe.h"

static DkmsKernel kernel
    = { .release = (char *)"6.1.0-56-amd64", .arch = (char *)"x86_64", .source_dir = (char *)"/h" };

/* "NAME[i]=value" entries, separated by ';' */
static DkmsRecipe *
recipe (const char *text)
{
  DkmsVars *vars = dkms_vars_new ("dkms.conf");
  g_auto (GStrv) entries = g_strsplit (text, ";", -1);

  for (char **entry = entries; *entry != NULL && **entry != '\0'; entry++)
    {
      char *equals = strchr (*entry, '='), *bracket = strchr (*entry, '[');
      guint index = bracket != NULL && bracket < equals ? (guint)g_ascii_strtoull (bracket + 1, NULL, 10) : 0;

      *equals = '\0';
      if (index > 0 || (bracket != NULL && bracket < equals))
        *bracket = '\0';
      dkms_vars_set (vars, *entry, index, equals + 1);
      dkms_vars_try_match (vars, *entry, index, kernel.release, kernel.arch); /* driver.bash does this in a run */
    }
  return dkms_recipe_new (vars);
}

#define ID "PACKAGE_NAME=p;PACKAGE_VERSION=1;"
#define ONE ID "BUILT_MODULE_NAME=a;DEST_MODULE_LOCATION=/extra;"

static const struct {
  const char *name, *text;
  guint plain, strict; /* numbers of expected problems */
} checks[] = {
  { "valid", ONE, 0, 0 },
  { "empty", "", 2, 2 },
  { "default-name", ID "DEST_MODULE_LOCATION=/kernel/x", 0, 0 },
  { "no-records", ID, 0, 0 },
  { "suffix", ID "BUILT_MODULE_NAME=a.ko;DEST_MODULE_NAME=b.o;DEST_MODULE_LOCATION=/extra", 2, 2 },
  { "no-location", ID "BUILT_MODULE_NAME=a", 1, 1 },
  { "bad-location", ID "BUILT_MODULE_NAME=a;DEST_MODULE_LOCATION=/usr", 1, 1 },
  { "prefix-is-plain", ID "BUILT_MODULE_NAME=a;DEST_MODULE_LOCATION=/updatesfoo", 0, 0 },
  { "leads-away", ID "BUILT_MODULE_NAME=a;DEST_MODULE_LOCATION=/updates/../../etc", 1, 1 },
  { "leads-away-and-back", ID "BUILT_MODULE_NAME=a;DEST_MODULE_LOCATION=/updates/../../etc/updates", 1, 1 },
  { "stays-inside", ID "BUILT_MODULE_NAME=a;DEST_MODULE_LOCATION=/kernel/../x/", 0, 0 },
  { "dots-of-a-name", ID "BUILT_MODULE_NAME=a;DEST_MODULE_LOCATION=/extra/..x/...", 0, 0 },
  { "slash-in-the-name", ID "BUILT_MODULE_NAME=d/a;DEST_MODULE_LOCATION=/extra", 1, 1 },
  { "control-character", ID "BUILT_MODULE_NAME=a;DEST_MODULE_NAME=b\x1b[2J;DEST_MODULE_LOCATION=/extra", 1, 1 },
  { "slash-in-the-built-name", ID "BUILT_MODULE_NAME=d/a;DEST_MODULE_NAME=a;DEST_MODULE_LOCATION=/extra", 0, 0 },
  { "built-outside", ONE "BUILT_MODULE_LOCATION=../other/x", 1, 1 },
  { "built-outside-by-name", ID "BUILT_MODULE_NAME=../a;DEST_MODULE_NAME=a;DEST_MODULE_LOCATION=/extra", 1, 1 },
  { "built-inside", ONE "BUILT_MODULE_LOCATION=x/../y/", 0, 0 },
  { "built-and-back", ONE "BUILT_MODULE_LOCATION=../build/y", 0, 0 },
  { "gap-is-a-record",
    ID "BUILT_MODULE_NAME[0]=a;DEST_MODULE_LOCATION[0]=/extra;BUILT_MODULE_NAME[2]=c;DEST_MODULE_LOCATION[2]=/extra", 2,
    2 },
  { "duplicates",
    ID "BUILT_MODULE_NAME[0]=a;DEST_MODULE_LOCATION[0]=/extra;BUILT_MODULE_NAME[1]=a;DEST_MODULE_LOCATION[1]=/extra", 0,
    2 },
  { "one-name-for-two",
    ID "BUILT_MODULE_NAME[0]=a;DEST_MODULE_LOCATION[0]=/extra;BUILT_MODULE_NAME[1]=b;DEST_MODULE_NAME[1]=a;"
       "DEST_MODULE_LOCATION[1]=/extra",
    0, 1 },
  { "booleans", ONE "AUTOINSTALL=maybe;NO_WEAK_MODULES=YES;BUILD_DEPENDS_REBUILD=1", 2, 2 },
};

static const struct {
  const char *name, *text, *config;
  gboolean excluded;
} exclusives[] = {
  { "none", ONE, NULL, FALSE },
  { "regex", ONE "BUILD_EXCLUSIVE_KERNEL=^5\\.", NULL, TRUE },
  { "regex-hit", ONE "BUILD_EXCLUSIVE_KERNEL=^6\\.1", NULL, FALSE },
  { "bad-regex", ONE "BUILD_EXCLUSIVE_KERNEL=(", NULL, TRUE },
  { "min", ONE "BUILD_EXCLUSIVE_KERNEL_MIN=6.2", NULL, TRUE },
  { "min-itself", ONE "BUILD_EXCLUSIVE_KERNEL_MIN=6.1.0-56-amd64", NULL, FALSE },
  { "min-next", ONE "BUILD_EXCLUSIVE_KERNEL_MIN=6.1.0-57-amd64", NULL, TRUE },
  { "max", ONE "BUILD_EXCLUSIVE_KERNEL_MAX=5.19", NULL, TRUE },
  { "max-itself", ONE "BUILD_EXCLUSIVE_KERNEL_MAX=6.1.0-56-amd64", NULL, FALSE },
  { "max-before", ONE "BUILD_EXCLUSIVE_KERNEL_MAX=6.1.0-55-amd64", NULL, TRUE },
  { "obsolete", ONE "OBSOLETE_BY=6.0", NULL, TRUE },
  { "obsolete-later", ONE "OBSOLETE_BY=6.2", NULL, FALSE },
  { "obsolete-beside-a-max", ONE "OBSOLETE_BY=6.0;BUILD_EXCLUSIVE_KERNEL_MAX=6.2", NULL, FALSE },
  { "arch", ONE "BUILD_EXCLUSIVE_ARCH=arm", NULL, TRUE },
  { "config-missing", ONE "BUILD_EXCLUSIVE_CONFIG=CONFIG_A !CONFIG_B", "CONFIG_B=y\n", TRUE },
  { "config-fits", ONE "BUILD_EXCLUSIVE_CONFIG=CONFIG_A !CONFIG_B", "CONFIG_A=m\n", FALSE },
  { "config-absent-file", ONE "BUILD_EXCLUSIVE_CONFIG=CONFIG_A", NULL, FALSE },
  { "config-empty-name", ONE "BUILD_EXCLUSIVE_CONFIG=CONFIG_A !", "CONFIG_A=m\n", FALSE },
  { "zero-records", ID "BUILD_EXCLUSIVE_KERNEL=^5", NULL, TRUE }, /* Q-39 */
  { "some-left", ONE "BUILT_MODULE_NAME[1]=b;DEST_MODULE_LOCATION[1]=/extra;BUILD_EXCLUSIVE_KERNEL_MIN[1]=7", NULL,
    FALSE },
  { "pinned-q29", ONE "BUILT_MODULE_NAME[1]=b;BUILD_EXCLUSIVE_KERNEL_MAX[0]=3.99;BUILD_EXCLUSIVE_KERNEL_MIN[1]=5.0",
    NULL, TRUE },
};

static const struct {
  const char *text, *line;
} makes[] = {
  { "", "make -j4 KERNELRELEASE=6.1.0-56-amd64 -C /h M=/b" },
  { "MAKE=make all", "make -j4 KERNELRELEASE=6.1.0-56-amd64 all" },
  { "MAKE='make' all", "'make' all" },
  { "MAKE=makepkg", "makepkg" },
  { "MAKE[1]=make one;MAKE_MATCH[1]=^6", "make -j4 KERNELRELEASE=6.1.0-56-amd64 one" },
  { "MAKE=make zero;MAKE_MATCH=^5;MAKE[1]=never", "make -j4 KERNELRELEASE=6.1.0-56-amd64 -C /h M=/b" },
  { "MAKE=make zero;MAKE[3]=make three;MAKE_MATCH[3]=amd64$",
    "make -j4 KERNELRELEASE=6.1.0-56-amd64 three" }, /* Q-27 */
};

static void
test_checks (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (checks); i++)
    {
      g_autoptr (DkmsRecipe) r = recipe (checks[i].text);
      guint plain = 0;

      g_test_message ("%s", checks[i].name);
      for (guint p = 0; p < r->problems->len; p++)
        plain += !((const DkmsProblem *)r->problems->pdata[p])->strict;
      g_assert_cmpuint (plain, ==, checks[i].plain);
      g_assert_cmpuint (r->problems->len, ==, checks[i].strict);
      g_assert_cmpint (dkms_recipe_is_valid (r, FALSE), ==, checks[i].plain == 0);
      g_assert_cmpint (dkms_recipe_is_valid (r, TRUE), ==, checks[i].strict == 0);
    }
}

static void
test_exclusive (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (exclusives); i++)
    {
      g_autoptr (DkmsRecipe) r = recipe (exclusives[i].text);

      g_test_message ("%s", exclusives[i].name);
      g_assert_cmpint (dkms_recipe_excluded (r, &kernel, exclusives[i].config, NULL) != NULL, ==,
                       exclusives[i].excluded);
    }
}

static void
test_make (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (makes); i++)
    {
      g_autoptr (DkmsRecipe) r = recipe (makes[i].text);
      g_autofree char *make = dkms_recipe_make (r, &kernel, "/b", FALSE);
      g_autofree char *line = dkms_make_line_inject (make, "4", kernel.release);

      g_assert_cmpstr (line, ==, makes[i].line);
    }
}

static void
test_patches (void)
{
  g_autoptr (DkmsRecipe) r = recipe ("PATCH[0]=a;PATCH[2]=c;PATCH_MATCH[2]=^6;PATCH[3]=d;PATCH_MATCH[3]=^5");
  g_autoptr (GPtrArray) patches = dkms_recipe_patches (r);

  g_assert_cmpuint (patches->len, ==, 2);
  g_assert_cmpstr (patches->pdata[1], ==, "c");
}

static void
test_outputs (void)
{
  g_autoptr (DkmsRecipe) r
      = recipe (ONE "BUILT_MODULE_LOCATION=sub;STRIP=no;BUILT_MODULE_NAME[1]=b;DEST_MODULE_NAME[1]=c;"
                    "DEST_MODULE_LOCATION[1]=/kernel/x");
  g_autoptr (GPtrArray) own = dkms_recipe_outputs (r, &kernel, NULL, NULL);
  g_autoptr (GPtrArray) debian = dkms_recipe_outputs (r, &kernel, "/updates/dkms", NULL);
  const DkmsOutput *a = own->pdata[0], *b = own->pdata[1];

  g_assert_cmpstr (a->built_location, ==, "sub/");
  g_assert_cmpstr (b->dest_name, ==, "c");
  g_assert_cmpstr (b->dest_location, ==, "/kernel/x");
  g_assert_false (b->strip); /* from record 0 */
  g_assert_cmpstr (((DkmsOutput *)debian->pdata[1])->dest_location, ==, "/updates/dkms");
  g_assert_false (a->excluded || b->excluded);
}

/* A module that is excluded for the kernel is not an expected output of the build. */
static void
test_excluded_outputs (void)
{
  g_autoptr (DkmsRecipe) one = recipe (ONE "BUILT_MODULE_NAME[1]=b;BUILD_EXCLUSIVE_KERNEL_MIN[1]=7");
  g_autoptr (DkmsRecipe) all = recipe (ONE "BUILT_MODULE_NAME[1]=b;BUILD_EXCLUSIVE_KERNEL_MIN=7");
  g_autoptr (GPtrArray) of_one = dkms_recipe_outputs (one, &kernel, NULL, NULL);
  g_autoptr (GPtrArray) of_all = dkms_recipe_outputs (all, &kernel, NULL, NULL);

  g_assert_false (((DkmsOutput *)of_one->pdata[0])->excluded);
  g_assert_true (((DkmsOutput *)of_one->pdata[1])->excluded);
  g_assert_true (((DkmsOutput *)of_all->pdata[0])->excluded);
  g_assert_true (((DkmsOutput *)of_all->pdata[1])->excluded);
}

static void
test_placeholder (void)
{
  static const char *const bad[] = { "#MODULE_VERSION#", "1.0#2", "@PKGVER@", "1-@VERSION@-2", "%VERSION%", "@1@VER@" };
  static const char *const good[]
      = { "", "1.0", "1.0~git20200101.1.abc+deb12u1", "1@2", "@@", "5%", "50%-60%", "r1@x.y@" };

  for (gsize i = 0; i < G_N_ELEMENTS (bad) + G_N_ELEMENTS (good); i++)
    {
      gboolean is_bad = i < G_N_ELEMENTS (bad);
      g_autofree char *text = g_strconcat ("PACKAGE_VERSION=", is_bad ? bad[i] : good[i - G_N_ELEMENTS (bad)], NULL);
      g_autoptr (DkmsRecipe) r = recipe (text);
      g_autoptr (DkmsEvent) event = dkms_recipe_placeholder (r);

      g_test_message ("%s", r->version);
      g_assert_cmpint (event != NULL, ==, is_bad);
    }
}

static const struct {
  const char *dest, *is, *built, *below;
} locations[] = {
  { "/kernel/drivers/misc", "/kernel/drivers/misc", "", "" },
  { "/kernel/drivers/misc/", "/kernel/drivers/misc", "sub", "sub/" },
  { "/kernel/../x/", "/x", "sub/", "sub/" },
  { "/updates//a/./b//", "/updates/a/b", "./sub//deep", "sub/deep/" },
  { "/kernel/../", "/", "sub/../other", "other/" },
  { "/updates/../../../x", "/x", "../build/sub", "sub/" }, /* refused elsewhere; the path stays inside nevertheless */
  { "/extra", "/extra", "../../x", "" },
};

static void
test_locations (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (locations); i++)
    {
      g_autofree char *text
          = g_strdup_printf (ID "BUILT_MODULE_NAME=a;DEST_MODULE_LOCATION=%s;BUILT_MODULE_LOCATION=%s",
                             locations[i].dest, locations[i].built);
      g_autoptr (DkmsRecipe) r = recipe (text);
      g_autoptr (GPtrArray) outputs = dkms_recipe_outputs (r, &kernel, NULL, NULL);
      const DkmsOutput *output = outputs->pdata[0];

      g_assert_cmpstr (output->dest_location, ==, locations[i].is);
      g_assert_cmpstr (output->conf_location, ==, locations[i].is);
      g_assert_cmpstr (output->built_location, ==, locations[i].below);
    }
}

static const struct {
  const char *text;
  DkmsProblemKind kind;
  const char *sentence;
} problems[] = {
  { "PACKAGE_VERSION=1", DKMS_PROBLEM_MISSING, "PACKAGE_NAME is missing" },
  { ID "BUILT_MODULE_NAME[1]=a;DEST_MODULE_LOCATION=/extra;DEST_MODULE_LOCATION[1]=/extra", DKMS_PROBLEM_NO_BUILT_NAME,
    "BUILT_MODULE_NAME[0] is missing" },
  { ID "BUILT_MODULE_NAME=a.ko;DEST_MODULE_NAME=a;DEST_MODULE_LOCATION=/extra", DKMS_PROBLEM_SUFFIX,
    "BUILT_MODULE_NAME[0]=\"a.ko\" must not end in .o or .ko" },
  { ID "BUILT_MODULE_NAME=a", DKMS_PROBLEM_NO_LOCATION, "DEST_MODULE_LOCATION[0] is missing" },
  { ID "BUILT_MODULE_NAME=a;DEST_MODULE_LOCATION=/usr", DKMS_PROBLEM_PREFIX,
    "DEST_MODULE_LOCATION[0]=\"/usr\" must start with /kernel, /updates or /extra" },
  { ID "BUILT_MODULE_NAME=a;DEST_MODULE_LOCATION=/extra/../..", DKMS_PROBLEM_LEAVES_KERNEL,
    "DEST_MODULE_LOCATION[0]=\"/extra/../..\" leads out of the kernel's module directory" },
  { ID "BUILT_MODULE_NAME=a;DEST_MODULE_NAME=b\033;DEST_MODULE_LOCATION=/extra", DKMS_PROBLEM_CONTROL,
    "DEST_MODULE_NAME[0]=\"b\\033\" contains a control character" },
  { ID "BUILT_MODULE_NAME=a;DEST_MODULE_NAME=b/c;DEST_MODULE_LOCATION=/extra", DKMS_PROBLEM_SLASH,
    "DEST_MODULE_NAME[0]=\"b/c\" must not contain a slash" },
  { ONE "BUILT_MODULE_LOCATION=../x", DKMS_PROBLEM_LEAVES_BUILD,
    "BUILT_MODULE_LOCATION[0]=\"../x\" leads out of the build directory" },
  { ONE "BUILT_MODULE_NAME[1]=a;DEST_MODULE_NAME[1]=b;DEST_MODULE_LOCATION[1]=/extra", DKMS_PROBLEM_LISTED_TWICE,
    "module a is listed twice" },
  { ONE "BUILT_MODULE_NAME[1]=b;DEST_MODULE_NAME[1]=a;DEST_MODULE_LOCATION[1]=/extra", DKMS_PROBLEM_SAME_NAME,
    "two modules would be installed as a" },
  { ONE "AUTOINSTALL=maybe", DKMS_PROBLEM_BOOLEAN, "AUTOINSTALL=\"maybe\" must be yes or no" },
};

static void
test_problems (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (problems); i++)
    {
      g_autoptr (DkmsRecipe) r = recipe (problems[i].text);
      g_autofree char *sentence = NULL;

      g_test_message ("%s", problems[i].sentence);
      g_assert_cmpuint (r->problems->len, ==, 1);
      g_assert_cmpint (((const DkmsProblem *)r->problems->pdata[0])->kind, ==, problems[i].kind);
      sentence = dkms_problem_describe (r->problems->pdata[0]);
      g_assert_cmpstr (sentence, ==, problems[i].sentence);
    }
}

static void
test_values (void)
{
  g_autoptr (DkmsRecipe) r = recipe (ONE "AUTOINSTALL=YES;NO_WEAK_MODULES=no;BUILD_DEPENDS= b  c;BUILD_DEPENDS[2]=d;"
                                         "POST_ADD=hello.sh -x;OBSOLETE_BY=6.5");

  g_assert_cmpstr (r->name, ==, "p");
  g_assert_cmpstr (r->version, ==, "1");
  g_assert_true (r->autoinstall);
  g_assert_false (r->no_weak_modules);
  g_assert_false (r->rebuilds_with_depends);
  g_assert_cmpuint (g_strv_length (r->depends), ==, 3);
  g_assert_cmpstr (r->depends[2], ==, "d");
  g_assert_cmpstr (r->scripts[DKMS_SCRIPT_POST_ADD], ==, "hello.sh -x");
  g_assert_cmpstr (r->scripts[DKMS_SCRIPT_POST_REMOVE], ==, "");
  g_assert_cmpstr (r->obsoleted, ==, "6.5");
}

static void
test_json (void)
{
  g_autoptr (DkmsRecipe) r = recipe (ONE);
  g_autoptr (GError) error = NULL;
  json_t *json = dkms_vars_to_json (r->vars);
  g_autoptr (DkmsRecipe) again = dkms_recipe_from_json ("x", json, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (again->name, ==, "p");
  json_object_del (json, "PACKAGE_NAME");
  g_assert_null (dkms_recipe_from_json ("x", json, &error));
  g_assert_error (error, DKMS_ERROR, DKMS_ERROR_BAD_RECIPE);
  g_assert_cmpstr (error->message, ==, "PACKAGE_NAME is missing");
  json_decref (json);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/recipe/check", test_checks);
  g_test_add_func ("/recipe/exclusive", test_exclusive);
  g_test_add_func ("/recipe/make", test_make);
  g_test_add_func ("/recipe/patches", test_patches);
  g_test_add_func ("/recipe/outputs", test_outputs);
  g_test_add_func ("/recipe/excluded-outputs", test_excluded_outputs);
  g_test_add_func ("/recipe/placeholder", test_placeholder);
  g_test_add_func ("/recipe/locations", test_locations);
  g_test_add_func ("/recipe/problems", test_problems);
  g_test_add_func ("/recipe/values", test_values);
  g_test_add_func ("/recipe/json", test_json);
  return g_test_run ();
}
