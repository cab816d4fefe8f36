/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what a kernel reads of a module file before it loads it, of any architecture, word size and byte order. Every
 * offset and size in the file is checked against the file; nothing is allocated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  unsigned class, data; /* ELFCLASS*, ELFDATA* */
  unsigned type, machine;
  bool is_module;  /* it has the sections that make it a module: .modinfo and .gnu.linkonce.this_module */
  bool versioned;  /* it says which versions of symbols it was built against */
  const char *why; /* (nullable): what makes the file unreadable; then the rest means nothing */
} ElfFacts;

typedef enum {
  ELF_MODINFO,   /* name and value of an entry of .modinfo */
  ELF_UNDEFINED, /* name of a symbol that it needs */
  ELF_EXPORT,    /* name of a symbol that it exports */
  ELF_VERSION    /* name of a symbol that it needs, and its checksum in hexadecimal */
} ElfKind;

/** Called for each finding; the texts are valid during the call only. @value: (nullable) */
typedef void (*ElfFunc) (ElfKind kind, const char *name, const char *value, void *user);

/** Reads the file in @bytes; tells @func what it finds, in the order of the file. */
void elf_read (const void *bytes, size_t size, ElfFacts *facts, ElfFunc func, void *user);
