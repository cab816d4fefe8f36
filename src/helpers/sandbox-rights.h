/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the command of a sandbox may do. */
#pragma once

#include "sandbox.h"

/** Limits what this process and its children may take. */
void sandbox_set_limits (const Sandbox *self);

/** Becomes the build user, if one is given, without capabilities or a way to any. */
void sandbox_drop_rights (const Sandbox *self);

/** Drops what process 1 does not need once the world is made. */
void sandbox_keep_few_rights (const Sandbox *self);
