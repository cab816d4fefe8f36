/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Detects that a command opens /proc/kallsyms. */
#pragma once

#include "sandbox.h"

/** Notices from now on whether a command looks for addresses of kernel symbols that are hidden from it. */
void sandbox_watch_symbols (Sandbox *self);
/** Returns: whether one did since this was asked last */
int sandbox_saw_symbols (const Sandbox *self);
