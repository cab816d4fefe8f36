/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which modules the configuration of a machine wants in its boot images. Each function adds names of modules to a
 * table, names -> the file or the module that wants them (element-type utf8 utf8). */
#pragma once

#include "conf/places.h"
#include "verify/image-place.h"

/* The index of depmod, as text. */
typedef struct DkmsModuleIndex DkmsModuleIndex;

/** Returns: (transfer full): the index of the kernel @release; without modules if there is none */
DkmsModuleIndex *dkms_module_index_read (const DkmsPlaces *places, const char *release);
void dkms_module_index_free (DkmsModuleIndex *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsModuleIndex, dkms_module_index_free)

/** Returns: (transfer full): an empty table */
GHashTable *dkms_image_wishes_new (void);
/** Modules that configuration files of @tool name. */
void dkms_image_wishes_configured (GHashTable *to, const DkmsRoot *root, DkmsImageTool tool,
                                   const DkmsModuleIndex *index);
/** Names of hooks of @tool. */
void dkms_image_wishes_hooks (GHashTable *to, const DkmsRoot *root, DkmsImageTool tool);
/** Modules that drive the file system "/" of the machine, or its devices. */
void dkms_image_wishes_root (GHashTable *to, const DkmsRoot *root);
/** Modules that those with @names (element-type utf8) need. */
void dkms_image_wishes_needed (GHashTable *to, const DkmsModuleIndex *index, const GPtrArray *names);
/** Returns: whether images contain the modules of the kernel in the directory @place, such as "kernel/drivers/net" */
gboolean dkms_image_wishes_place (const DkmsRoot *root, DkmsImageTool tool, const char *place);
/**
 * dkms_image_wishes_moved:
 * @name: of a module
 *
 * Returns: (transfer full) (nullable): the directory of the kernel's own module of that name, such as
 * "kernel/drivers/net", if the module is not there any more; by the list of modules in the kernel's package
 */
char *dkms_image_wishes_moved (const DkmsPlaces *places, const char *release, const char *name);
