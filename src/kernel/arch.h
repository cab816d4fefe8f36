/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Architectures: their names in `uname -m`, kernel configurations and ELF files. */
#pragma once

#include <glib.h>

typedef struct {
  const char *name; /* as `uname -m` prints it */
  guint machine;    /* EM_* */
  guint bits;       /* 32 or 64 */
  gboolean big;     /* big endian */
} DkmsArch;

/** Reads the architecture from a kernel configuration. Returns: FALSE if it is unknown */
gboolean dkms_arch_of_config (const char *config, DkmsArch *arch);
/** Finds the architecture that `uname -m` prints as @name. Returns: FALSE if it is unknown */
gboolean dkms_arch_of_name (const char *name, DkmsArch *arch);
/** Returns: whether `uname -m` of a kernel for @arch may print @name */
gboolean dkms_arch_is_named (const DkmsArch *arch, const char *name);
/** Returns: (transfer none) (nullable): the name in `uname -m` of the architecture that distributions call @name, such
 * as "x86_64" for "amd64"; NULL if @name is not such a name */
const char *dkms_arch_of_alias (const char *name);
/** Returns: (transfer full): the architecture of an ELF file, such as "x86_64" or "machine 99, 32 bits" */
char *dkms_arch_describe (guint machine, guint bits, gboolean big);
