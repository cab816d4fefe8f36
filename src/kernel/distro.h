/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The properties of the distribution in a root: one table with one row for each family (docs/interface/cli.md §2). */
#pragma once

#include "base/root.h"
#include "check/causes.h"

/* The tool that makes modules of one kernel available to compatible kernels (docs/interface/build-install.md §10). */
typedef enum { DKMS_WEAK_NONE, DKMS_WEAK_RHEL, DKMS_WEAK_SUSE } DkmsWeak;

typedef struct {
  const char *prefix;      /* of the distribution id */
  const char *destination; /* directory for all modules; NULL: the recipe decides */
  const char *headers;     /* package with a kernel's headers; %s stands for the release */
  gboolean rpm;            /* rpm knows the architecture of kernels and the owners of files */
  guint packages;          /* column of the table of packages in distro.c */
  const char *key;         /* signing key and certificate; NULL: MODULES_SIGN_KEY and _CERT, as on Gentoo */
  const char *certificate;
  const char *mok_tool; /* (nullable) a tool that creates and enrols the key instead of dkms */
} DkmsFamily;

typedef struct {
  char *id; /* docs/interface/cli.md §2: visible in recipes as running_distribution */
  const DkmsFamily *family;
  DkmsWeak weak;
} DkmsDistro;

/** Reads os-release. Returns: (transfer full) (nullable): NULL with DKMS_ERROR_NO_OS_RELEASE */
DkmsDistro *dkms_distro_read (const DkmsRoot *root, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_distro_free (DkmsDistro *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsDistro, dkms_distro_free)

/**
 * dkms_distro_headers_package:
 * @root: (nullable): the root of @kernel_dir
 * @kernel_dir: (nullable): <install_tree>/<release>, which contains the name of its package on some distributions
 *
 * Returns: (transfer full): name of the header package to install for @release, for messages
 */
char *dkms_distro_headers_package (const DkmsDistro *self, const DkmsRoot *root, const char *kernel_dir,
                                   const char *release);

/**
 * dkms_distro_package_with:
 * @what: (nullable): the content of the package: a kernel release for DKMS_PACKAGE_HEADERS and _KBUILD, else the
 *   name of a compiler, command, C header or library
 *
 * Returns: (transfer full): its name or names, for messages; "the package of your distribution with ..." if they are
 * unknown
 */
char *dkms_distro_package_with (const DkmsDistro *self, DkmsPackage package, const char *what);

/**
 * dkms_distro_install:
 * @wanted: the result of one of the functions above
 *
 * Returns: (transfer full): @wanted with the command that installs them, such as "pahole (apt install pahole)"; a copy
 * if the names or the command are unknown
 */
char *dkms_distro_install (const DkmsDistro *self, const char *wanted);

/** Returns: (transfer none) (nullable): "apt", "dnf", "zypper", "pacman" or "apk"; NULL: another package manager */
const char *dkms_distro_manager (const DkmsDistro *self);

/** Returns: (transfer full) (nullable): the command or setting that keeps the package manager from installing the
 * kernel
 * @release, for messages; NULL if it is unknown */
char *dkms_distro_hold (const DkmsDistro *self, const char *release);

/**
 * dkms_distro_arch:
 * @kernel_dir: <install_tree>/<release>
 * @machine: as `uname -m` prints it
 *
 * The architecture of a kernel if the command line does not name one (docs/interface/cli.md §5, rule 3): on systems
 * with rpm, the architecture of the package that owns the directory, otherwise @machine.
 *
 * Returns: (transfer full)
 */
char *dkms_distro_arch (const DkmsDistro *self, const DkmsRoot *root, const char *kernel_dir, const char *machine);

/** Returns: whether a package owns @path according to rpm; FALSE on other systems */
gboolean dkms_distro_owns (const DkmsDistro *self, const DkmsRoot *root, const char *path);

/** Returns: (transfer full) (nullable): the name of the package that owns @path according to dpkg or rpm */
char *dkms_distro_package (const DkmsDistro *self, const DkmsRoot *root, const char *path);

/** Returns: (transfer full) (nullable): the digest of the file @path of @package in the database of dpkg or rpm: of MD5
 * (32 digits) or SHA-256 (64 digits); NULL: unknown */
char *dkms_distro_digest (const DkmsDistro *self, const DkmsRoot *root, const char *package, const char *path);

/* For DkmsCauseFacts: @distro is a DkmsDistro. */

/** As dkms_distro_package_with(). */
char *dkms_distro_name_package (gpointer distro, DkmsPackage package, const char *what);
/** As dkms_distro_install(). */
char *dkms_distro_name_install (gpointer distro, const char *wanted);
