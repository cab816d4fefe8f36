/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/distro.h"

#include <string.h>

#include "base/error.h"

static const struct {
  const char *prefix;
  const char *destination;
  const char *headers; /* NULL: unknown; %s: the kernel release */
} distros[] = {
  { "fedora", "/extra", "kernel-devel-%s" },         { "centos", "/extra", "kernel-devel-%s" },
  { "rhel", "/extra", "kernel-devel-%s" },           { "sles", "/updates", "kernel-default-devel" },
  { "suse", "/updates", "kernel-default-devel" },    { "opensuse", "/updates", "kernel-default-devel" },
  { "debian", "/updates/dkms", "linux-headers-%s" }, { "ubuntu", "/updates/dkms", "linux-headers-%s" },
  { "arch", "/updates/dkms", "linux-headers" },
};

/* One value of os-release: shell syntax, of which the format allows only quoting (os-release(5)). */
static char *
value_of (char **lines, const char *name)
{
  g_autofree char *found = NULL;

  for (; *lines != NULL; lines++)
    if (g_str_has_prefix (*lines, name) && (*lines)[strlen (name)] == '=')
      {
        g_free (found);
        found = g_shell_unquote (g_strchomp (*lines + strlen (name) + 1), NULL);
      }
  return g_steal_pointer (&found);
}

char *
dkms_distro_id (const DkmsRoot *root, GError **error)
{
  g_autofree char *text = dkms_root_read (root, "/etc/os-release", 65536, NULL, NULL);

  if (text == NULL)
    text = dkms_root_read (root, "/usr/lib/os-release", 65536, NULL, NULL);
  if (text == NULL)
    return dkms_fail (error, DKMS_ERROR_NO_OS_RELEASE, "/etc/os-release", "Install the base files of the distribution.",
                      "Neither /etc/os-release nor /usr/lib/os-release can be read"),
           NULL;

  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autofree char *id = value_of (lines, "ID");
  g_autofree char *like = value_of (lines, "ID_LIKE");
  if (g_strcmp0 (id, "ubuntu") != 0 && like != NULL && *like != '\0')
    return g_steal_pointer (&like);
  return id != NULL ? g_steal_pointer (&id) : g_strdup ("");
}

const char *
dkms_distro_destination (const char *id)
{
  for (gsize i = 0; i < G_N_ELEMENTS (distros); i++)
    if (g_str_has_prefix (id, distros[i].prefix))
      return distros[i].destination;
  return NULL;
}

char *
dkms_distro_headers_package (const char *id, const char *release)
{
  for (gsize i = 0; i < G_N_ELEMENTS (distros); i++)
    if (g_str_has_prefix (id, distros[i].prefix))
      {
        g_auto (GStrv) parts = g_strsplit (distros[i].headers, "%s", 2);
        return g_strjoinv (release, parts);
      }
  return g_strdup ("the header package");
}
