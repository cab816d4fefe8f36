/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: the text of a .recipe.json, the values of a dkms.conf. A build's recipe lies in the tree or comes with an
 * archive; the same values come from the confined bash that reads a package's dkms.conf.
 * A finding: a crash; a recipe that passes the checks and puts a module outside of the kernel's directory; a recipe
 * that is another one after it was written and read again. */
#include <string.h>

#include "fuzz.h"

/* The name that a module file gets, and the directory, below that of the kernel. */
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
  g_autoptr (GPtrArray) strict = dkms_recipe_check (recipe, TRUE);
  g_autoptr (GPtrArray) patches = dkms_recipe_patches (recipe);
  g_auto (GStrv) depends = dkms_recipe_depends (recipe);
  g_autofree char *placeholder = dkms_recipe_placeholder (recipe);
  g_autofree char *make = dkms_recipe_make (recipe, kernel, "/build", FALSE);
  g_autofree char *llvm = dkms_recipe_make (recipe, kernel, "/build", TRUE);
  g_autofree char *injected = dkms_recipe_inject (make, "4", "6.1.0");

  (void)dkms_recipe_excluded (recipe, kernel, config);
  g_assert (strict->len >= (good ? 0 : 1) && patches->len <= dkms_recipe_count (recipe, "PATCH"));
  g_assert (depends != NULL && g_str_has_prefix (injected, "make") == g_str_has_prefix (make, "make"));
  g_assert (placeholder == NULL || *placeholder != '\0');
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
  json_t *json = NULL, *again = NULL;
  g_autoptr (DkmsRecipe) recipe = NULL;
  g_autoptr (DkmsRecipe) second = NULL;
  g_autoptr (GPtrArray) problems = NULL;

  fuzz_begin ();
  json = json_loadb ((const char *)data, size, 0, NULL);
  recipe = dkms_recipe_from_json ("/tree/m/1/k/a/.recipe.json", json);
  if (recipe != NULL)
    {
      problems = dkms_recipe_check (recipe, FALSE);
      use (recipe, &kernel, problems->len == 0);
      again = dkms_recipe_to_json (recipe);
      second = dkms_recipe_from_json (recipe->path, again);
      json_decref (json);
      json = dkms_recipe_to_json (second);
      g_assert (json_equal (json, again));
      json_decref (again);
    }
  json_decref (json);
  return 0;
}
