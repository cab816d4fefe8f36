/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a module file says about itself: the output of the helper dkms-modinfo --facts, as values. */
#pragma once

#include "check/load.h"

/* A symbol that a module exports. */
typedef struct {
  char *name;
  gboolean gpl_only;
  char *name_space; /* (nullable) */
  gboolean has_crc;
  guint32 crc;
} DkmsModuleExport;

typedef struct {
  guint class, data, type, machine;             /* of the ELF header; 0: it is not an ELF file */
  gboolean ended;                               /* the output about the file is complete */
  guint unread;                                 /* errno: the file could not be opened; 0: it was */
  char *error;                                  /* (nullable): why it is not a module */
  gboolean empty;                               /* the uncompressed file has no bytes */
  char *sha256;                                 /* (nullable): of the uncompressed file, in hexadecimal */
  char *compression;                            /* (nullable): "gzip", "xz" or "zstd", by the first bytes */
  char *name, *vermagic, *license, *srcversion; /* (nullable): of .modinfo */
  char **namespaces;                            /* those that it imports; ended by NULL */
  gboolean in_tree;
  guint struct_size; /* of .gnu.linkonce.this_module, in bytes; 0: none */
  guint symbol_tables;
  gboolean versioned;  /* it has CRCs of the symbols that it needs */
  gboolean extended;   /* in the form of Linux 6.14, in which entries may be missing */
  gboolean has_layout; /* one of them is that of module_layout: */
  guint32 layout;
  gboolean has_btf, has_btf_base; /* it has sections .BTF, .BTF.base */
  GArray *imports;                /* (element-type DkmsImport): without the symbols that kernels do not resolve */
  GPtrArray *exports;             /* (element-type DkmsModuleExport) */
  const char **export_names;      /* of @exports; ended by NULL */
} DkmsModuleFile;

void dkms_module_file_free (DkmsModuleFile *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsModuleFile, dkms_module_file_free)

/** Returns: (transfer full) (element-type DkmsModuleFile): one for each of @count files, in order. @text: the output of
 * dkms-modinfo --facts, of @size bytes */
GPtrArray *dkms_module_files_parse (const char *text, gsize size, guint count);
/** Fills in the facts for dkms_load_verdict(), except the signature and btf_fits. They borrow from @self. @machine:
 * number of the machine in ELF headers of the kernel; 0: unknown, which every file fits. A
 * file that could not be opened has no facts */
void dkms_module_file_facts (const DkmsModuleFile *self, guint machine, DkmsLoadModule *to);
