/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The work of process 1 of a sandbox while a command runs. */
#pragma once

#include "sandbox.h"

/**
 * sandbox_watch:
 * @command: a child of this process, which is number 1 of its namespace
 * @output: the regular file that it writes to; -1: none
 *
 * Waits until @command ends, or exceeds a limit, which is reported. Afterwards it kills and reports all remaining
 * processes.
 *
 * Returns: its exit status; 128 + SIGKILL if it exceeded a limit
 */
int sandbox_watch (const Sandbox *self, pid_t command, int output);
