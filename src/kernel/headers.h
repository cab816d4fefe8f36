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
 * Reads the headers of @kernel until one contains @word, for at most ten seconds. It reads about 50 MB, so use it only
 * when a user waits for the answer.
 *
 * Returns: whether a header contains it; DKMS_SEEN_UNKNOWN if headers are missing or could not be read, or if the time
 * was exceeded
 */
DkmsSeen dkms_headers_find_word (const DkmsKernel *kernel, const DkmsRoot *root, const char *word, char **file);
