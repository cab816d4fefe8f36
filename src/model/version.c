/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orders of versions: that of dkms, and that of sort -V. */
#include "model/version.h"

#include <string.h>

char *
dkms_version_normalize (const char *version)
{
  GString *out = g_string_new (NULL);

  while (*version != '\0')
    {
      gsize n = strspn (version, "0123456789");

      if (n == 0 && *version != ' ')
        g_string_append_c (out, *version);
      for (gsize pad = n; n > 0 && pad < 3; pad++)
        g_string_append_c (out, '0');
      g_string_append_len (out, version, (gssize)n);
      version += MAX (n, 1);
    }
  return g_string_free (out, FALSE);
}

int
dkms_version_compare (const char *a, const char *b)
{
  g_autofree char *x = dkms_version_normalize (a);
  g_autofree char *y = dkms_version_normalize (b);

  return strcmp (x, y);
}

static int
weight (char c)
{
  if (c == '~')
    return -1;
  if (c == '\0' || g_ascii_isdigit (c))
    return 0;
  return g_ascii_isalpha (c) ? c : (guchar)c + 256;
}

int
dkms_version_sort (const char *a, const char *b)
{
  const char *x = a, *y = b;

  while (*x != '\0' || *y != '\0')
    {
      while ((*x != '\0' && !g_ascii_isdigit (*x)) || (*y != '\0' && !g_ascii_isdigit (*y)))
        {
          if (weight (*x) != weight (*y))
            return weight (*x) - weight (*y);
          x += *x != '\0';
          y += *y != '\0';
        }
      x += strspn (x, "0");
      y += strspn (y, "0");

      gsize nx = strspn (x, "0123456789"), ny = strspn (y, "0123456789");
      int order = nx != ny ? (nx < ny ? -1 : 1) : strncmp (x, y, nx);
      if (order != 0)
        return order;
      x += nx;
      y += ny;
    }
  return strcmp (a, b);
}

int
dkms_version_compare_names (gconstpointer a, gconstpointer b)
{
  return dkms_version_sort (*(const char *const *)a, *(const char *const *)b);
}
