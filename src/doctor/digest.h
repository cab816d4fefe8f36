/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digests of files, links and directories. Private to doctor/. */
#pragma once

#include "base/root.h"

/**
 * dkms_digest_of:
 * @path: inside the root; a link is not followed
 *
 * Returns: (transfer full) (nullable): a digest of the type and the content, or link text, of @path, and, if it is a
 *   directory, of the names, types and contents of everything below it; NULL if @path does not exist, or, with an
 *   error, cannot be read
 */
char *dkms_digest_of (const DkmsRoot *root, const char *path, GError **error);
