/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of other parties, of limited size, in memory. */
#pragma once

#include <stddef.h>

#include "helpers/unpack.h"

enum { MEMORY_FILE_MOST = 1 << 30 }; /* bytes */

/** Maps the regular file @fd, as long as the process lives. Returns: its bytes; NULL with @size 0 if it is empty,
 * larger than MEMORY_FILE_MOST, or cannot be read */
const unsigned char *memory_file_map (int fd, size_t *size);
/** Decompresses @bytes into a new memory file. @rest: (out): how many bytes follow the compressed ones. Returns: its
 * descriptor; -1 if they are damaged or larger than MEMORY_FILE_MOST */
int memory_file_unpack (UnpackFunc unpack, const void *bytes, size_t size, size_t *rest);
