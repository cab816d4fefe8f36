/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Differences between distributions: destinations, architectures, names of packages. */
#define _GNU_SOURCE
#include "kernel/distro.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/language.h"
#include "base/process.h"
#include "base/unread.h"
#include "kernel/kernel.h"
#include "model/version.h"

#define MOK_KEY "/var/lib/dkms/mok.key"
#define MOK_CERT "/var/lib/dkms/mok.pub"
#define SHIM_KEY "/var/lib/shim-signed/mok/MOK.priv"
#define SHIM_CERT "/var/lib/shim-signed/mok/MOK.der"

/* Families that name packages in the same way. */
enum { OTHER, DEBIAN, UBUNTU, FEDORA, SUSE, ARCH, ALPINE, VOID, GENTOO, COLUMNS };

/* The first row whose prefix matches is used; the last one matches everything. */
static const DkmsFamily families[] = {
  { "debian", "/updates/dkms", "linux-headers-%s", FALSE, DEBIAN, MOK_KEY, MOK_CERT, NULL },
  { "ubuntu", "/updates/dkms", "linux-headers-%s", FALSE, UBUNTU, SHIM_KEY, SHIM_CERT, "update-secureboot-policy" },
  { "arch", "/updates/dkms", "linux-headers", FALSE, ARCH, MOK_KEY, MOK_CERT, NULL },
  { "gentoo", NULL, N_ ("the sources of that kernel, configured and prepared"), FALSE, GENTOO, NULL, NULL, NULL },
  { "fedora", "/extra", "kernel-devel-%s", TRUE, FEDORA, MOK_KEY, MOK_CERT, NULL },
  { "centos", "/extra", "kernel-devel-%s", TRUE, FEDORA, MOK_KEY, MOK_CERT, NULL },
  { "rhel", "/extra", "kernel-devel-%s", TRUE, FEDORA, MOK_KEY, MOK_CERT, NULL },
  { "sles", "/updates", "kernel-default-devel", TRUE, SUSE, MOK_KEY, MOK_CERT, NULL },
  { "suse", "/updates", "kernel-default-devel", TRUE, SUSE, MOK_KEY, MOK_CERT, NULL },
  { "opensuse", "/updates", "kernel-default-devel", TRUE, SUSE, MOK_KEY, MOK_CERT, NULL },
  { "alpine", NULL, "linux-lts-dev (or the -dev package of that kernel)", TRUE, ALPINE, MOK_KEY, MOK_CERT, NULL },
  { "void", NULL, "linux-headers", TRUE, VOID, MOK_KEY, MOK_CERT, NULL },
  { "", NULL, N_ ("the header package of that kernel"), TRUE, OTHER, MOK_KEY, MOK_CERT, NULL },
};

/* One value of os-release: shell syntax, in which only quoting is allowed (os-release(5)). */
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

/* Every word of ID and ID_LIKE is compared, so that RHEL is not taken for Fedora. */
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

static gboolean
fail_no_release (const DkmsRoot *root, GError **error)
{
  g_autofree char *first = dkms_root_host_path (root, "/etc/os-release");
  g_autofree char *second = dkms_root_host_path (root, "/usr/lib/os-release");
  g_autofree char *advice = dkms_root_is_host (root) ? NULL : DKMS_SAY (NAME_A_SYSTEM, 0);

  return DKMS_FAIL (error, NO_OS_RELEASE, .path = first, .place = second, .advice = advice);
}

DkmsDistro *
dkms_distro_read (const DkmsRoot *root, GError **error)
{
  g_autoptr (DkmsDistro) self = g_new0 (DkmsDistro, 1);
  g_autofree char *text = dkms_root_read (root, "/etc/os-release", 65536, NULL, NULL);

  if (text == NULL)
    text = dkms_root_read (root, "/usr/lib/os-release", 65536, NULL, NULL);
  if (text == NULL)
    return fail_no_release (root, error), NULL;

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

static char *
fill_name (const char *pattern, const char *what)
{
  g_auto (GStrv) parts = g_strsplit (pattern, "%s", 2);

  return g_strjoinv (what != NULL ? what : "", parts);
}

/* Returns: (nullable): the flavour at the end of a release, as in 6.6.30-0-lts and 6.4.0-21-default. Only flavours of
 * distributions count, because no package exists for the kernel of a user */
static const char *
flavour_of (const char *release)
{
  static const char *const flavours[] = { "default", "rt",       "azure", "preempt", "vanilla", "kvmsmall", "debug",
                                          "lts",     "hardened", "zen",   "virt",    "stable",  "rpi",      NULL };
  const char *dash = strrchr (release, '-');

  return dash != NULL && g_strv_contains (flavours, dash + 1) ? dash + 1 : NULL;
}

/* Returns: (transfer full): the part of @release before the first of @ends, or all of it */
static char *
before (const char *release, const char *ends)
{
  return g_strndup (release, strcspn (release, ends));
}

/* Kernels of Proxmox run on systems whose ID is debian. Their headers had another name before 6.5. */
static char *
proxmox_headers (const char *release)
{
  gboolean old = dkms_version_compare (release, "6.5") < 0;

  return g_strdup_printf ("%s-headers-%s", old ? "pve" : "proxmox", release);
}

/* 6.8.5-301.fc40.x86_64+debug is a kernel of kernel-debug, and 5.15.0-200.el8uek.x86_64 one of kernel-uek. */
static char *
fedora_headers (const char *release)
{
  g_autofree char *version = before (release, "+");
  const char *flavour = release[strlen (version)] == '+'  ? release + strlen (version) + 1
                        : strstr (release, "uek") != NULL ? "uek"
                                                          : NULL;

  return flavour != NULL ? g_strdup_printf ("kernel-%s-devel-%s", flavour, version)
                         : g_strdup_printf ("kernel-devel-%s", release);
}

/* Packages of kernels store their own name beside the modules. A kernel of Manjaro is linux66 or the like. */
static char *
arch_headers (const DkmsRoot *root, const char *kernel_dir, const char *release)
{
  g_autofree char *path = kernel_dir != NULL ? g_build_filename (kernel_dir, "pkgbase", NULL) : NULL;
  guint mark = dkms_unread_mark ();
  g_autofree char *base = path != NULL ? dkms_root_read (root, path, 256, NULL, NULL) : NULL;
  g_auto (GStrv) numbers = g_strsplit (release, ".", 3);

  dkms_unread_drop (mark); /* this is only a hint */
  if (base != NULL && *g_strstrip (base) != '\0')
    return g_strconcat (base, "-headers", NULL);
  if (g_str_has_suffix (release, "-MANJARO") && g_strv_length (numbers) == 3)
    return g_strdup_printf ("linux%s%s-headers", numbers[0], numbers[1]);
  return NULL;
}

/* 6.6.20_1 is a kernel of linux6.6. */
static char *
void_headers (const char *release)
{
  g_auto (GStrv) numbers = g_strsplit (release, ".", 3);

  return g_strv_length (numbers) == 3 && strchr (release, '_') != NULL
             ? g_strdup_printf ("linux%s.%s-headers", numbers[0], numbers[1])
             : NULL;
}

/* 6.6.20-gentoo-r1-dist and 6.6.20-gentoo-r1: the sources, which contain the headers. */
static char *
gentoo_headers (const char *release)
{
  g_auto (GStrv) parts = g_strsplit (release, "-gentoo", 2);
  const char *rest = parts[0] != NULL ? parts[1] : NULL;

  if (rest == NULL)
    return NULL;
  g_autofree char *revision = g_str_has_prefix (rest, "-r") ? g_strndup (rest, strcspn (rest + 1, "-") + 1) : NULL;
  return g_strdup_printf ("=sys-kernel/gentoo-%s-%s%s", g_str_has_suffix (rest, "-dist") ? "kernel-bin" : "sources",
                          parts[0], revision != NULL ? revision : "");
}

char *
dkms_distro_headers_package (const DkmsDistro *self, const DkmsRoot *root, const char *kernel_dir, const char *release)
{
  static const char *const of_flavours[COLUMNS]
      = { [SUSE] = "kernel-%s-devel", [ARCH] = "linux-%s-headers", [ALPINE] = "linux-%s-dev" };
  guint column = self->family->packages;
  const char *flavour = flavour_of (release), *pattern = of_flavours[column];
  char *name = column == DEBIAN && g_str_has_suffix (release, "-pve") ? proxmox_headers (release)
               : column == FEDORA                                     ? fedora_headers (release)
               : column == ARCH                                       ? arch_headers (root, kernel_dir, release)
               : column == VOID                                       ? void_headers (release)
               : column == GENTOO                                     ? gentoo_headers (release)
                                                                      : NULL;

  if (name != NULL)
    return name;
  return pattern != NULL && flavour != NULL ? fill_name (pattern, flavour) : fill_name (self->family->headers, release);
}

/* ---- packages for builds ---- */

#define SAME(name)                                                                                                     \
  {                                                                                                                    \
    NULL, name, name, name, name, name, name, name                                                                     \
  }

/* The content of packages, and their names in each column. %s stands for the wanted name. A row without words is for
 * all names. */
static const struct {
  DkmsPackage package;
  const char *what; /* (nullable): words, separated by blanks */
  const char *names[COLUMNS];
} packages[] = {
  { DKMS_PACKAGE_KBUILD, NULL, { [DEBIAN] = "linux-headers-%s and the linux-kbuild package that it needs" } },
  { DKMS_PACKAGE_PAHOLE, NULL, { NULL, "pahole", "pahole", "dwarves", "dwarves", "pahole", "pahole", "pahole" } },
  { DKMS_PACKAGE_LIBELF,
    NULL,
    { NULL, "libelf-dev", "libelf-dev", "elfutils-libelf-devel", "libelf-devel", "libelf", "elfutils-dev",
      "elfutils-devel" } },
  { DKMS_PACKAGE_CLANG, NULL, SAME ("clang, lld and llvm") },
  { DKMS_PACKAGE_COMPILER, NULL, { NULL, "%s", "%s", "gcc", "%s", "gcc", "gcc", "gcc" } },
  { DKMS_PACKAGE_HEADER,
    "gelf.h libelf.h",
    { NULL, "libelf-dev", "libelf-dev", "elfutils-libelf-devel", "libelf-devel", "libelf", "elfutils-dev",
      "elfutils-devel" } },
  { DKMS_PACKAGE_HEADER,
    "openssl",
    { NULL, "libssl-dev", "libssl-dev", "openssl-devel", "libopenssl-devel", "openssl", "openssl-dev",
      "openssl-devel" } },
  { DKMS_PACKAGE_HEADER,
    "zlib.h",
    { NULL, "zlib1g-dev", "zlib1g-dev", "zlib-devel", "zlib-devel", "zlib", "zlib-dev", "zlib-devel" } },
  { DKMS_PACKAGE_HEADER,
    "dwarf.h libdw.h elfutils",
    { NULL, "libdw-dev", "libdw-dev", "elfutils-devel", "libdw-devel", "elfutils", "elfutils-dev", "elfutils-devel" } },
  { DKMS_PACKAGE_HEADER,
    "ncurses.h curses.h",
    { NULL, "libncurses-dev", "libncurses-dev", "ncurses-devel", "ncurses-devel", "ncurses", "ncurses-dev",
      "ncurses-devel" } },
  { DKMS_PACKAGE_HEADER,
    "stdio.h stdlib.h string.h unistd.h stdint.h sys bits",
    { NULL, "libc6-dev", "libc6-dev", "glibc-devel", "glibc-devel", "glibc", "musl-dev", "glibc-devel" } },
  { DKMS_PACKAGE_LIBRARY,
    "elf libelf.so.1",
    { NULL, "libelf-dev", "libelf-dev", "elfutils-libelf-devel", "libelf-devel", "libelf", "elfutils-dev",
      "elfutils-devel" } },
  { DKMS_PACKAGE_LIBRARY,
    "ssl crypto",
    { NULL, "libssl-dev", "libssl-dev", "openssl-devel", "libopenssl-devel", "openssl", "openssl-dev",
      "openssl-devel" } },
  { DKMS_PACKAGE_TOOL,
    "bc bison flex make patch perl rsync cpio gawk git cmake autoconf automake libtool file zstd "
    "lz4 bzip2 gzip tar sed openssl kmod m4 curl wget which",
    SAME ("%s") },
  { DKMS_PACKAGE_TOOL, "awk", SAME ("gawk") },
  { DKMS_PACKAGE_TOOL, "autoreconf autoheader", SAME ("autoconf") },
  { DKMS_PACKAGE_TOOL, "aclocal", SAME ("automake") },
  { DKMS_PACKAGE_TOOL, "libtoolize", SAME ("libtool") },
  { DKMS_PACKAGE_TOOL, "ld as ar nm objcopy objdump readelf strip", SAME ("binutils") },
  { DKMS_PACKAGE_TOOL, "depmod modinfo modprobe", SAME ("kmod") },
  { DKMS_PACKAGE_TOOL,
    "python3 python",
    { NULL, "python3", "python3", "python3", "python3", "python", "python3", "python3" } },
  { DKMS_PACKAGE_TOOL, "xz", { NULL, "xz-utils", "xz-utils", "xz", "xz", "xz", "xz", "xz" } },
  { DKMS_PACKAGE_TOOL,
    "pkg-config",
    { NULL, "pkg-config", "pkg-config", "pkgconf-pkg-config", "pkg-config", "pkgconf", "pkgconf", "pkg-config" } },
  { DKMS_PACKAGE_TOOL,
    "dtc",
    { NULL, "device-tree-compiler", "device-tree-compiler", "dtc", "dtc", "dtc", "dtc", "dtc" } },
};

/* Whether @what (nullable), or the directory at its beginning, is one of @words. @words: (nullable): NULL matches
 * everything */
static gboolean
is_one_of (const char *what, const char *words)
{
  g_auto (GStrv) all = words != NULL ? g_strsplit (words, " ", -1) : NULL;
  g_autofree char *first = what != NULL ? g_strndup (what, strcspn (what, "/")) : NULL;

  return words == NULL
         || (what != NULL
             && (g_strv_contains ((const char *const *)all, what)
                 || g_strv_contains ((const char *const *)all, first)));
}

/* gcc-12 for x86_64-linux-gnu-gcc-12; gcc12 on distributions with such names. */
static char *
compiler_package (const DkmsDistro *self, const char *what)
{
  const char *name = strstr (what, "-linux-");

  name = name != NULL ? strstr (name, "gcc") : NULL;
  name = name != NULL ? name : what;
  if (self->family->packages != SUSE || !g_str_has_prefix (name, "gcc-"))
    return g_strdup (name);
  g_auto (GStrv) parts = g_strsplit (name, "-", 2);
  return g_strjoinv ("", parts);
}

/* Describes a package whose name is unknown. */
static char *
describe_package (DkmsPackage package, const char *what)
{
  const char *content = package == DKMS_PACKAGE_PAHOLE   ? "pahole"
                        : package == DKMS_PACKAGE_LIBELF ? N_ ("libelf and its C headers")
                        : package == DKMS_PACKAGE_CLANG  ? N_ ("clang, lld and llvm")
                        : what != NULL                   ? what
                                                         : N_ ("it");

  return DKMS_SAY (PACKAGE_WITH, .text = content);
}

char *
dkms_distro_package_with (const DkmsDistro *self, DkmsPackage package, const char *what)
{
  guint column = self->family->packages;

  if (package == DKMS_PACKAGE_COMPILER && what != NULL && strstr (what, "clang") != NULL && column != DEBIAN
      && column != UBUNTU)
    package = DKMS_PACKAGE_CLANG;
  for (gsize i = 0; i < G_N_ELEMENTS (packages); i++)
    {
      const char *name = packages[i].names[column];
      if (packages[i].package != package || name == NULL || !is_one_of (what, packages[i].what))
        continue;
      g_autofree char *compiler
          = package == DKMS_PACKAGE_COMPILER && what != NULL ? compiler_package (self, what) : NULL;
      return fill_name (name, compiler != NULL ? compiler : what);
    }
  if ((package == DKMS_PACKAGE_HEADERS || package == DKMS_PACKAGE_KBUILD) && what != NULL)
    return dkms_distro_headers_package (self, NULL, NULL, what);
  return describe_package (package, what);
}

/* Whether @words are names of packages, and not a description. */
static gboolean
are_packages (char **words)
{
  for (char **word = words; *word != NULL; word++)
    if (**word == '\0'
        || strspn (*word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-_~:/=") != strlen (*word))
      return FALSE;
  return *words != NULL;
}

char *
dkms_distro_install (const DkmsDistro *self, const char *wanted)
{
  static const char *const commands[COLUMNS]
      = { [DEBIAN] = "apt install", [UBUNTU] = "apt install", [FEDORA] = "dnf install", [SUSE] = "zypper install",
          [ARCH] = "pacman -S",     [ALPINE] = "apk add",     [VOID] = "xbps-install",  [GENTOO] = "emerge" };
  const char *command = commands[self->family->packages];
  g_auto (GStrv) listed = g_strsplit (wanted, ", ", -1); /* as in "clang, lld and llvm" */
  g_autofree char *joined = g_strjoinv (" and ", listed);
  g_auto (GStrv) words = g_strsplit (joined, " and ", -1);
  g_autofree char *names = g_strjoinv (" ", words);

  return command != NULL && are_packages (words) ? g_strdup_printf ("%s (%s %s)", wanted, command, names)
                                                 : g_strdup (wanted);
}

/* ---- what package managers know ---- */

/* Returns: (transfer full) (nullable): the owners of @path according to rpm, one per line */
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

/* 32-bit kernels for Intel's first 64-bit processors had a configuration of that name. */
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

/* Returns: (transfer full): what follows the version and the ABI in a release, such as "cloud-amd64"; "" without such a
 * part */
static char *
whole_flavour_of (const char *release)
{
  g_auto (GStrv) parts = g_strsplit (release, "-", -1);
  guint first = 1;

  while (first < g_strv_length (parts) && g_ascii_isdigit (*parts[first]))
    first++;
  return g_strjoinv ("-", first < g_strv_length (parts) ? parts + first : parts + g_strv_length (parts));
}

/* Returns: (transfer full): the package of a kernel of Arch: 6.9.1-arch1-1, 6.6.30-1-lts, 6.9.1-zen1-1-zen */
static char *
arch_package_of (const char *release)
{
  const char *last = strrchr (release, '-');

  return last != NULL && g_ascii_isalpha (last[1]) ? g_strconcat ("linux", last, NULL) : g_strdup ("linux");
}

const char *
dkms_distro_manager (const DkmsDistro *self)
{
  static const char *const names[COLUMNS] = {
    [DEBIAN] = "apt", [UBUNTU] = "apt", [FEDORA] = "dnf", [SUSE] = "zypper", [ARCH] = "pacman", [ALPINE] = "apk"
  };

  return names[self->family->packages];
}

char *
dkms_distro_hold (const DkmsDistro *self, const char *release)
{
  g_autofree char *flavour = whole_flavour_of (release), *package = arch_package_of (release);

  switch (self->family->packages)
    {
    case DEBIAN:
    case UBUNTU:
      return *flavour != '\0' ? g_strdup_printf ("apt-mark hold linux-image-%s linux-headers-%s", flavour, flavour)
                              : NULL;
    case FEDORA:
      return g_strdup ("dnf versionlock add kernel-core");
    case SUSE:
      return g_strdup_printf ("zypper addlock kernel-%s", *flavour != '\0' ? flavour : "default");
    case ARCH:
      return g_strdup_printf ("IgnorePkg = %s %s-headers (/etc/pacman.conf)", package, package);
    case ALPINE:
      return g_strdup_printf ("apk add 'linux-%s<%.*s'", *flavour != '\0' ? flavour : "lts",
                              (int)strcspn (release, "-"), release);
    case VOID:
      return g_strdup_printf ("xbps-pkgdb -m hold linux");
    default:
      return NULL;
    }
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

/* Returns: (transfer full) (nullable): the MD5 sum of @path in the database of dpkg */
static char *
digest_of_dpkg (const DkmsRoot *root, const char *package, const char *path)
{
  const char *arch = strcmp (dkms_running_machine (), "x86_64") == 0 ? "amd64" : dkms_running_machine ();

  for (int i = 0; i < 2; i++)
    {
      g_autofree char *file
          = g_strconcat ("/var/lib/dpkg/info/", package, i == 0 ? "" : ":", i == 0 ? "" : arch, ".md5sums", NULL);
      g_autofree char *text = dkms_root_is_file (root, file) ? dkms_root_read (root, file, 64 << 20, NULL, NULL) : NULL;
      g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);

      for (char **line = lines; *line != NULL; line++)
        {
          const char *name = strstr (*line, "  ");
          if (name != NULL && (g_str_equal (name + 2, path + 1) || g_str_has_suffix (path, name + 2)))
            return g_strndup (*line, (gsize)(name - *line));
        }
    }
  return NULL;
}

char *
dkms_distro_digest (const DkmsDistro *self, const DkmsRoot *root, const char *package, const char *path)
{
  char *digest = digest_of_dpkg (root, package, path);
  g_autofree char *files = digest == NULL ? ask_rpm (self, root, path, "[%{FILENAMES} %{FILEDIGESTS}\\n]") : NULL;
  g_auto (GStrv) lines = g_strsplit (files != NULL ? files : "", "\n", -1);
  g_autofree char *wanted = g_strconcat (path, " ", NULL);

  for (char **line = lines; digest == NULL && *line != NULL; line++)
    if (g_str_has_prefix (*line, wanted) && (*line)[strlen (wanted)] != '\0')
      digest = g_strdup (*line + strlen (wanted));
  return digest;
}

char *
dkms_distro_name_package (gpointer distro, DkmsPackage package, const char *what)
{
  return dkms_distro_package_with (distro, package, what);
}

char *
dkms_distro_name_install (gpointer distro, const char *wanted)
{
  return dkms_distro_install (distro, wanted);
}
