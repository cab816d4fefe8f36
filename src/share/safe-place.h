/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether only root and the caller can change a file or directory that decides what the kernel loads. */
#pragma once

#include <sys/stat.h>

#include "base/root.h"

/** Returns: whether only root and the caller can write what @st describes. @sticky: others may write a directory with
 * the sticky bit, such as /tmp, in which they cannot replace what is not theirs */
gboolean dkms_is_safe (const struct stat *st, gboolean sticky);

/**
 * dkms_find_unsafe:
 * Checks the file or directory @path and each directory and link on the way to it. Directories above may be sticky,
 * except the one with the file.
 *
 * @unsafe: (out) (transfer full) (nullable): the first one that others can change
 *
 * Returns: FALSE with an error if one of them cannot be read
 */
gboolean dkms_find_unsafe (const DkmsRoot *root, const char *path, char **unsafe,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
