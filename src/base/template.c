/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fills in templates. */
#include "base/template.h"

#include <string.h>

typedef struct {
  const char *absent;
  DkmsTemplateValue value;
  gconstpointer subject;
} Values;

/* Appends the template from @text to @end. Returns: whether no value was absent */
static gboolean
fill (GString *out, const char *text, const char *end, const Values *values)
{
  gboolean complete = TRUE;

  while (text < end)
    {
      const char *close = *text == '{'   ? memchr (text, '}', (gsize)(end - text))
                          : *text == '[' ? memchr (text, ']', (gsize)(end - text))
                                         : NULL;
      if (close == NULL)
        {
          g_string_append_c (out, *text++);
          continue;
        }
      if (*text == '{')
        {
          g_autofree char *name = g_strndup (text + 1, (gsize)(close - text - 1));
          g_autofree char *value = values->value (values->subject, name);
          complete &= value != NULL;
          g_string_append (out, value != NULL ? value : values->absent);
        }
      else
        {
          gsize before = out->len;
          if (!fill (out, text + 1, close, values))
            g_string_truncate (out, before);
        }
      text = close + 1;
    }
  return complete;
}

char *
dkms_template_fill (const char *text, const char *absent, DkmsTemplateValue value, gconstpointer subject)
{
  const Values values = { absent, value, subject };
  GString *out = g_string_new (NULL);

  (void)fill (out, text, text + strlen (text), &values);
  return g_string_free (out, FALSE);
}
