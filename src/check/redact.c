/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of expressions that match secrets. */
#include "check/redact.h"

#include <string.h>

/* \1 in a replacement is the part of the match that is kept. */
static const struct {
  const char *pattern, *replacement;
} rules[] = {
  { "-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\\z)", "<private key>" },
  /* Secrets in options and variables. */
  { "((?i)\\b[a-z0-9_.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|credential|sign[_-]?pin)[a-z0-9_]*"
    "[\"']?\\s*[=:]\\s*[\"']?)(?!<)[^\\s\"',;]+",
    "\\1<secret>" },
  { "((?i)\\b(?:authorization|proxy-authorization|cookie|set-cookie)\\s*:\\s*).*", "\\1<secret>" },
  { "((?i)\\bbearer\\s+)[A-Za-z0-9._~+/=-]+", "\\1<secret>" },
  { "(\\b[a-z][a-z0-9+.-]*://)[^\\s/@:]+(?::[^\\s/@]*)?@", "\\1<user>@" },
  { "\\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|AKIA|ASIA|sk-|npm_|pypi-|hf_)[A-Za-z0-9_-]{10,}", "<secret>" },
  { "\\beyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}(?:\\.[A-Za-z0-9_-]*)?", "<secret>" },
  { "(\\bpin-value=)[^&;\\s]+", "\\1<secret>" },
  { "\\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\\.[A-Za-z0-9-]+)*\\.[A-Za-z]{2,}\\b", "<e-mail>" },
  { "\\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\\b", "<uuid>" },
  { "\\b(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}\\b", "<mac>" },
  { "((?i)\\b(?:serial(?:[ _-]?(?:number|no|nr))?|s/n)\\s*[=:#]\\s*)(?!<)\\S+", "\\1<serial>" },
  { "(?<![\\w.-])(?!127\\.|0\\.0\\.0\\.0)(?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)\\.){3}(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?!["
    "\\w.-])",
    "<address>" },
  { "(?<![\\w:.])(?:(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|(?:[0-9a-fA-F]{1,4}:){2,6}(?::[0-9a-fA-F]{1,4}){1,5}"
    "|(?:[0-9a-fA-F]{1,4}:)+:(?:[0-9a-fA-F]{1,4})?|fe80:[0-9a-fA-F:]+)(?![\\w:.])",
    "<address>" },
  { "(/home/|/Users/)[^/\\s:\"'<>]+", "\\1<user>" },
};

static char *
replace_all (char *text, const char *pattern, const char *replacement)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GRegex) regex = g_regex_new (pattern, G_REGEX_DOTALL | G_REGEX_OPTIMIZE, 0, &error);
  char *result = regex != NULL ? g_regex_replace (regex, text, -1, 0, replacement, 0, &error) : NULL;

  if (result == NULL)
    g_error ("%s: %s", pattern, error->message); /* the table is invalid */
  g_free (text);
  return result;
}

/* Whether a word looks like a key: long, and a mixture of letters, digits and signs. */
static gboolean
looks_random (const char *word, gsize length)
{
  guint changes = 0, lower = 0, upper = 0, digits = 0;

  for (gsize i = 0; i < length; i++)
    {
      lower += g_ascii_islower (word[i]);
      upper += g_ascii_isupper (word[i]);
      digits += g_ascii_isdigit (word[i]);
      changes += i > 0
                 && (g_ascii_islower (word[i]) != g_ascii_islower (word[i - 1])
                     || g_ascii_isdigit (word[i]) != g_ascii_isdigit (word[i - 1]));
    }
  return length >= 32 && lower >= 4 && upper >= 4 && digits >= 2 && changes * 3 >= length;
}

static char *
replace_random (char *text)
{
  static const char signs[]
      = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+=_-"; /* of base64 in both alphabets */
  GString *result = g_string_new (NULL);

  for (const char *at = text; *at != '\0';)
    {
      gsize length = strspn (at, signs);
      if (looks_random (at, length))
        g_string_append (result, "<secret>");
      else
        g_string_append_len (result, at, (gssize)length);
      at += length;
      if (*at != '\0')
        g_string_append_c (result, *at++);
    }
  g_free (text);
  return g_string_free (result, FALSE);
}

static char *
replace_name (char *text, const char *name, const char *replacement)
{
  g_autofree char *escaped = g_regex_escape_string (name, -1);
  g_autofree char *pattern = g_strconcat ("(?<![\\w-])", escaped, "(?![\\w-])", NULL);

  return replace_all (text, pattern, replacement);
}

char *
dkms_redact (const char *text, const DkmsRedaction *names)
{
  char *result = g_utf8_make_valid (text, -1);

  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++)
    result = replace_all (result, rules[i].pattern, rules[i].replacement);
  for (const char *const *user = names->users; user != NULL && *user != NULL; user++)
    if (**user != '\0' && strcmp (*user, "root") != 0)
      result = replace_name (result, *user, "<user>");
  if (names->host != NULL && *names->host != '\0' && strcmp (names->host, "localhost") != 0)
    {
      g_autofree char *first = g_strndup (names->host, strcspn (names->host, "."));
      result = replace_name (result, names->host, "<host>");
      result = replace_name (result, first, "<host>");
    }
  return replace_random (result);
}
