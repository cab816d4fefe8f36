/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the known word that is nearest to a misspelt one. */
#include "base/near.h"

#include <string.h>

enum { LONGEST = 40 }; /* known words are shorter */

/* The optimal string alignment distance of two words, neither longer than LONGEST. */
static guint
distance (const char *a, const char *b)
{
  guint rows[LONGEST + 1][LONGEST + 1];
  guint n = (guint)strlen (a), m = (guint)strlen (b);

  for (guint i = 0; i <= n; i++)
    rows[i][0] = i;
  for (guint k = 0; k <= m; k++)
    rows[0][k] = k;
  for (guint i = 1; i <= n; i++)
    for (guint k = 1; k <= m; k++)
      {
        char x = g_ascii_tolower (a[i - 1]), y = g_ascii_tolower (b[k - 1]);
        guint best = MIN (rows[i - 1][k], rows[i][k - 1]) + 1;

        best = MIN (best, rows[i - 1][k - 1] + (x != y));
        if (i > 1 && k > 1 && x == g_ascii_tolower (b[k - 2]) && g_ascii_tolower (a[i - 2]) == y)
          best = MIN (best, rows[i - 2][k - 2] + 1);
        rows[i][k] = best;
      }
  return rows[n][m];
}

static const char *
nearest_of (const char *word, const char *const *choices, guint count)
{
  const char *nearest = NULL;
  guint length = (guint)strlen (word), least = MAX (length / 3, 1) + 1;

  if (length > LONGEST)
    return NULL;
  for (guint i = 0; i < count; i++)
    {
      guint other = (guint)strlen (choices[i]);
      /* The distance is at least the difference of the lengths. */
      gboolean may_be = other <= LONGEST && MAX (other, length) - MIN (other, length) < least;
      guint here = may_be ? distance (word, choices[i]) : least;

      if (here < least)
        {
          least = here;
          nearest = choices[i];
        }
    }
  return nearest;
}

const char *
dkms_nearest (const char *word, const char *const *choices)
{
  return nearest_of (word, choices, g_strv_length ((char **)choices));
}

const char *
dkms_nearest_in (const char *word, const GPtrArray *choices)
{
  return nearest_of (word, (const char *const *)choices->pdata, choices->len);
}
