/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that appear whole or not at all, and messages of dkms-sign. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/** Prints the failure, and OpenSSL's own reason if it has one. Returns: 0, which means failure */
__attribute__ ((format (printf, 1, 2))) int refuse (const char *format, ...);

/** Replaces @path by a file with @size bytes. Returns: whether it succeeded; otherwise a message was printed */
int put_in_place (const char *path, mode_t mode, const void *data, size_t size);
/** Writes a file that must not exist. Returns: 0 with @errno EEXIST, and without a message, if it exists */
int put_new (const char *path, mode_t mode, const void *data, size_t size);
