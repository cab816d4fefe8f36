/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The privileges and limits of the command of a sandbox. */
#pragma once

#include "sandbox.h"

/** Sets limits for this process and its children. */
void sandbox_set_limits (const Sandbox *self);

/** Changes to the build user, if one is given, and drops all capabilities permanently. */
void sandbox_drop_rights (const Sandbox *self);

/** Drops the privileges that process 1 does not need after the root was changed. */
void sandbox_keep_few_rights (const Sandbox *self);
