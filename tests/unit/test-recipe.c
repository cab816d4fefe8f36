/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <regex.h>
#include <string.h>

#include "conf/recipe.h"

static DkmsKernel kernel
    = { .release = (char *)"6.1.0-56-amd64", .arch = (char *)"x86_64", .source_dir = (char *)"/h" };

/* What bash does when it evaluates a recipe. */
static void
try_expression (DkmsRecipe *self, const char *name, guint index, const char *expression)
{
  static const char *const names[]
      = { "BUILD_EXCLUSIVE_KERNEL", "BUILD_EXCLUSIVE_ARCH", "MAKE_MATCH", "PATCH_MATCH", NULL };
  g_autofree char *key = g_strconcat ("=", name, NULL);
  const char *text = strcmp (name, "BUILD_EXCLUSIVE_ARCH") == 0 ? kernel.arch : kernel.release;
  regex_t regex;
  gboolean found = FALSE;

  if (!g_strv_contains (names, name))
    return;
  if (regcomp (&regex, expression, REG_EXTENDED | REG_NOSUB) == 0)
    {
      found = regexec (&regex, text, 0, NULL, 0) == 0;
      regfree (&regex);
    }
  dkms_recipe_set (self, key, index, found ? "1" : "0");
}

/* "NAME[i]=value" entries, separated by ';' */
static DkmsRecipe *
recipe (const char *text)
{
  DkmsRecipe *self = dkms_recipe_new ("dkms.conf");
  g_auto (GStrv) entries = g_strsplit (text, ";", -1);

  for (char **entry = entries; *entry != NULL && **entry != '\0'; entry++)
    {
      char *equals = strchr (*entry, '='), *bracket = strchr (*entry, '[');
      guint index = bracket != NULL && bracket < equals ? (guint)g_ascii_strtoull (bracket + 1, NULL, 10) : 0;

      *equals = '\0';
      if (index > 0 || (bracket != NULL && bracket < equals))
        *bracket = '\0';
      dkms_recipe_set (self, *entry, index, equals + 1);
      try_expression (self, *entry, index, equals + 1);
    }
  return self;
}

#define ID "PACKAGE_NAME=p;PACKAGE_VERSION=1;"
#define ONE ID "BUILT_MODULE_NAME=a;DEST_MODULE_LOCATION=/extra;"

static const struct {
  const char *name, *text;
  guint plain, strict; /* problems found */
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
  { "max", ONE "BUILD_EXCLUSIVE_KERNEL_MAX=5.19", NULL, TRUE },
  { "arch", ONE "BUILD_EXCLUSIVE_ARCH=arm", NULL, TRUE },
  { "config-missing", ONE "BUILD_EXCLUSIVE_CONFIG=CONFIG_A !CONFIG_B", "CONFIG_B=y\n", TRUE },
  { "config-fits", ONE "BUILD_EXCLUSIVE_CONFIG=CONFIG_A !CONFIG_B", "CONFIG_A=m\n", FALSE },
  { "config-absent-file", ONE "BUILD_EXCLUSIVE_CONFIG=CONFIG_A", NULL, FALSE },
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
      g_autoptr (GPtrArray) plain = dkms_recipe_check (r, FALSE);
      g_autoptr (GPtrArray) strict = dkms_recipe_check (r, TRUE);

      g_test_message ("%s", checks[i].name);
      g_assert_cmpuint (plain->len, ==, checks[i].plain);
      g_assert_cmpuint (strict->len, ==, checks[i].strict);
    }
}

static void
test_exclusive (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (exclusives); i++)
    {
      g_autoptr (DkmsRecipe) r = recipe (exclusives[i].text);

      g_test_message ("%s", exclusives[i].name);
      g_assert_cmpint (dkms_recipe_excluded (r, &kernel, exclusives[i].config), ==, exclusives[i].excluded);
    }
}

static void
test_make (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (makes); i++)
    {
      g_autoptr (DkmsRecipe) r = recipe (makes[i].text);
      g_autofree char *make = dkms_recipe_make (r, &kernel, "/b", FALSE);
      g_autofree char *line = dkms_recipe_inject (make, "4", kernel.release);

      g_assert_cmpstr (line, ==, makes[i].line);
    }
}

static const struct {
  const char *make, *line;
} llvms[] = {
  { "", "make -C /h M=/b LLVM=1" },
  { "make", "make LLVM=1" },
  { "make -C x all", "make -C x all LLVM=1" },
  { "'make' -j1", "'make' -j1 LLVM=1" },
  { "make a; cd ..", "make a LLVM=1; cd .." },
  { "make a;make b && make c || true", "make a LLVM=1;make b LLVM=1 && make c LLVM=1 || true" },
  { "cd src && make -C /h", "cd src && make -C /h LLVM=1" },
  { "(cd src; make all) | tee log", "(cd src; make all LLVM=1) | tee log" },
  { "make all # quietly", "make all LLVM=1 # quietly" },
  { "make a#b", "make a#b LLVM=1" },
  { "make > log 2>&1; true", "make > log 2>&1 LLVM=1; true" },
  { "make &>log && true", "make &>log LLVM=1 && true" },
  { "make >|log; true", "make >|log LLVM=1; true" },
  { "A=1 B='x y' make a; true", "A=1 B='x y' make a LLVM=1; true" },
  { "env -u CC A=1 /usr/bin/make a; true", "env -u CC A=1 /usr/bin/make a LLVM=1; true" },
  { "env A=1 /usr/bin/make a; true", "env A=1 /usr/bin/make a LLVM=1; true" },
  { "nice make a; true", "nice make a LLVM=1; true" },
  { "for d in a make; do make -C $d; done", "for d in a make; do make -C $d LLVM=1; done" },
  { "if make a; then true; fi", "if make a LLVM=1; then true; fi" },
  { "echo make; ./build.sh", "echo make; ./build.sh LLVM=1" }, /* as the reference: no make of ours */
  { "./build.sh", "./build.sh LLVM=1" },
  { "make CFLAGS='-a; -b' X=\"a;b\" Y=$(echo a; echo b) Z=`a;b`; true",
    "make CFLAGS='-a; -b' X=\"a;b\" Y=$(echo a; echo b) Z=`a;b` LLVM=1; true" },
  { "make X=\"$(make -s \"a;b\")\" \\;x ${A:-b;c} \"it's;\"; true",
    "make X=\"$(make -s \"a;b\")\" \\;x ${A:-b;c} \"it's;\" LLVM=1; true" },
  { "make 'open", "make 'open LLVM=1" },
  { "make &", "make LLVM=1 &" },
  { "make ; ", "make LLVM=1 ; " },
  { " make", " make LLVM=1" },
};

static void
test_llvm (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (llvms); i++)
    {
      g_autoptr (DkmsRecipe) r = dkms_recipe_new ("x");
      g_autofree char *line = NULL;

      dkms_recipe_set (r, "MAKE", 0, llvms[i].make);
      line = dkms_recipe_make (r, &kernel, "/b", TRUE);
      g_assert_cmpstr (line, ==, llvms[i].line);
    }
}

/* Deeper than any stack. */
static void
test_nesting (void)
{
  static const char *const pieces[] = { "$(", "${", "\"`", "'$(", "\\$(" };

  for (gsize i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      g_autoptr (DkmsRecipe) r = dkms_recipe_new ("x");
      g_autoptr (GString) text = g_string_new ("make ");
      g_autofree char *line = NULL;

      while (text->len < 1 << 20)
        g_string_append (text, pieces[i]);
      dkms_recipe_set (r, "MAKE", 0, text->str);
      g_string_append (text, " LLVM=1");
      line = dkms_recipe_make (r, &kernel, "/b", TRUE);
      g_assert_cmpuint (strlen (line), ==, text->len);
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
  g_assert_false (b->strip); /* as record 0 says */
  g_assert_cmpstr (((DkmsOutput *)debian->pdata[1])->dest_location, ==, "/updates/dkms");
}

static void
test_placeholder (void)
{
  static const char *const bad[] = { "#MODULE_VERSION#", "1.0#2", "@PKGVER@", "1-@VERSION@-2", "%VERSION%", "@1@VER@" };
  static const char *const good[]
      = { "", "1.0", "1.0~git20200101.1.abc+deb12u1", "1@2", "@@", "5%", "50%-60%", "r1@x.y@" };

  for (gsize i = 0; i < G_N_ELEMENTS (bad) + G_N_ELEMENTS (good); i++)
    {
      g_autoptr (DkmsRecipe) r = dkms_recipe_new ("x");
      gboolean is_bad = i < G_N_ELEMENTS (bad);
      g_autofree char *said = NULL;

      dkms_recipe_set (r, "PACKAGE_VERSION", 0, is_bad ? bad[i] : good[i - G_N_ELEMENTS (bad)]);
      said = dkms_recipe_placeholder (r);
      g_test_message ("%s", dkms_recipe_get (r, "PACKAGE_VERSION", 0));
      g_assert_cmpint (said != NULL, ==, is_bad);
    }
}

static const struct {
  const char *value, *folded;
} folds[] = {
  { "", "" },
  { "make", "make" },
  { "make  \t a", "make a" },
  { "\n  make\n    -C /h\n\n\tM=/b\n", " make -C /h M=/b " },
  { "a 'b  c' \"d\n e\"", "a 'b c' \"d e\"" }, /* quotes do not matter */
  { "a\rb\vc", "a\rb\vc" },
  { " \n\t", " " },
};

static void
test_folding (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (folds); i++)
    {
      g_autoptr (DkmsRecipe) r = dkms_recipe_new ("x");

      dkms_recipe_set_folded (r, "MAKE", 0, folds[i].value);
      g_assert_cmpstr (dkms_recipe_get (r, "MAKE", 0), ==, folds[i].folded);
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
  { "/updates/../../../x", "/x", "../build/sub", "sub/" }, /* refused, but nothing may get out even so */
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

static void
test_json (void)
{
  g_autoptr (DkmsRecipe) r = recipe ("PATCH[0]=a;PATCH[2]=c");
  json_t *json = dkms_recipe_to_json (r);
  g_autoptr (DkmsRecipe) again = dkms_recipe_from_json ("x", json);

  g_assert_cmpuint (dkms_recipe_count (again, "PATCH"), ==, 3);
  g_assert_cmpstr (dkms_recipe_get (again, "PATCH", 1), ==, "");
  g_assert_cmpstr (dkms_recipe_get (again, "PATCH", 2), ==, "c");
  json_decref (json);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/recipe/check", test_checks);
  g_test_add_func ("/recipe/exclusive", test_exclusive);
  g_test_add_func ("/recipe/make", test_make);
  g_test_add_func ("/recipe/llvm", test_llvm);
  g_test_add_func ("/recipe/nesting", test_nesting);
  g_test_add_func ("/recipe/patches", test_patches);
  g_test_add_func ("/recipe/outputs", test_outputs);
  g_test_add_func ("/recipe/placeholder", test_placeholder);
  g_test_add_func ("/recipe/folding", test_folding);
  g_test_add_func ("/recipe/locations", test_locations);
  g_test_add_func ("/recipe/json", test_json);
  return g_test_run ();
}
