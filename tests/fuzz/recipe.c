/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: the text of a .recipe.json, which contains the values of a dkms.conf. It is in the tree or in an archive; the
 * confined bash that reads a dkms.conf returns the same values.
 * Findings: a crash; a recipe that passes the checks and places a module outside of the directory of the kernel; a
 * recipe that differs after it was written and read again. */
#include <string.h>

#include "conf/make-line.h"
#include "conf/recipe.h"
#include "fuzz.h"

/* Checks the name of an installed module, and its directory below that of the kernel. */
static void
assert_inside (const DkmsOutput *output)
{
  g_autofree char *path = g_strconcat ("/lib/modules/k", output->dest_location, "/", output->dest_name, NULL);
  g_autofree char *plain = g_strconcat ("/lib/modules/k", output->conf_location, "/", output->dest_name, NULL);
  g_autofree char *built = g_strconcat ("/build/", output->built_location, output->built_name, NULL);
  g_autofree char *a = g_canonicalize_filename (path, NULL), *b = g_canonicalize_filename (plain, NULL),
                  *c = g_canonicalize_filename (built, NULL);

  g_assert (g_str_has_prefix (a, "/lib/modules/k/"));
  g_assert (g_str_has_prefix (b, "/lib/modules/k/"));
  g_assert (g_str_has_prefix (c, "/build/"));
}

static void
use (const DkmsRecipe *recipe, const DkmsKernel *kernel, gboolean good)
{
  static const char config[] = "CONFIG_X=y\nCONFIG_Y=m\n";
  g_autoptr (GPtrArray) outputs = dkms_recipe_outputs (recipe, kernel, NULL, config);
  g_autoptr (GPtrArray) moved = dkms_recipe_outputs (recipe, kernel, "/updates/dkms", NULL);
  g_autoptr (GPtrArray) patches = dkms_recipe_patches (recipe);
  g_autoptr (DkmsEvent) placeholder = dkms_recipe_placeholder (recipe);
  g_autofree char *make = dkms_recipe_make (recipe, kernel, "/build", FALSE);
  g_autofree char *llvm = dkms_recipe_make (recipe, kernel, "/build", TRUE);
  g_autofree char *injected = dkms_make_line_inject (make, "4", "6.1.0");

  g_autofree char *why = NULL;
  g_assert ((dkms_recipe_excluded (recipe, kernel, config, &why) != NULL) == (why != NULL));
  for (guint i = 0; i < recipe->problems->len; i++)
    {
      g_autofree char *sentence = dkms_problem_describe (recipe->problems->pdata[i]);
      g_assert (*sentence != '\0');
    }
  g_assert (good == dkms_recipe_is_valid (recipe, FALSE) && patches->len <= recipe->patches->len);
  g_assert (recipe->depends != NULL && g_str_has_prefix (injected, "make") == g_str_has_prefix (make, "make"));
  g_assert (placeholder == NULL || placeholder->text != NULL);
  for (guint i = 0; good && i < outputs->len; i++)
    {
      assert_inside (outputs->pdata[i]);
      assert_inside (moved->pdata[i]);
    }
  g_assert (strlen (llvm) > strlen (make) || strcmp (make, llvm) == 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static DkmsKernel kernel = { .release = (char *)"6.1.0-1-amd64",
                               .arch = (char *)"x86_64",
                               .dir = (char *)"/lib/modules/6.1.0-1-amd64",
                               .source_dir = (char *)"/usr/src/linux",
                               .config = (char *)"/usr/src/linux/.config" };
  json_t *json = NULL, *again = NULL, *third = NULL;
  g_autoptr (DkmsRecipe) kept = NULL;
  DkmsVars *vars;

  fuzz_begin ();
  json = json_loadb ((const char *)data, size, 0, NULL);
  kept = dkms_recipe_from_json ("/tree/m/1/k/a/.recipe.json", json, NULL);
  vars = dkms_vars_from_json ("/tree/m/1/k/a/.recipe.json", json);
  g_assert (kept == NULL || vars != NULL);
  if (vars != NULL)
    {
      g_autoptr (DkmsRecipe) recipe = dkms_recipe_new (vars);
      g_autoptr (DkmsVars) second = NULL;

      use (recipe, &kernel, kept != NULL);
      again = dkms_vars_to_json (recipe->vars);
      second = dkms_vars_from_json (recipe->path, again);
      third = dkms_vars_to_json (second);
      g_assert (json_equal (third, again));
      json_decref (third);
      json_decref (again);
    }
  json_decref (json);
  return 0;
}
