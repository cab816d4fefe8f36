/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Splits lists of keys and certificates. */
#include "conf/key-list.h"

#include <string.h>

gboolean
dkms_key_is_token (const char *key)
{
  return g_str_has_prefix (key, "pkcs11:");
}

GPtrArray *
dkms_key_list_split (const char *list)
{
  GPtrArray *entries = g_ptr_array_new_with_free_func (g_free);
  const char *start = list;

  for (const char *at = list; *at != '\0'; at++)
    {
      const char *next = at + 1 + strspn (at + 1, " \t");

      if (*at != ';' || (*next != '/' && *next != '\0' && !dkms_key_is_token (next)))
        continue;
      g_ptr_array_add (entries, g_strstrip (g_strndup (start, (gsize)(at - start))));
      start = next;
    }
  if (*start != '\0' || entries->len == 0)
    g_ptr_array_add (entries, g_strstrip (g_strdup (start)));
  return entries;
}
