/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A search through the headers of a kernel. */
#pragma once

#include "check/explain.h"
#include "kernel/kernel.h"

/**
 * dkms_headers_find_word:
 * @word: an identifier
 * @file: (out) (transfer full) (nullable): the header that contains it, below the directory of headers
 *
 * Reads the headers of @kernel until one contains @word, for ten seconds at the most. For a person who waits: it reads
 * some 50 MB.
 *
 * Returns: whether any of them does; DKMS_SEEN_UNKNOWN if there are none, if not all could be read, or if it took too
 *   long
 */
DkmsSeen dkms_headers_find_word (const DkmsKernel *kernel, const DkmsRoot *root, const char *word, char **file);
