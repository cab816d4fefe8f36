/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What process 1 of a sandbox does while a command runs. */
#pragma once

#include "sandbox.h"

/**
 * sandbox_watch:
 * @command: a child of this process, which is number 1 of its namespace
 * @output: where it writes to; -1: elsewhere
 *
 * Waits until @command ends, or exceeds a limit, which is reported. Then no other process is left, and what was is
 * reported, too.
 *
 * Returns: its exit status; 128 + SIGKILL when it exceeded a limit
 */
int sandbox_watch (const Sandbox *self, pid_t command, int output);
