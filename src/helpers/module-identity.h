/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What identifies the build of a module file, even if a program has stripped or signed it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* All members lie in the bytes of the file. */
typedef struct {
  const char *srcversion, *vermagic; /* (nullable): of .modinfo */
  const unsigned char *build_id;     /* (nullable): of the linker, in .note.gnu.build-id */
  size_t build_id_size;
  bool is_signed;
} ModuleIdentity;

/** Reads the uncompressed file in @bytes. Members that are absent or damaged are NULL. */
void module_identity_read (const void *bytes, size_t size, ModuleIdentity *to);
