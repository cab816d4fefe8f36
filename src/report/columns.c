/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts the columns of texts, and shortens texts to a number of columns. */
#include "report/columns.h"

#include <string.h>

char *
dkms_columns_clean (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_new (NULL);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      g_string_append_c (out, ' ');
    else
      g_string_append_unichar (out, g_utf8_get_char (p));
  return g_string_free (out, FALSE);
}

static guint
width_of (const char *character)
{
  gunichar c = g_utf8_get_char (character);

  return g_unichar_iswide (c) ? 2 : g_unichar_iszerowidth (c) ? 0 : 1;
}

guint
dkms_columns_count (const char *text)
{
  guint columns = 0;

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    columns += width_of (p);
  return columns;
}

const char *
dkms_columns_ellipsis (void)
{
  static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
  const char *locale = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (names) && (locale == NULL || *locale == '\0'); i++)
    locale = g_getenv (names[i]);
  g_autofree char *lower = g_ascii_strdown (locale != NULL ? locale : "", -1);
  return strstr (lower, "utf-8") != NULL || strstr (lower, "utf8") != NULL ? "…" : "...";
}

/* Returns the length in bytes of the longest beginning of @text that fits into @width columns. */
static gsize
bytes_that_fit (const char *text, guint width)
{
  const char *p = text;
  guint columns = 0;

  for (; *p != '\0'; p = g_utf8_next_char (p))
    {
      columns += width_of (p);
      if (columns > width)
        break;
    }
  return (gsize)(p - text);
}

char *
dkms_columns_cut (const char *text, guint width)
{
  const char *ellipsis = dkms_columns_ellipsis ();
  guint dots = dkms_columns_count (ellipsis);
  gsize all = bytes_that_fit (text, width);

  if (text[all] == '\0' || width <= dots)
    return g_strndup (text, all);
  g_autofree char *begin = g_strndup (text, bytes_that_fit (text, width - dots));
  return g_strconcat (g_strchomp (begin), ellipsis, NULL);
}

/* Returns: (nullable): the first byte of the last word of @text that contains a slash */
static const char *
last_path (const char *text)
{
  const char *slash = strrchr (text, '/');

  while (slash != NULL && slash > text && slash[-1] != ' ')
    slash--;
  return slash;
}

char *
dkms_columns_elide (const char *text, guint width)
{
  const char *path = last_path (text);

  if (path == NULL || dkms_columns_count (text) <= width)
    return dkms_columns_cut (text, width);
  gsize size = strcspn (path, " ");
  g_autofree char *before = g_strndup (text, (gsize)(path - text));
  const char *name = path;
  for (const char *p = path; p < path + size; p++)
    if (*p == '/' && p[1] != '\0' && p[1] != ' ')
      {
        name = p + 1;
        g_autofree char *shorter = g_strconcat (before, dkms_columns_ellipsis (), p, NULL);
        if (dkms_columns_count (shorter) <= width)
          return g_steal_pointer (&shorter);
      }
  g_autofree char *file = g_strndup (name, (gsize)(path + size - name));
  g_autofree char *with_place = g_strconcat (before, dkms_columns_ellipsis (), "/", file, NULL);
  if (dkms_columns_count (with_place) <= width)
    {
      g_autofree char *whole = g_strconcat (with_place, path + size, NULL);
      return dkms_columns_cut (whole, width);
    }
  return dkms_columns_cut (name, width);
}

void
dkms_columns_append (GString *line, const char *text, guint width)
{
  g_autofree char *fitting = dkms_columns_cut (text, width);

  g_string_append (line, fitting);
  for (guint columns = dkms_columns_count (fitting); columns < width; columns++)
    g_string_append_c (line, ' ');
}
