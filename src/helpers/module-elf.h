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
  bool is_module;  /* it has the sections of a module: .modinfo and .gnu.linkonce.this_module */
  bool versioned;  /* it contains the versions of the symbols that it was built against */
  const char *why; /* (nullable): why the file is unreadable; then other members are not meaningful */
} ElfFacts;

typedef enum {
  ELF_MODINFO,   /* name and value of an entry of .modinfo */
  ELF_UNDEFINED, /* name of a symbol that it needs */
  ELF_EXPORT,    /* name of a symbol that it exports */
  ELF_VERSION    /* name of a symbol that it needs, and its checksum in hexadecimal */
} ElfKind;

/** Called for each finding. The texts are valid during the call only. @value: (nullable) */
typedef void (*ElfFunc) (ElfKind kind, const char *name, const char *value, void *user);

/** Reads the file in @bytes, and calls @func for each finding, in the order of the file. */
void elf_read (const void *bytes, size_t size, ElfFacts *facts, ElfFunc func, void *user);
