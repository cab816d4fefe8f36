/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Overlays, in which changes are discarded, and the ownership of files in them. */
#pragma once

#include "sandbox.h"

/** Reads the table of mounts, while the old root is visible. Returns: NULL without /proc */
char *sandbox_read_mounts (void);
/** Returns: whether the user of the command may read the file, or list and enter the directory, with the status @st */
int sandbox_may_read (const Sandbox *self, const struct stat *st);

/** Collects the data that an OVERLAY or CLAIM needs, before anything changes. @mounts (nullable): the table of mounts
 */
void sandbox_survey (const Sandbox *self, SandboxChange *change, const char *mounts);

void sandbox_do_overlay (Sandbox *self, SandboxChange *change);
void sandbox_do_claim (const Sandbox *self, const SandboxChange *change);
