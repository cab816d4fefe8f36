/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shows a long text in the user's pager. */
#pragma once

#include <glib.h>

/**
 * dkms_pager_show:
 * @fd: a file
 *
 * Writes the file to the standard output unchanged. If that is a terminal, the text is shown with control characters
 * escaped, in the pager of DKMS_PAGER or PAGER, otherwise in less. The variable is split into words as in a shell, but
 * no shell runs. If sudo or a similar program made the caller root, neither variable is used, because the user may not
 * be allowed to run other programs as root.
 */
gboolean dkms_pager_show (int fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;
