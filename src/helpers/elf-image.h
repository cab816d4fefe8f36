/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes of an ELF file of another party, and its section headers. Every offset and size is checked against the
 * file; no memory is allocated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const uint8_t *bytes;
  size_t size;
  bool wide, big; /* ELFCLASS64, ELFDATA2MSB */
} ElfImage;

/* A section header. */
typedef struct {
  uint32_t name, type, link;
  uint64_t address, offset, size, entry;
} ElfSection;

/** Checks the identification and the size of the header, and fills in @image. Returns: (transfer none) (nullable): why
 * the file is unreadable. @image->wide and @image->big are set, or false if the file is shorter than its identification
 */
const char *elf_image_open (ElfImage *image, const void *bytes, size_t size);
/** Returns: the number in @n bytes (1 to 8) at @at, in the byte order of the file. The bytes must be inside of the file
 */
uint64_t elf_number (const ElfImage *image, size_t at, unsigned n);
/** Returns: whether @size bytes at @offset are inside of the file */
bool elf_lies_inside (const ElfImage *image, uint64_t offset, uint64_t size);
/** Returns: the bytes of a section header of this file */
unsigned elf_header_size (const ElfImage *image);
/** Reads the header @index of the section headers at @table. Returns: false if it is not inside of the file */
bool elf_read_section (const ElfImage *image, uint64_t table, uint64_t index, ElfSection *section);
/** Returns: (transfer none) (nullable): the text at @offset of the string section @strings; NULL if it has no end
 * there, or more than 511 bytes */
const char *elf_text_at (const ElfImage *image, const ElfSection *strings, uint64_t offset);
