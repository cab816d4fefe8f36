/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which system calls the command of a sandbox may make. */
#pragma once

#include "sandbox.h"

/** Allows this process and its children, from here on, only the system calls that programs need. */
void sandbox_filter_calls (const Sandbox *self);
