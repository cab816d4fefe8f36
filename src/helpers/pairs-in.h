/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The input of helpers: pairs "key NUL value NUL". */
#pragma once

#include <stddef.h>
#include <string.h>

/* Returns: (nullable): the value of the first pair with @key in @size bytes of @text, which end with a NUL, or of the
 * first one behind the value @after (nullable) */
static inline const char *
pairs_find (const char *text, size_t size, const char *key, const char *after)
{
  const char *end = text + size, *at = after == NULL ? text : after + strlen (after) + 1;

  while (at < end)
    {
      const char *value = at + strlen (at) + 1;
      if (value >= end)
        return NULL;
      if (strcmp (at, key) == 0)
        return value;
      at = value + strlen (value) + 1;
    }
  return NULL;
}
