/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Detects that a command opens /proc/kallsyms. */
#pragma once

#include "sandbox.h"

/** Starts to detect whether a command reads addresses of kernel symbols that are hidden from it. */
void sandbox_watch_symbols (Sandbox *self);
/** Returns: whether a command did so since the last call */
int sandbox_saw_symbols (const Sandbox *self);
