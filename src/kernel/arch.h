/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Architectures: how kernels, `uname -m` and ELF files call them. */
#pragma once

#include <glib.h>

typedef struct {
  const char *name; /* as `uname -m` prints it */
  guint machine;    /* EM_* */
  guint bits;       /* 32 or 64 */
  gboolean big;     /* the byte with the highest value comes first */
} DkmsArch;

/** Reads what the configuration of a kernel says. Returns: FALSE when it names no known architecture */
gboolean dkms_arch_of_config (const char *config, DkmsArch *arch);
/** Looks @name up, as `uname -m` prints it. Returns: FALSE when it is not known */
gboolean dkms_arch_of_name (const char *name, DkmsArch *arch);
/** Returns: whether `uname -m` of a kernel for @arch may print @name */
gboolean dkms_arch_is_named (const DkmsArch *arch, const char *name);
/** Returns: (transfer none) (nullable): what `uname -m` calls the architecture that distributions call @name, such as
 * "x86_64" for "amd64"; NULL when @name is no such name */
const char *dkms_arch_of_alias (const char *name);
/** Returns: (transfer full): what an ELF file is made for, such as "x86_64" or "machine 99, 32 bits" */
char *dkms_arch_describe (guint machine, guint bits, gboolean big);
