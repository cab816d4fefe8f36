/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filters of system calls for the command of a sandbox. */
#pragma once

#include "sandbox.h"

/** Allows this process and its children from now on only the system calls that programs need. */
void sandbox_filter_calls (const Sandbox *self);
