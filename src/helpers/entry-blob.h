/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blobs of the build cache: files in one zstd frame (level 3, with the size and a checksum of their content), named by
 * the SHA-256 of their bytes. And digests, in lower-case hexadecimal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "helpers/entry-manifest.h"

/** Computes the SHA-256 of @size bytes. */
void entry_digest (const void *bytes, size_t size, char digest[ENTRY_HEX + 1]);

/**
 * entry_payload:
 * The digest of what is loaded of the module in @size bytes: for each section with SHF_ALLOC except .note.gnu.build-id,
 * in their order, its name, a NUL, its size in decimal, a NUL, and its bytes. It is equal for modules that differ only
 * in debugging data, which decide the build id.
 *
 * Returns: false if they are not an ELF file
 */
bool entry_payload (const void *bytes, size_t size, char digest[ENTRY_HEX + 1]);
/** As entry_payload(), also without the section @omitted. */
bool entry_payload_without (const void *bytes, size_t size, const char *omitted, char digest[ENTRY_HEX + 1]);

/**
 * entry_blob_pack:
 * Compresses the file @path below the directory @from, and fills in the size and the digests of @file.
 *
 * @to: a directory, in which the blob gets its digest as its name
 *
 * Returns: (transfer none) (nullable): what is wrong, with errno or 0
 */
const char *entry_blob_pack (int from, const char *path, int to, EntryFile *file);

/**
 * entry_blob_unpack:
 * Reads the blob of @file in the directory @from, and writes its content to the new file @file->path below the
 * directory
 * @to. Sizes and digests are compared; the payload is, too.
 *
 * Returns: (transfer none) (nullable): what is wrong; "" if the blob does not exist
 */
const char *entry_blob_unpack (int from, int to, const EntryFile *file);
