/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels that the package manager offers, and their headers. dkms runs the package manager as it is, reads the forms
 * that it prints for programs, and guesses no version. Nothing is installed. */
#pragma once

#include "conf/settings.h"

/* A package. */
typedef struct {
  char *name;
  char *version; /* (nullable) */
  char *origin;  /* (nullable): where it comes from, for messages */
} DkmsPackageOffer;

/* A kernel that an upgrade would install. */
typedef struct {
  char *release;
  DkmsPackageOffer *image;
  GPtrArray *headers; /* element-type DkmsPackageOffer: the packages with its headers; empty: none is offered */
  goffset size;       /* bytes of the packages that were fetched now */
  char *why;          /* (nullable): why the headers could not be fetched */
} DkmsKernelOffer;

/** Returns: (transfer full) (nullable): NULL if @name or @version (nullable) is not a word that package managers
 * accept, so that neither can be an option or a path */
DkmsPackageOffer *dkms_package_offer_new (const char *name, const char *version, const char *origin);
void dkms_package_offer_free (gpointer self);
DkmsKernelOffer *dkms_kernel_offer_new (const char *release);
void dkms_kernel_offer_free (gpointer self);
/** Adds a package to the headers of @self. Does nothing if the name or version is not valid, or with too many packages.
 */
void dkms_kernel_offer_need (DkmsKernelOffer *self, const char *name, const char *version, const char *origin);

/* A package manager. */
typedef struct {
  const char *name;     /* as dkms_distro_manager() says */
  const char *programs; /* that it needs, separated by blanks */
  /** Adds the kernels that an upgrade would install to @offers. @own, here and below: a directory of the host for files
   * of the package manager, such as a copy of its lists; it exists until the packages are fetched */
  gboolean (*find) (GPtrArray *offers, const char *own, GError **error);
  /** Adds the packages with the headers of @offer, if there are any. */
  gboolean (*resolve) (DkmsKernelOffer *offer, const char *own, GError **error);
  /** Fetches them into the empty directory @dir of the host, or into directories in it. */
  gboolean (*fetch) (const DkmsKernelOffer *offer, const char *own, const char *dir, GError **error);
} DkmsManager;

/** Returns: (transfer none) (nullable): the package manager of this system; NULL with an error */
const DkmsManager *dkms_manager_find (const DkmsSettings *settings, GError **error);

/**
 * dkms_manager_ask:
 * @argv: a program of the package manager
 * @cwd: (nullable)
 *
 * Returns: (transfer full) (nullable): what it prints, in English; NULL with an error, also if it fails
 */
char *dkms_manager_ask (const char *name, const char *const *argv, const char *cwd,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_manager_ask(). @nothing is the exit status of a program that has found nothing, which is not an error.
 * @variable: (nullable): "NAME=value", added to its environment */
char *dkms_manager_ask_for (const char *name, const char *const *argv, const char *variable, int nothing,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_manager_fetch:
 * @words: (array zero-terminated=1): a command that fetches packages, without their names
 * @joint: between the name and the version of a package, such as "="
 * @cwd: (nullable)
 *
 * Runs the command for the headers of @offer.
 */
gboolean dkms_manager_fetch (const char *name, const char *const *words, const DkmsKernelOffer *offer,
                             const char *joint, const char *cwd, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Adds a kernel, unless one of that release is in @offers, or there are too many. @image: (nullable): NULL adds none
 */
void dkms_offers_add (GPtrArray *offers, const char *release, const DkmsPackageOffer *image);
