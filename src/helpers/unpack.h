/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decompresses files of other parties: gzip, xz and zstd, in which kernels read modules, and further formats in which
 * they read boot images. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Gets the decompressed bytes, piece by piece. Returns: false to end the decompression with a failure */
typedef bool (*UnpackSink) (void *user, const void *bytes, size_t size);
/* Decompresses @size bytes at @in. @rest: (out) (optional): bytes behind the compressed data. Returns: false if the
 * data are damaged or incomplete, or @sink returned false */
typedef bool (*UnpackFunc) (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest);

bool unpack_gz (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest);
/** With a memory limit of 512 MiB. */
bool unpack_xz (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest);
bool unpack_zst (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest);
/** Returns: whether the zstd data at @in contain the number of decompressed bytes; kmod 34 requires that */
bool unpack_zst_has_size (const void *in, size_t size);

/** The old format ".lzma", with a memory limit of 512 MiB. */
bool unpack_lzma (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest);
/** The format that `lz4 -l` writes: a magic number and blocks. It ends with the data, or at a zero. */
bool unpack_lz4 (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest);

/** Returns: the function for a module that begins with @bytes; NULL if it is not compressed */
UnpackFunc unpack_find (const void *bytes, size_t size);
/** The same for a boot image or a kernel. */
UnpackFunc unpack_find_any (const void *bytes, size_t size);
