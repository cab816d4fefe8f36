/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists the override files that exist, and normalizes their text. */
#include "conf/overrides.h"

GPtrArray *
dkms_overrides_list (const DkmsPlaces *places, const DkmsId *id)
{
  const char *m = id->module, *v = id->version, *k = id->kernel, *a = id->arch;
  char *const names[] = {
    g_strdup_printf ("/etc/dkms/%s.conf", m),
    g_strdup_printf ("/etc/dkms/%s-%s.conf", m, v),
    g_strdup_printf ("/etc/dkms/%s-%s-%s.conf", m, v, k),
    g_strdup_printf ("/etc/dkms/%s-%s-%s-%s.conf", m, v, k, a),
    g_strdup_printf ("/etc/dkms/%s--%s.conf", m, k),
    g_strdup_printf ("/etc/dkms/%s--%s-%s.conf", m, k, a),
  };
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (dkms_root_is_file (places->root, names[i]))
      g_ptr_array_add (found, names[i]);
    else
      g_free (names[i]);
  return found;
}

char *
dkms_overrides_text (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GString *kept = g_string_new (NULL);

  for (char **line = lines; *line != NULL; line++)
    if (*g_strstrip (*line) != '\0' && **line != '#')
      g_string_append_printf (kept, "%s\n", *line);
  return g_string_free (kept, FALSE);
}
