/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks dnf for kernels and their headers, and fetches packages. */
#include "forecast/dnf.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"

/* dnf 5 ends no line by itself; dnf 4 ends each line, and so prints empty ones. */
#define FORMAT "%{name} %{version}-%{release}.%{arch} %{repoid}\\n"

/* The release of a kernel of Fedora and RHEL is "<version>-<release>.<arch>" of its package. */
void
dkms_dnf_read_query (const char *text, GPtrArray *offers)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      g_auto (GStrv) words = g_strsplit (*line, " ", -1);
      DkmsPackageOffer *package;

      if (g_strv_length (words) != 3 || !g_str_has_prefix (words[0], "kernel") || !g_ascii_isdigit (*words[1]))
        continue;
      package = dkms_package_offer_new (words[0], words[1], words[2]);
      dkms_offers_add (offers, words[1], package);
      dkms_package_offer_free (package);
    }
}

static gboolean
find (GPtrArray *offers, const char *own G_GNUC_UNUSED, GError **error)
{
  const char *argv[]
      = { "dnf", "-q", "repoquery", "--upgrades", "--latest-limit=1", "--qf", FORMAT, "kernel-core", NULL };
  g_autofree char *text = dkms_manager_ask ("dnf", argv, NULL, error);

  if (text == NULL)
    return FALSE;
  dkms_dnf_read_query (text, offers);
  return TRUE;
}

static gboolean
resolve (DkmsKernelOffer *offer, const char *own G_GNUC_UNUSED, GError **error)
{
  g_autofree char *package = g_strconcat ("kernel-devel-", offer->release, NULL);
  const char *argv[] = { "dnf", "-q", "repoquery", "--qf", FORMAT, package, NULL };
  g_autofree char *text = dkms_manager_ask ("dnf", argv, NULL, error);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (dkms_kernel_offer_free);

  if (text == NULL)
    return FALSE;
  dkms_dnf_read_query (text, found);
  for (guint i = 0; i < found->len; i++)
    {
      const DkmsPackageOffer *headers = ((const DkmsKernelOffer *)found->pdata[i])->image;
      dkms_kernel_offer_need (offer, headers->name, headers->version, headers->origin);
    }
  return TRUE;
}

static gboolean
fetch (const DkmsKernelOffer *offer, const char *own G_GNUC_UNUSED, const char *dir, GError **error)
{
  const char *const words[] = { "dnf", "-q", "download", "--destdir", dir, NULL };
  g_autoptr (GPtrArray) files = NULL;

  if (dkms_manager_fetch ("dnf", words, offer, "-", dir, error))
    files = dkms_list_dir_at (AT_FDCWD, dir, error);
  return files != NULL && (files->len > 0 || DKMS_FAIL (error, OFFERS_UNKNOWN, .name = "dnf"));
}

const DkmsManager dkms_manager_dnf
    = { .name = "dnf", .programs = "dnf", .find = find, .resolve = resolve, .fetch = fetch };
