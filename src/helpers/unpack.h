/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decompresses files of other parties: gzip, xz and zstd, in which kernels read modules. */
#pragma once

#include <lzma.h>
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

/* Fuzzers would need most of their time for the large dictionaries that damaged headers announce. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
enum { UNPACK_MOST_MEMORY = 256 << 10 };
#else
enum { UNPACK_MOST_MEMORY = 512 << 20 };
#endif
/** Decompresses with the decoder @stream of a format of liblzma, of which @status is the state. @stream is kept for the
 * next call if it is small. */
bool unpack_run_lzma (lzma_stream *stream, lzma_ret status, UnpackSink sink, void *user, size_t *rest);

/** Returns: the function for a module that begins with @bytes; NULL if it is not compressed */
UnpackFunc unpack_find (const void *bytes, size_t size);
