/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The boot images (initramfs) of a kernel: which modules they contain, which they should contain, and how to make them
 * again. */
#pragma once

#include "check/boot-image.h"
#include "conf/settings.h"
#include "verify/image-place.h"

typedef struct {
  char *release;
  DkmsImageTool tool;
  char *kernel_install; /* (nullable): the kernel image, if kernel-install makes unified kernel images from it */
  GPtrArray *paths;     /* (element-type utf8): the images inside the root, in order */
  GPtrArray *modules;   /* (element-type DkmsImageModule) */
  GPtrArray *configs;   /* (element-type DkmsModprobeLine): of the files of modprobe.d in the images */
  char *inner;          /* (nullable): a file system inside the image, whose modules are not known */
  char *bad;            /* (nullable): an image that could not be read */
  char *unread;         /* (nullable): why */
  gboolean needs_root;  /* it is because of missing rights */
  GHashTable *wanted[DKMS_IMAGE_LAST]; /* (element-type utf8 utf8): names of modules that images should contain, by
                                          reason -> the file or the module that wants them */
  GPtrArray *lines;                    /* (element-type DkmsModprobeLine): of the files of modprobe.d in the root */
} DkmsBootImages;

/**
 * dkms_boot_images_read:
 * @images: (element-type utf8) (nullable): those of the entry that boots; NULL: the usual places of the distribution
 *
 * Returns: (transfer full): the content of the images of @release; without paths if there are none
 */
DkmsBootImages *dkms_boot_images_read (const DkmsSettings *settings, const char *release, const GPtrArray *images);
void dkms_boot_images_free (DkmsBootImages *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsBootImages, dkms_boot_images_free)

/* An installed module, as the checks of the images see it. */
typedef struct {
  const char *name;         /* of the module */
  const char *path;         /* (nullable): of the installed file, inside the root; NULL: there is none */
  const char *sha256;       /* (nullable): of the uncompressed installed file; NULL: not known yet */
  const char *const *needs; /* (nullable): names of the modules that it needs; ended by NULL */
  const GPtrArray *digests; /* (element-type utf8) (nullable): names of the modules that can compute the digest of its
                               signature; NULL: none is necessary */
  gboolean enforced;        /* the kernel loads signed modules only */
  gboolean replaced;        /* the build replaced modules of the kernel, which may include this one */
} DkmsImageQuestion;

/** Adds to @findings what is wrong with @module in the images: IMAGE_MISSING, IMAGE_STALE, IMAGE_UNSIGNED,
 * IMAGE_DIGEST, IMAGE_UNREADABLE, IMAGE_CONFIG, DRIVER_GONE_EARLY. The rules are those of the programs that make the
 * images, see boot-image.c. */
void dkms_boot_images_check (const DkmsBootImages *self, const DkmsSettings *settings, const DkmsImageQuestion *module,
                             GPtrArray *findings);
/** Returns: (transfer none) (nullable): the image with a copy of @module that differs, also if only their signatures do
 */
const char *dkms_boot_images_other (const DkmsBootImages *self, const DkmsSettings *settings,
                                    const DkmsImageQuestion *module);
/** Returns: (transfer full) (nullable): the command that makes the images again */
char *dkms_boot_images_command (const DkmsBootImages *self);
