/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether modprobe can load compressed module files. */
#pragma once

#include "base/root.h"
#include "check/load.h"

typedef struct DkmsReadable DkmsReadable;

/** Returns: (transfer full): what modprobe of @root reads. @config: (nullable): text of the configuration of the kernel
 */
DkmsReadable *dkms_readable_new (const DkmsRoot *root, const char *config);
void dkms_readable_free (DkmsReadable *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsReadable, dkms_readable_free)
/** Returns: whether modprobe or the kernel decompresses the module file @path, by its suffix */
DkmsKnown dkms_readable_check (const DkmsReadable *self, const char *path);
