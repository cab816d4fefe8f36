/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decompresses boot images and kernels of other parties: the formats of modules (unpack.h), and further ones. */
#pragma once

#include "helpers/unpack.h"

/** The old format ".lzma", with a memory limit of 512 MiB. */
bool unpack_lzma (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest);
/** One stream of bzip2. */
bool unpack_bz2 (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest);
/** The format that `lz4 -l` writes: a magic number and blocks. It ends with the data, or at a zero. */
bool unpack_lz4 (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest);
/** The format that `lzop` writes: a header and blocks of LZO1X, of at most 256 KiB, which is the limit of the kernel,
 * too. */
bool unpack_lzop (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest);

/** Returns: the function for a boot image or a kernel that begins with @bytes; NULL if it is not compressed */
UnpackFunc unpack_find_any (const void *bytes, size_t size);
