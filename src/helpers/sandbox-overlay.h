/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Overlays, in which a command can write although nothing is kept, and the ownership of files in them. */
#pragma once

#include "sandbox.h"

/** Reads the table of mounts, as long as the outside can be seen. Returns: NULL without a /proc */
char *sandbox_read_mounts (void);
/** Returns: whether the command's user may read the file, or list and enter the directory, that @st is about */
int sandbox_may_read (const Sandbox *self, const struct stat *st);

/** Finds out what an OVERLAY or CLAIM will need, before anything changes. @mounts (nullable): the table of mounts */
void sandbox_survey (const Sandbox *self, SandboxChange *change, const char *mounts);

void sandbox_do_overlay (Sandbox *self, SandboxChange *change);
void sandbox_do_claim (const Sandbox *self, const SandboxChange *change);
