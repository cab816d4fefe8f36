/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The input and output of helpers: pairs "key NUL value NUL", and what values are converted to. */
#pragma once

#include <glib.h>
#include <string.h>

/** Returns: the beginning of @output; @end: (out). It has no address if it is empty */
static inline const char *
dkms_pairs_begin (GBytes *output, const char **end)
{
  gsize size;
  const char *at = g_bytes_get_data (output, &size);

  *end = size > 0 ? at + size : at;
  return at;
}

/** Reads the pair at @at, and moves @at behind it. @end: of the output. Returns: FALSE if no complete pair follows */
static inline gboolean
dkms_pairs_next (const char **at, const char *end, const char **key, const char **value)
{
  const char *stop = *at < end ? memchr (*at, '\0', (gsize)(end - *at)) : NULL;

  if (stop == NULL)
    return FALSE;
  *key = *at;
  *value = stop + 1;
  stop = *value < end ? memchr (*value, '\0', (gsize)(end - *value)) : NULL;
  if (stop == NULL)
    return FALSE;
  *at = stop + 1;
  return TRUE;
}

/** Adds a pair to @pairs. */
static inline void
dkms_pairs_add (GByteArray *pairs, const char *key, const char *value)
{
  g_byte_array_append (pairs, (const guint8 *)key, (guint)strlen (key) + 1);
  g_byte_array_append (pairs, (const guint8 *)value, (guint)strlen (value) + 1);
}

/** Replaces @text: (inout) (nullable) (transfer full) by a copy of @value. */
static inline void
dkms_replace_text (char **text, const char *value)
{
  g_free (*text);
  *text = g_strdup (value);
}

/** Returns: (transfer full) (nullable): the bytes of @text in hexadecimal; NULL if it contains anything else */
static inline GBytes *
dkms_bytes_of_hex (const char *text)
{
  gsize length = strlen (text) / 2;
  guint8 *bytes = g_malloc (length + 1);

  for (gsize i = 0; i < length; i++)
    {
      int high = g_ascii_xdigit_value (text[2 * i]), low = g_ascii_xdigit_value (text[2 * i + 1]);
      if (high < 0 || low < 0)
        return g_free (bytes), NULL;
      bytes[i] = (guint8)(high << 4 | low);
    }
  return g_bytes_new_take (bytes, length);
}
