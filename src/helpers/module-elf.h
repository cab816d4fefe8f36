/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the parts of a module file that a kernel reads before it loads it, for every architecture, word size and byte
 * order. Every offset and size is checked against the file; no memory is allocated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  unsigned class, data; /* ELFCLASS*, ELFDATA* */
  unsigned type, machine;
  bool is_module;             /* it has the sections of a module, once: .modinfo and .gnu.linkonce.this_module */
  bool versioned;             /* it contains the versions of the symbols that it was built against */
  bool extended;              /* they are in the form of Linux 6.14, __version_ext_crcs; then kernels read no other */
  bool has_btf, has_btf_base; /* it has type information, and a base for it */
  unsigned symbol_tables;
  uint64_t struct_size; /* bytes of .gnu.linkonce.this_module */
  const char *why;      /* (nullable): why the file is unreadable; then other members are not meaningful */
} ElfFacts;

typedef enum {
  ELF_MODINFO,   /* name and value of an entry of .modinfo */
  ELF_UNDEFINED, /* name of a symbol that it needs */
  ELF_WEAK,      /* name of a symbol that it uses, and that may be missing */
  ELF_EXPORT,    /* name of a symbol that it exports */
  ELF_GPL,       /* name of a symbol that it exports to modules under the GPL only */
  ELF_CRC,       /* name of a symbol that it exports, and its checksum in hexadecimal */
  ELF_SPACE,     /* name of a symbol that it exports, and its namespace */
  ELF_VERSION    /* name of a symbol that it needs, and its checksum in hexadecimal */
} ElfKind;

/** Called for each finding. The texts are valid during the call only. @value: (nullable) */
typedef void (*ElfFunc) (ElfKind kind, const char *name, const char *value, void *user);

/** Reads the file in @bytes, and calls @func for each finding, in the order of the file. */
void elf_read (const void *bytes, size_t size, ElfFacts *facts, ElfFunc func, void *user);
