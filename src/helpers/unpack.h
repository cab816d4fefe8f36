/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decompresses module files of other parties: gzip, xz and zstd, the formats that kernels read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Gets the decompressed bytes, piece by piece. Returns: false to end the decompression with a failure */
typedef bool (*UnpackSink) (void *user, const void *bytes, size_t size);
/* Decompresses @size bytes at @in. Returns: false if they are damaged or incomplete, or @sink returned false */
typedef bool (*UnpackFunc) (const void *in, size_t size, UnpackSink sink, void *user);

bool unpack_gz (const void *in, size_t size, UnpackSink sink, void *user);
/** With a memory limit of 512 MiB. */
bool unpack_xz (const void *in, size_t size, UnpackSink sink, void *user);
bool unpack_zst (const void *in, size_t size, UnpackSink sink, void *user);

/** Returns: the function for a file that begins with @bytes; NULL if it is not compressed */
UnpackFunc unpack_find (const void *bytes, size_t size);
