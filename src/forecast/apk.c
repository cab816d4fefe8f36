/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks apk for kernels and their headers, and fetches packages. */
#include "forecast/apk.h"

#include <string.h>

#include "base/error.h"

/* Whether @name is a package "linux-<flavour>", which may be a kernel. */
static gboolean
is_kernel (const char *name)
{
  static const char *const others[] = { "firmware", "headers", "pam", "tools", NULL };
  const char *flavour = name + strlen ("linux-");

  return g_str_has_prefix (name, "linux-") && g_ascii_isalpha (*flavour) && strchr (flavour, '-') == NULL
         && !g_strv_contains (others, flavour);
}

/* Version 6.6.31-r0 of linux-lts is the kernel 6.6.31-0-lts. */
char *
dkms_apk_release (const char *name, const char *version)
{
  const char *revision = strstr (version, "-r");
  gsize n = revision != NULL ? (gsize)(revision - version) : 0;

  if (!is_kernel (name) || !g_ascii_isdigit (*version) || revision == NULL || memchr (version, '.', n) == NULL
      || revision[2] == '\0' || strspn (revision + 2, "0123456789") != strlen (revision + 2))
    return NULL;
  return g_strdup_printf ("%.*s-%s-%s", (int)n, version, revision + 2, name + strlen ("linux-"));
}

/* Reads "(1/2) Upgrading NAME (OLD -> NEW)" or "(1/2) Installing NAME (NEW)". NAME can end with "@TAG". */
static DkmsPackageOffer *
read_line (const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 8);
  guint n = g_strv_length (words);
  gboolean upgrade = n == 6 && strcmp (words[1], "Upgrading") == 0 && strcmp (words[4], "->") == 0;
  gboolean fresh = n == 4 && strcmp (words[1], "Installing") == 0;
  char *version, *tag, *close;

  if (*line != '(' || !(upgrade || fresh))
    return NULL;
  version = words[n - 1] + (fresh && *words[n - 1] == '(');
  close = strchr (version, ')');
  tag = strchr (words[2], '@');
  if (close == NULL || close[1] != '\0')
    return NULL;
  *close = '\0';
  if (tag != NULL)
    *tag = '\0';
  return dkms_package_offer_new (words[2], version, NULL);
}

void
dkms_apk_read_upgrade (const char *text, GPtrArray *offers)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      g_autofree char *stripped = g_strstrip (g_strdup (*line));
      DkmsPackageOffer *package = read_line (stripped);
      g_autofree char *release = package != NULL ? dkms_apk_release (package->name, package->version) : NULL;

      if (release != NULL)
        dkms_offers_add (offers, release, package);
      dkms_package_offer_free (package);
    }
}

void
dkms_apk_read_search (const char *text, const char *name, DkmsKernelOffer *offer)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gsize n = strlen (name);

  for (char **line = lines; *line != NULL && offer->headers->len == 0; line++)
    if (strncmp (*line, name, n) == 0 && (*line)[n] == '-' && g_ascii_isdigit ((*line)[n + 1])
        && (offer->image == NULL || strcmp (*line + n + 1, offer->image->version) == 0))
      dkms_kernel_offer_need (offer, name, *line + n + 1, NULL);
}

static gboolean
find (GPtrArray *offers, const char *own G_GNUC_UNUSED, GError **error)
{
  const char *argv[] = { "apk", "--simulate", "--no-progress", "upgrade", NULL };
  g_autofree char *text = dkms_manager_ask ("apk", argv, NULL, error);

  if (text == NULL)
    return FALSE;
  dkms_apk_read_upgrade (text, offers);
  return TRUE;
}

static gboolean
resolve (DkmsKernelOffer *offer, const char *own G_GNUC_UNUSED, GError **error)
{
  const char *flavour = strrchr (offer->release, '-');
  g_autofree char *name = g_strdup_printf ("linux-%s-dev", flavour != NULL ? flavour + 1 : "lts");
  const char *argv[] = { "apk", "search", "--exact", name, NULL };
  g_autofree char *text = dkms_manager_ask ("apk", argv, NULL, error);

  if (text == NULL)
    return FALSE;
  dkms_apk_read_search (text, name, offer);
  return TRUE;
}

/* apk checks the signatures of packages. */
static gboolean
fetch (const DkmsKernelOffer *offer, const char *own G_GNUC_UNUSED, const char *dir, GError **error)
{
  const char *const words[] = { "apk", "fetch", "--quiet", "--output", dir, NULL };

  return dkms_manager_fetch ("apk", words, offer, "=", NULL, error);
}

const DkmsManager dkms_manager_apk
    = { .name = "apk", .programs = "apk", .find = find, .resolve = resolve, .fetch = fetch };
