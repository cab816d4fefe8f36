/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks pacman for kernels and their headers, and fetches packages. */
#include "forecast/pacman.h"

#include <string.h>

#include "base/error.h"

/* The lists of packages that checkupdates fetches. Those of the system stay as they are, because an installation of one
 * package from newer lists would not fit the rest. */
#define LISTS "lists"

enum { NO_UPDATE_OF_PACMAN = 1, NO_UPDATE_OF_CHECKUPDATES = 2 };

/* A kernel is called "<upstream>-<revision>" of its package and its flavour: 6.12.2.arch1-1 of linux is 6.12.2-arch1-1,
 * and 6.6.63-1 of linux-lts is 6.6.63-1-lts. A forecast compares it with the headers. */
char *
dkms_pacman_release (const char *name, const char *version)
{
  const char *flavour = name + strlen ("linux");
  gsize number = strspn (version, "0123456789."), major = strspn (version, "0123456789");
  const char *revision = strrchr (version, '-');

  if (!g_str_has_prefix (name, "linux") || (*flavour != '\0' && *flavour != '-') || major == 0 || major > 3
      || version[major] != '.' || !g_ascii_isdigit (version[major + 1]) || revision == NULL)
    return NULL;
  if (version[number - 1] != '.')
    return g_strconcat (version, flavour, NULL);
  return g_strdup_printf ("%.*s-%s%s", (int)number - 1, version, version + number, flavour);
}

/* ---- parsing ---- */

/* Reads "NAME OLD -> NEW"; the last word of pacman can be "[ignored]". */
static DkmsPackageOffer *
read_update (const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 6);

  if (g_strv_length (words) != 4 || strcmp (words[2], "->") != 0)
    return NULL;
  return dkms_package_offer_new (words[0], words[3], NULL);
}

/* Whether @package is a kernel: one of those of Arch Linux, or one with headers among the packages @all. */
static gboolean
is_kernel (const DkmsPackageOffer *package, const GPtrArray *all)
{
  static const char *const kernels[]
      = { "linux", "linux-lts", "linux-zen", "linux-hardened", "linux-rt", "linux-rt-lts", NULL };
  g_autofree char *headers = g_strconcat (package->name, "-headers", NULL);
  gboolean found = g_strv_contains (kernels, package->name);

  for (guint i = 0; i < all->len && !found; i++)
    {
      const DkmsPackageOffer *other = all->pdata[i];
      found = strcmp (other->name, headers) == 0 && strcmp (other->version, package->version) == 0;
    }
  return found;
}

void
dkms_pacman_read_updates (const char *text, GPtrArray *offers)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (dkms_package_offer_free);

  for (char **line = lines; *line != NULL; line++)
    {
      DkmsPackageOffer *package = g_str_has_prefix (*line, "linux") ? read_update (*line) : NULL;
      if (package != NULL)
        g_ptr_array_add (all, package);
    }
  for (guint i = 0; i < all->len; i++)
    {
      const DkmsPackageOffer *package = all->pdata[i];
      g_autofree char *release = dkms_pacman_release (package->name, package->version);
      if (release != NULL && is_kernel (package, all))
        dkms_offers_add (offers, release, package);
    }
}

void
dkms_pacman_read_packages (const char *text, DkmsKernelOffer *offer)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      g_auto (GStrv) words = g_strsplit (*line, " ", 4);
      if (g_strv_length (words) == 3)
        dkms_kernel_offer_need (offer, words[0], words[1], words[2]);
    }
}

/* ---- asking pacman ---- */

static gboolean
has_checkupdates (void)
{
  g_autofree char *path = g_find_program_in_path ("checkupdates");

  return path != NULL;
}

/* pacman ends with the same status if there is no update and if it cannot read its files. */
static gboolean
works (GError **error)
{
  static const char *const argv[] = { "pacman", "-Qq", NULL };
  g_autofree char *text = dkms_manager_ask ("pacman", argv, NULL, error);

  return text != NULL;
}

/* Without checkupdates (pacman-contrib), the offers are those of the last 'pacman -Sy'. */
static gboolean
find (GPtrArray *offers, const char *own, GError **error)
{
  const char *check[] = { "checkupdates", "--nocolor", NULL }, *query[] = { "pacman", "-Qu", "--color", "never", NULL };
  g_autofree char *lists = g_strconcat ("CHECKUPDATES_DB=", own, "/" LISTS, NULL);
  g_autofree char *text = has_checkupdates ()
                              ? dkms_manager_ask_for ("checkupdates", check, lists, NO_UPDATE_OF_CHECKUPDATES, error)
                              : dkms_manager_ask_for ("pacman", query, NULL, NO_UPDATE_OF_PACMAN, error);

  if (text == NULL || (*text == '\0' && !works (error)))
    return FALSE;
  dkms_pacman_read_updates (text, offers);
  return TRUE;
}

/* Returns: (transfer full): a command of pacman with the words @words, and with the lists that find() has used */
static GPtrArray *
command (const char *own, const char *const *words)
{
  GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (argv, g_strdup ("pacman"));
  for (const char *const *word = words; *word != NULL; word++)
    g_ptr_array_add (argv, g_strdup (*word));
  if (has_checkupdates ())
    {
      g_ptr_array_add (argv, g_strdup ("--dbpath"));
      g_ptr_array_add (argv, g_build_filename (own, LISTS, NULL));
    }
  return argv;
}

/* Returns: (transfer full): the flavour of the kernel @release, as in names of packages */
static char *
package_of (const DkmsKernelOffer *offer)
{
  const char *last = strrchr (offer->release, '-');

  if (offer->image != NULL)
    return g_strconcat (offer->image->name, "-headers", NULL);
  return g_strdup_printf ("linux%s-headers", last != NULL && g_ascii_isalpha (last[1]) ? last : "");
}

static gboolean
resolve (DkmsKernelOffer *offer, const char *own, GError **error)
{
  static const char *const words[] = { "-Sp", "--noconfirm", "--color", "never", "--print-format", "%n %v %r", NULL };
  static const char *const is_there[] = { "-Ss", "--quiet", "--color", "never", NULL };
  g_autoptr (GPtrArray) search = command (own, is_there), print = command (own, words);
  g_autofree char *name = package_of (offer);

  g_ptr_array_add (search, g_strconcat ("^", name, "$", NULL));
  g_ptr_array_add (search, NULL);
  g_autofree char *found
      = dkms_manager_ask_for ("pacman", (const char *const *)search->pdata, NULL, NO_UPDATE_OF_PACMAN, error);
  if (found == NULL || *found == '\0')
    return found != NULL;
  g_ptr_array_add (print, g_steal_pointer (&name));
  g_ptr_array_add (print, NULL);
  g_autofree char *text = dkms_manager_ask ("pacman", (const char *const *)print->pdata, NULL, error);
  if (text == NULL)
    return FALSE;
  dkms_pacman_read_packages (text, offer);
  return TRUE;
}

/* pacman checks the signatures of packages. Only the names are given: its lists have one version of each package. */
static gboolean
fetch (const DkmsKernelOffer *offer, const char *own, const char *dir, GError **error)
{
  const char *const words[]
      = { "-Swdd", "--noconfirm", "--noprogressbar", "--color", "never", "--cachedir", dir, NULL };
  g_autoptr (GPtrArray) argv = command (own, words);

  for (guint i = 0; i < offer->headers->len; i++)
    g_ptr_array_add (argv, g_strdup (((const DkmsPackageOffer *)offer->headers->pdata[i])->name));
  g_ptr_array_add (argv, NULL);
  g_autofree char *text = dkms_manager_ask ("pacman", (const char *const *)argv->pdata, NULL, error);
  return text != NULL;
}

const DkmsManager dkms_manager_pacman
    = { .name = "pacman", .programs = "pacman", .find = find, .resolve = resolve, .fetch = fetch };
