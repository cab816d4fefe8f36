/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The changes that a sandbox makes to its root: what becomes of each change, in this order. */
#pragma once

#include "sandbox.h"

/** Takes what comes from outside the root. */
void sandbox_take (const Sandbox *self, SandboxChange *change);
/** Takes what can be written to and shall be, before the root is made read-only. */
void sandbox_note_writable (const Sandbox *self, SandboxChange *change);
/** Takes what will be hidden. @mounts (nullable): the table of mounts */
void sandbox_prepare (const Sandbox *self, SandboxChange *change, const char *mounts);
void sandbox_do (Sandbox *self, SandboxChange *change);
/** A mask is made read-only when all that appears in it is there. */
void sandbox_close_mask (const Sandbox *self, const SandboxChange *change);
