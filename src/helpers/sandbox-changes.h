/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The changes of a sandbox to its root. The functions are called for each change in this order. */
#pragma once

#include "sandbox.h"

/** Opens files that come from outside the root. */
void sandbox_take (const Sandbox *self, SandboxChange *change);
/** Opens directories that will be writable, before the root is made read-only. */
void sandbox_note_writable (const Sandbox *self, SandboxChange *change);
/** Opens files that will be hidden. @mounts (nullable): the table of mounts */
void sandbox_prepare (const Sandbox *self, SandboxChange *change, const char *mounts);
void sandbox_do (Sandbox *self, SandboxChange *change);
/** Makes a mask read-only when it is complete. */
void sandbox_close_mask (const Sandbox *self, const SandboxChange *change);
