/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the helper that reads modules and the indexes of depmod. */
#include "verify/lookup.h"

#include "base/error.h"
#include "store/answers.h"

GPtrArray *
dkms_lookup_remembered (const DkmsPlaces *places, const char *release, const char *what, const GPtrArray *names,
                        GError **error)
{
  static const char *const indexes[]
      = { "modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin" };
  g_autofree char *dir = g_build_filename (places->install_tree, release, NULL),
                  *host = dkms_root_resolved (places->root, dir),
                  *name = g_strconcat ("lookup-", release, "-", what, NULL);
  g_autoptr (GPtrArray) argv = g_ptr_array_new (), files = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (argv, (gpointer) "dkms-modinfo");
  g_ptr_array_add (argv, (gpointer) "lookup");
  g_ptr_array_add (argv, host);
  for (guint i = 0; i < names->len; i++)
    g_ptr_array_add (argv, names->pdata[i]);
  g_ptr_array_add (argv, (gpointer) "--");
  g_ptr_array_add (argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (indexes); i++)
    g_ptr_array_add (files, g_build_filename (host, indexes[i], NULL));
  g_autoptr (GBytes) answer = dkms_answers_ask (places, name, (const char *const *)argv->pdata, files, error);
  return answer != NULL ? dkms_module_lookup_parse (answer, host, dir, names->len, error) : NULL;
}

GPtrArray *
dkms_module_files_remembered (const DkmsPlaces *places, const char *name, const GPtrArray *paths, GError **error)
{
  static const char *const argv[] = { "dkms-modinfo", "--facts", NULL };
  g_autoptr (GBytes) answer = dkms_answers_ask (places, name, argv, paths, error);
  gsize size;

  if (answer == NULL)
    return NULL;
  const char *text = g_bytes_get_data (answer, &size);
  return dkms_module_files_parse (text, size, paths->len);
}
