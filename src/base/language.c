/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks up translations with gettext, in a locale of its own. */
#include "base/language.h"

#include <langinfo.h>
#include <libintl.h>
#include <locale.h>
#include <string.h>

#include "base/process.h"

static locale_t chosen;        /* (nullable): NULL means English */
static GHashTable *remembered; /* (nullable): English text -> translation */
static GPtrArray *in_order;    /* (nullable): the English texts; owned by @remembered */
static guint passed_on;        /* how many of @in_order were passed to dkms_language_each_new() */

/* Returns: whether the environment asks for a language */
static gboolean
is_asked_for (void)
{
  static const char *const variables[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

  for (gsize i = 0; i < G_N_ELEMENTS (variables); i++)
    {
      const char *value = g_getenv (variables[i]);
      if (value != NULL && *value != '\0')
        return strcmp (value, "C") != 0 && strcmp (value, "POSIX") != 0;
    }
  return FALSE;
}

/* Returns: (transfer none): as dgettext(3) in the chosen locale. gettext finds the language by the locale of the
 * thread.
 */
static const char *
look_up (const char *domain, const char *english)
{
  locale_t before = uselocale (chosen);
  const char *found = *english != '\0' ? dgettext (domain, english) : english;

  (void)uselocale (before);
  return found;
}

void
dkms_language_begin (void)
{
  if (!is_asked_for ())
    return;
  locale_t locale = newlocale (LC_CTYPE_MASK | LC_MESSAGES_MASK, "", (locale_t)0);
  if (locale == (locale_t)0)
    return;
  g_autofree char *directory = dkms_process_locales ();
  if (strcmp (nl_langinfo_l (CODESET, locale), "UTF-8") != 0 || bindtextdomain ("dkms", directory) == NULL
      || bind_textdomain_codeset ("dkms", "UTF-8") == NULL)
    {
      freelocale (locale);
      return;
    }
  chosen = locale;
  /* Each catalogue has an entry for the empty text, its header. */
  locale_t before = uselocale (chosen);
  gboolean translated = *dgettext ("dkms", "") != '\0';
  (void)uselocale (before);
  if (!translated)
    {
      freelocale (chosen);
      chosen = (locale_t)0;
      return;
    }
  remembered = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  in_order = g_ptr_array_new ();
}

gboolean
dkms_language_is_english (void)
{
  return chosen == (locale_t)0;
}

const char *
dkms_language_of (const char *english)
{
  if (dkms_language_is_english ())
    return english;
  const char *known = g_hash_table_lookup (remembered, english);
  if (known != NULL)
    return known;
  const char *found = look_up ("dkms", english);
  return found != english ? found : look_up ("libc", english);
}

void
dkms_language_remember (const char *english, const char *translation)
{
  if (dkms_language_is_english () || strcmp (english, translation) == 0)
    return;
  const char *known = g_hash_table_lookup (remembered, english);
  if (known != NULL && strcmp (known, translation) == 0)
    return;
  char *key = g_strdup (english);
  if (known == NULL)
    g_ptr_array_add (in_order, key);
  g_hash_table_insert (remembered, key, g_strdup (translation)); /* keeps the earlier of two equal keys */
}

void
dkms_language_recall (const char *english)
{
  const char *colon = dkms_language_is_english () ? NULL : g_strrstr (english, ": ");

  if (colon == NULL)
    return;
  g_autofree char *subject = g_strndup (english, (gsize)(colon - english));
  g_autofree char *translation
      = g_strdup_printf ("%s: %s", dkms_language_of (subject), dkms_language_of (colon + strlen (": ")));
  dkms_language_remember (english, translation);
}

void
dkms_language_each_new (DkmsTranslationFunc func, gpointer data)
{
  if (dkms_language_is_english ())
    return;
  for (; passed_on < in_order->len; passed_on++)
    {
      const char *english = in_order->pdata[passed_on];
      if (func != NULL)
        func (data, english, g_hash_table_lookup (remembered, english));
    }
}
