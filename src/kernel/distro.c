/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between distributions: destinations, architectures, names of header packages. */
#define _GNU_SOURCE
#include "kernel/distro.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"

#define MOK_KEY "/var/lib/dkms/mok.key"
#define MOK_CERT "/var/lib/dkms/mok.pub"
#define SHIM_KEY "/var/lib/shim-signed/mok/MOK.priv"
#define SHIM_CERT "/var/lib/shim-signed/mok/MOK.der"

/* The first row whose prefix fits decides; the last one fits all. */
static const DkmsFamily families[] = {
  { "debian", "/updates/dkms", "linux-headers-%s", FALSE, MOK_KEY, MOK_CERT, NULL },
  { "ubuntu", "/updates/dkms", "linux-headers-%s", FALSE, SHIM_KEY, SHIM_CERT, "update-secureboot-policy" },
  { "arch", "/updates/dkms", "linux-headers", FALSE, MOK_KEY, MOK_CERT, NULL },
  { "gentoo", NULL, "sys-kernel/linux-headers or the sources of that kernel", FALSE, NULL, NULL, NULL },
  { "fedora", "/extra", "kernel-devel-%s", TRUE, MOK_KEY, MOK_CERT, NULL },
  { "centos", "/extra", "kernel-devel-%s", TRUE, MOK_KEY, MOK_CERT, NULL },
  { "rhel", "/extra", "kernel-devel-%s", TRUE, MOK_KEY, MOK_CERT, NULL },
  { "sles", "/updates", "kernel-default-devel", TRUE, MOK_KEY, MOK_CERT, NULL },
  { "suse", "/updates", "kernel-default-devel", TRUE, MOK_KEY, MOK_CERT, NULL },
  { "opensuse", "/updates", "kernel-default-devel", TRUE, MOK_KEY, MOK_CERT, NULL },
  { "alpine", NULL, "linux-lts-dev (or the -dev package of that kernel)", TRUE, MOK_KEY, MOK_CERT, NULL },
  { "void", NULL, "linux-headers", TRUE, MOK_KEY, MOK_CERT, NULL },
  { "", NULL, "the header package of that kernel", TRUE, MOK_KEY, MOK_CERT, NULL },
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

/* Every word of ID and ID_LIKE counts, so that RHEL itself is not taken for a Fedora. */
static DkmsWeak
weak_of (const char *id, const char *like)
{
  g_autofree char *all = g_strjoin (" ", id != NULL ? id : "", like, NULL);
  g_auto (GStrv) words = g_strsplit (all, " ", -1);

  for (char **word = words; *word != NULL; word++)
    {
      if (g_str_has_prefix (*word, "rhel"))
        return DKMS_WEAK_RHEL;
      if (g_str_has_prefix (*word, "sles") || g_str_has_prefix (*word, "suse") || g_str_has_prefix (*word, "opensuse"))
        return DKMS_WEAK_SUSE;
    }
  return DKMS_WEAK_NONE;
}

DkmsDistro *
dkms_distro_read (const DkmsRoot *root, GError **error)
{
  g_autoptr (DkmsDistro) self = g_new0 (DkmsDistro, 1);
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
  self->weak = weak_of (id, like);
  if (g_strcmp0 (id, "ubuntu") != 0 && like != NULL && *like != '\0')
    self->id = g_steal_pointer (&like);
  else
    self->id = id != NULL ? g_steal_pointer (&id) : g_strdup ("");
  self->family = families;
  while (!g_str_has_prefix (self->id, self->family->prefix))
    self->family++;
  return g_steal_pointer (&self);
}

void
dkms_distro_free (DkmsDistro *self)
{
  if (self == NULL)
    return;
  g_free (self->id);
  g_free (self);
}

char *
dkms_distro_headers_package (const DkmsDistro *self, const char *release)
{
  g_auto (GStrv) parts = g_strsplit (self->family->headers, "%s", 2);

  return g_strjoinv (release, parts);
}

/* Returns: (transfer full) (nullable): what rpm says of the owners of @path, a line each */
static char *
ask_rpm (const DkmsDistro *self, const DkmsRoot *root, const char *path, const char *format)
{
  g_autofree char *tool_path = dkms_root_tool_path (root, path);
  const char *argv[] = { "rpm", "-qf", "--qf", format, tool_path, NULL };
  DkmsCommand command = { .argv = argv, .root = root, .null_stdin = TRUE };
  int status = 0;
  g_autofree char *answer = self->family->rpm ? dkms_process_capture (&command, NULL, &status, NULL) : NULL;

  return status == 0 ? g_steal_pointer (&answer) : NULL;
}

/* 32-bit kernels for Intel's first 64-bit processors came with a configuration of that name. */
static gboolean
is_ia32e (const DkmsRoot *root, const char *kernel_dir)
{
  g_autofree char *cpu = dkms_root_read (root, "/proc/cpuinfo", 1 << 20, NULL, NULL);
  g_autofree char *dir = g_build_filename (kernel_dir, "build/configs", NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (root, dir, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (strstr (names->pdata[i], "ia32e") != NULL)
      return cpu != NULL && strstr (cpu, "Intel") != NULL;
  return FALSE;
}

char *
dkms_distro_arch (const DkmsDistro *self, const DkmsRoot *root, const char *kernel_dir, const char *machine)
{
  g_autofree char *owners = ask_rpm (self, root, kernel_dir, "%{NAME} %{ARCH}\\n");
  g_auto (GStrv) lines = g_strsplit (owners != NULL ? owners : "", "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      const char *arch = strrchr (*line, ' ');
      if (strstr (*line, "kernel") != NULL && arch != NULL && arch[1] != '\0')
        return g_strdup (arch + 1);
    }
  if (self->family->rpm && strcmp (machine, "x86_64") == 0 && is_ia32e (root, kernel_dir))
    return g_strdup ("ia32e");
  return g_strdup (machine);
}

gboolean
dkms_distro_owns (const DkmsDistro *self, const DkmsRoot *root, const char *path)
{
  g_autofree char *owners = ask_rpm (self, root, path, "%{NAME}\\n");

  return owners != NULL;
}

/* Returns: (transfer full) (nullable): "<package>: <path>", from dpkg's database in @root */
static char *
ask_dpkg (const DkmsRoot *root, const char *path)
{
  g_autofree char *database = dkms_root_host_path (root, "/var/lib/dpkg");
  g_autofree char *option = g_strconcat ("--admindir=", root->has_shell ? "/var/lib/dpkg" : database, NULL);
  const char *argv[] = { "dpkg-query", option, "-S", path, NULL };
  g_auto (GStrv) env = dkms_process_speak_english (g_get_environ ());
  DkmsCommand command = { .argv = argv, .env = env, .root = root, .null_stdin = TRUE };
  int status = 0;
  g_autofree char *answer
      = dkms_root_is_file (root, "/var/lib/dpkg/status") ? dkms_process_capture (&command, NULL, &status, NULL) : NULL;

  return status == 0 ? g_steal_pointer (&answer) : NULL;
}

char *
dkms_distro_package (const DkmsDistro *self, const DkmsRoot *root, const char *path)
{
  char *answer = ask_dpkg (root, path);

  if (answer == NULL)
    answer = ask_rpm (self, root, path, "%{NAME}\\n");
  if (answer != NULL)
    answer[strcspn (answer, ":,\n")] = '\0';
  return answer;
}
