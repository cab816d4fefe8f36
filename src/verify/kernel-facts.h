/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known about a kernel that loads modules: from its image, its modules, its headers and its configuration. */
#pragma once

#include "check/finding.h"
#include "check/load.h"
#include "conf/settings.h"
#include "kernel/module-file.h"
#include "verify/symbol-table.h"

typedef struct {
  char *release;
  char *image;               /* (nullable): path of its image inside the root; NULL: none was found */
  char *unread;              /* (nullable): why the image could not be read */
  gboolean needs_root;       /* it is because of missing rights */
  DkmsConfidence confidence; /* of its symbols: CERTAIN: its image was read; LIKELY: its Module.symvers or its modules;
                                UNKNOWN: neither exists */
  char *build;               /* (nullable): what `uname -v` prints for its image */
  char *config;              /* (nullable): the text of its configuration */
  char *vermagic;            /* (nullable) */
  guint64 struct_size;       /* of struct module in its own modules; 0: unknown */
  guint machine;             /* of its own modules, in ELF headers; 0: unknown */
  char *btf;                 /* (nullable): SHA-256 of its type information */
  GPtrArray *certificates;   /* (element-type GBytes): certificates in its image, DER */
  gboolean other_headers;    /* Module.symvers of its headers has other CRCs than the image */
  DkmsSymbolTable *symbols;
} DkmsKernelReading;

/**
 * dkms_kernel_reading_new:
 * @image: (nullable): path of the kernel image inside the root; NULL: the usual places are searched
 *
 * Sources of symbols, best first: the image, Module.symvers of the headers, the CRCs that modules of the kernel record.
 * Answers of helpers are remembered (store/answers.h).
 *
 * Returns: (transfer full): what could be read
 */
DkmsKernelReading *dkms_kernel_reading_new (const DkmsSettings *settings, const char *release, const char *image);
void dkms_kernel_reading_free (DkmsKernelReading *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsKernelReading, dkms_kernel_reading_free)

/**
 * dkms_kernel_reading_provide:
 * Adds the exports of the installed modules that provide symbols which @files import: the in-tree ones and those of
 * other packages, found in the index of depmod (modules.symbols.bin). If the index or such a module cannot be read,
 * symbols are unknown, and not missing. The owner of an added symbol is its module, so a module that is among its own
 * providers exports nothing twice.
 *
 * @files: (element-type DkmsModuleFile)
 * @providers: (out) (transfer full): names of the modules that were added -> (element-type utf8) paths inside the root
 */
void dkms_kernel_reading_provide (DkmsKernelReading *self, const DkmsSettings *settings, const GPtrArray *files,
                                  GHashTable **providers);
/** Fills in what comes from the kernel alone, which borrows from @self; the policy (checks_signatures, enforces,
 * locked, forbidden) stays. */
void dkms_kernel_reading_facts (const DkmsKernelReading *self, DkmsLoadKernel *to);
