/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which override files there are. */
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
