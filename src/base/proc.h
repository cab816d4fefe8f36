/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the root of an image under construction may lack: /proc, and nodes in /dev. */
#pragma once

#include <glib.h>

/**
 * dkms_proc_ensure:
 *
 * Makes sure that there is a /proc. Where it is missing and this process may do so, it gets a mount namespace with one;
 * call this before anything depends on the mounts of the caller.
 */
gboolean dkms_proc_ensure (GError **error);

/** Returns: a descriptor that reads as empty and forgets what is written; the caller's. -1 with errno */
int dkms_null_open (void);
