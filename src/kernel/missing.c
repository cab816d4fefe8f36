/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors about headers that are not installed. */
#include "kernel/missing.h"

#include "base/error.h"
#include "model/version.h"

/* Returns: (transfer full): the package with the headers of @release in @dir, and the command that installs it */
static char *
installation (const DkmsDistro *distro, const DkmsRoot *root, const char *dir, const char *release)
{
  g_autofree char *package = dkms_distro_headers_package (distro, root, dir, release);

  return dkms_distro_install (distro, package);
}

gboolean
dkms_missing_headers (const DkmsDistro *distro, const DkmsRoot *root, const DkmsKernel *kernel, GError **error)
{
  g_autofree char *install = installation (distro, root, kernel->dir, kernel->release);

  return DKMS_FAIL (error, NO_HEADERS, .id = { .kernel = kernel->release }, .cause = "no-headers",
                    .path = kernel->source_dir, .name = install);
}

gboolean
dkms_missing_all_headers (const DkmsDistro *distro, const DkmsRoot *root, const char *install_tree, GError **error)
{
  g_autofree char *shown = dkms_root_host_path (root, install_tree), *install = NULL;
  g_autoptr (GPtrArray) kernels = dkms_kernel_list (root, install_tree, FALSE);

  g_ptr_array_sort (kernels, dkms_version_compare_names);
  if (kernels->len > 0)
    {
      const char *newest = kernels->pdata[kernels->len - 1];
      g_autofree char *dir = g_build_filename (install_tree, newest, NULL);
      install = installation (distro, root, dir, newest);
    }
  return DKMS_FAIL (error, NO_KERNEL_WITH_HEADERS, .path = shown, .name = install);
}
