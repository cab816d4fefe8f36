/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which modules modprobe would load for a kernel, by the indexes that depmod wrote (modules.dep.bin and others). */
#pragma once

#include "base/root.h"

/* What is found for a name. Paths are inside the root. */
typedef struct {
  gboolean builtin;   /* the kernel contains it, so modprobe loads nothing */
  GPtrArray *modules; /* (element-type utf8): names of the modules; none: nothing was found */
  GPtrArray *paths;   /* (element-type utf8): of their files */
  GPtrArray *depends; /* (element-type utf8): paths of the modules that they need, directly or indirectly */
} DkmsModuleLookup;

/**
 * dkms_module_lookup:
 * @dir: the directory of the kernel's modules, inside the root
 * @names: (element-type utf8): names of modules, or "symbol:NAME" for the modules that export a symbol
 *
 * The configuration of modprobe is not read.
 *
 * Returns: (transfer full) (element-type DkmsModuleLookup) (nullable): one for each name, in order; NULL with an error
 * if the indexes cannot be read. If they do not exist, the error is of the kind DKMS_ERROR_IO with the number ENOENT
 */
GPtrArray *dkms_module_lookup (const DkmsRoot *root, const char *dir, const GPtrArray *names, GError **error);

/** Parses the output of dkms-modinfo lookup. @prefix: the directory as the helper names it. Other parameters as above
 */
GPtrArray *dkms_module_lookup_parse (GBytes *output, const char *prefix, const char *dir, guint count, GError **error);
