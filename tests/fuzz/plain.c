/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: the text of a dkms.conf, which is read without bash if it is plain (conf/plain.h). Findings: a crash; a value
 * that bash would expand; a variable that was not requested; more values than fit in memory. */
#include <string.h>

#include "conf/plain.h"
#include "conf/recipe.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new ();
  g_autoptr (GString) text = g_string_new_len ((const char *)data, (gssize)size);
  g_auto (GStrv) known = g_strsplit (dkms_recipe_names, " ", -1);
  DkmsQuery *query = dkms_query_new ();
  GHashTableIter iter;
  gpointer name, value;
  gsize total = 0;

  fuzz_begin ();
  g_string_truncate (text, strlen (text->str)); /* a text with NUL is refused earlier */
  g_ptr_array_add (texts, text);
  g_ptr_array_add (query->assign, g_strdup ("kernelver=6.1.0-1-amd64"));
  g_ptr_array_add (query->assign, g_strdup ("kernel_source_dir=/odd$(path)"));
  query->shown = g_strdup ("dkms.conf");
  g_ptr_array_add (query->files, g_strdup ("dkms.conf"));
  DkmsVars *vars = dkms_plain_evaluate (query, texts, dkms_recipe_names, dkms_recipe_deprecated_names);
  if (vars != NULL)
    g_hash_table_iter_init (&iter, vars->values);
  while (vars != NULL && g_hash_table_iter_next (&iter, &name, &value))
    {
      const GPtrArray *elements = value;
      g_assert (g_strv_contains ((const char *const *)known, name) && elements->len <= 4097);
      for (guint i = 0; i < elements->len; i++)
        if (elements->pdata[i] != NULL)
          {
            g_assert (strpbrk (elements->pdata[i], "$`\\\r\n") == NULL
                      && g_utf8_validate (elements->pdata[i], -1, NULL));
            total += strlen (elements->pdata[i]);
          }
    }
  g_assert (total <= 1 << 20);
  dkms_vars_free (vars);
  dkms_query_free (query);
  return 0;
}
