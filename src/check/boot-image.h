/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the copy of a module in a boot image is that of the root file system, and whether boot images should contain
 * the module: decisions about facts that verify/boot-image.c gathers. */
#pragma once

#include "check/finding.h"

/* A module file: what identifies it. */
typedef struct {
  char *path;       /* in the image, without leading slash */
  char *name;       /* of the module: with '_', without suffix */
  char *sha256;     /* of the uncompressed file */
  char *build_id;   /* (nullable): of its linker; stripping and signing do not change it */
  char *srcversion; /* (nullable) */
  char *vermagic;   /* (nullable) */
  gboolean is_signed;
  guint image; /* the number of its image, from 0 */
} DkmsImageModule;

void dkms_image_module_free (DkmsImageModule *self);
/** Returns: (transfer full): the name of the module whose file has the name or path @path */
char *dkms_module_name_of (const char *path);
/** Returns: whether two names of modules are equal; a '-' and a '_' are */
gboolean dkms_module_names_equal (const char *one, const char *other);

/* The copy of an installed module in boot images. */
typedef enum {
  DKMS_COPY_ABSENT,
  DKMS_COPY_SAME,     /* of the same build; programs that make images may have stripped it */
  DKMS_COPY_UNSIGNED, /* of the same build, but its signature was removed */
  DKMS_COPY_OTHER,
  DKMS_COPY_UNKNOWN /* the installed file could not be read */
} DkmsImageCopy;

/**
 * dkms_image_find:
 * @modules: (element-type DkmsImageModule): of all images, in order; a file replaces an earlier one with its path
 * @installed: (nullable): the installed file; without path. NULL: it could not be read
 * @found: (out) (nullable): the copy that loads
 *
 * If there are several copies, one outside of kernel/ loads. Copies for other kernels than @release do not count.
 */
DkmsImageCopy dkms_image_find (const GPtrArray *modules, const char *release, const char *name,
                               const DkmsImageModule *installed, const DkmsImageModule **found);

/* Why images should contain a module. */
typedef enum {
  DKMS_IMAGE_COPIED,     /* they do contain a module of that name */
  DKMS_IMAGE_ROOT,       /* it drives the root file system, or its device */
  DKMS_IMAGE_CONFIGURED, /* a configuration file of the program that makes them names it */
  DKMS_IMAGE_NEEDED,     /* a module in them needs it */
  DKMS_IMAGE_HOOK,       /* a part of that program with its name is installed */
  DKMS_IMAGE_MOVED,      /* it replaces a module that they would contain, and that was moved aside */
  DKMS_IMAGE_LAST
} DkmsImageReason;

typedef struct {
  gboolean any; /* there is a finding */
  DkmsCode code;
  DkmsResult result;
  DkmsConfidence confidence;
  DkmsImageReason reason;
} DkmsImageVerdict;

/** Returns: the finding about a module. @reasons: a set of bits 1 << DkmsImageReason; @enforced: the kernel loads
 * signed modules only */
DkmsImageVerdict dkms_image_verdict (DkmsImageCopy copy, guint reasons, gboolean enforced);
