/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Substitutes for files that the root of an image under construction may lack: /proc, and nodes in /dev. */
#pragma once

#include <glib.h>

/**
 * dkms_proc_ensure:
 *
 * Checks that /proc is mounted. If it is not and this process is allowed to, it enters a new mount namespace and mounts
 * /proc there. Call this before descriptors of directories are opened.
 */
gboolean dkms_proc_ensure (GError **error);

/** Returns: (transfer full): a descriptor of /dev/null or, without one, of an empty memory file; -1 with errno */
int dkms_null_open (void);
