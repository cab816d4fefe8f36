/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks apt for kernels and their headers, and fetches packages. */
#include "forecast/apt.h"

#include <string.h>

#include "base/error.h"

enum { MOST_PACKAGES = 64 };

/* ---- parsing ---- */

char *
dkms_apt_release (const char *name)
{
  static const char *const suffixes[] = { "-unsigned", "-dbg", "-dbgsym" };
  const char *release = name + strlen ("linux-image-");

  if (!g_str_has_prefix (name, "linux-image-"))
    return NULL;
  if (g_str_has_prefix (release, "unsigned-")) /* of Ubuntu */
    release += strlen ("unsigned-");
  if (!g_ascii_isdigit (*release) || g_str_has_suffix (name, suffixes[1]) || g_str_has_suffix (name, suffixes[2]))
    return NULL;
  return g_str_has_suffix (release, suffixes[0]) ? g_strndup (release, strlen (release) - strlen (suffixes[0]))
                                                 : g_strdup (release);
}

/* Reads "Inst NAME [OLD] (NEW ORIGIN [ARCH])"; [OLD] is absent for new packages. */
static DkmsPackageOffer *
read_inst (const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 3);
  const char *open = strchr (line, '('), *close = open != NULL ? strchr (open, ')') : NULL;
  g_autofree char *inside = close != NULL ? g_strndup (open + 1, (gsize)(close - open - 1)) : NULL;
  char *origin = inside != NULL ? strchr (inside, ' ') : NULL, *arch;

  if (origin == NULL || strcmp (words[0], "Inst") != 0 || g_strv_length (words) < 3)
    return NULL;
  *origin++ = '\0';
  arch = strstr (origin, " [");
  if (arch != NULL)
    *arch = '\0';
  return dkms_package_offer_new (words[1], inside, origin);
}

void
dkms_apt_read_upgrade (const char *text, GPtrArray *offers)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      DkmsPackageOffer *package = read_inst (*line);
      g_autofree char *release = package != NULL ? dkms_apt_release (package->name) : NULL;

      if (release != NULL)
        dkms_offers_add (offers, release, package);
      dkms_package_offer_free (package);
    }
}

GPtrArray *
dkms_apt_depends (const char *depends)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) groups = g_strsplit (depends, ",", -1);

  for (char **group = groups; *group != NULL; group++)
    {
      char *name = g_strstrip (*group);
      name[strcspn (name, " (|:")] = '\0';
      if (*name != '\0')
        g_ptr_array_add (names, g_strdup (name));
    }
  return names;
}

/* Returns: (transfer full) (nullable): the value of the field @name of the first paragraph in @text */
static char *
field (const char *text, const char *name)
{
  gsize n = strlen (name);

  for (const char *line = text; *line != '\0' && *line != '\n';)
    {
      gsize length = strcspn (line, "\n");
      if (length > n && strncmp (line, name, n) == 0 && line[n] == ':')
        return g_strstrip (g_strndup (line + n + 1, length - n - 1));
      line += length + (line[length] == '\n');
    }
  return NULL;
}

/* ---- asking apt ---- */

static gboolean
find (GPtrArray *offers, const char *own G_GNUC_UNUSED, GError **error)
{
  const char *argv[] = { "apt-get", "-s", "-o", "Debug::NoLocking=1", "dist-upgrade", NULL };
  g_autofree char *text = dkms_manager_ask ("apt", argv, NULL, error);

  if (text == NULL)
    return FALSE;
  dkms_apt_read_upgrade (text, offers);
  return TRUE;
}

/* Returns: (transfer full) (nullable): the names of the installed packages */
static GHashTable *
list_installed (GError **error)
{
  const char *argv[] = { "dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n", NULL };
  g_autofree char *text = dkms_manager_ask ("dpkg", argv, NULL, error);
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);
  GHashTable *names;

  if (text == NULL)
    return NULL;
  names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (char **line = lines; *line != NULL; line++)
    if (g_str_has_suffix (*line, " installed"))
      g_hash_table_add (names, g_strndup (*line, strcspn (*line, " ")));
  return names;
}

/* Whether a package belongs to the headers of a kernel. An installed version may be too old for them. */
static gboolean
is_of_headers (const char *name)
{
  static const char *const prefixes[] = { "linux-headers-", "linux-kbuild-", "linux-compiler-", "linux-config-" };
  gboolean found = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (prefixes); i++)
    found |= g_str_has_prefix (name, prefixes[i]);
  return found;
}

/* Adds the package @name, and its dependencies to @names. A package that apt does not know, such as a virtual one, is
 * omitted. */
static void
add_package (DkmsKernelOffer *offer, GPtrArray *names, const char *name)
{
  const char *argv[] = { "apt-cache", "show", "--no-all-versions", name, NULL };
  g_autofree char *text = dkms_manager_ask ("apt", argv, NULL, NULL);
  g_autofree char *version = text != NULL ? field (text, "Version") : NULL;
  static const char *const kinds[] = { "Depends", "Pre-Depends" };

  if (version == NULL)
    return;
  dkms_kernel_offer_need (offer, name, version, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *depends = field (text, kinds[i]);
      g_autoptr (GPtrArray) more = dkms_apt_depends (depends != NULL ? depends : "");
      for (guint n = 0; n < more->len; n++)
        g_ptr_array_add (names, g_strdup (more->pdata[n]));
    }
}

static gboolean
resolve (DkmsKernelOffer *offer, const char *own G_GNUC_UNUSED, GError **error)
{
  g_autoptr (GHashTable) installed = list_installed (error), seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  if (installed == NULL)
    return FALSE;
  g_ptr_array_add (names, g_strconcat ("linux-headers-", offer->release, NULL));
  for (guint i = 0; i < names->len && offer->headers->len < MOST_PACKAGES; i++)
    {
      const char *name = names->pdata[i];
      /* Headers depend on a package of scripts, and newer ones on the kernel. No build needs them. */
      if (g_hash_table_add (seen, (gpointer)name) && !g_str_has_prefix (name, "linux-image-")
          && strcmp (name, "linux-base") != 0 && (is_of_headers (name) || !g_hash_table_contains (installed, name)))
        add_package (offer, names, name);
      if (i == 0 && offer->headers->len == 0)
        return TRUE;
    }
  return TRUE;
}

static gboolean
fetch (const DkmsKernelOffer *offer, const char *own G_GNUC_UNUSED, const char *dir, GError **error)
{
  /* apt has checked the origin and the digest of each file. Its own user cannot write to a directory of root. */
  const char *const words[] = { "apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", NULL };

  return dkms_manager_fetch ("apt", words, offer, "=", dir, error);
}

const DkmsManager dkms_manager_apt
    = { .name = "apt", .programs = "apt-get apt-cache dpkg-query", .find = find, .resolve = resolve, .fetch = fetch };
