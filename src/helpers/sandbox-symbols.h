/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Detects that a command opens /proc/kallsyms. */
#pragma once

#include "sandbox.h"

/** Starts to detect whether a command reads addresses of kernel symbols that are hidden from it. */
void sandbox_watch_symbols (Sandbox *self);
/** Forgets what was noticed. */
void sandbox_forget_symbols (const Sandbox *self);
/** Lets a process go on that waits to open the file. It waits from SIGIO, which is blocked, to this call. */
void sandbox_release_symbols (const Sandbox *self);
/** Returns: whether a command looked for addresses since sandbox_forget_symbols() */
int sandbox_saw_symbols (const Sandbox *self);
