/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A confined world in which several commands run, one after the other. What one writes is there for the next; what it
 * leaves running is not. */
#pragma once

#include "conf/sandbox.h"

typedef struct DkmsSandbox DkmsSandbox;

/**
 * dkms_sandbox_open:
 * @keep: (nullable) (element-type int): descriptors that its commands inherit
 *
 * Returns: (transfer full) (nullable): that it cannot be made is the finding of its first command
 */
DkmsSandbox *dkms_sandbox_open (const DkmsConfinement *confinement, const GArray *keep,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_sandbox_run:
 * @command: its argv, env, cwd (as tools name it) and output_fd; standard input is empty, and the rest was given when
 *   the sandbox was made
 * @findings: (out): what came of it; dkms_findings_clear() it
 *
 * Returns: its exit status as from dkms_process_wait(), which means nothing if @findings has a failure; -1 with an
 * error
 */
int dkms_sandbox_run (DkmsSandbox *self, const DkmsCommand *command, DkmsFindings *findings, GError **error);

/** Ends the sandbox with all that it wrote elsewhere than to scratch and result. */
void dkms_sandbox_close (DkmsSandbox *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsSandbox, dkms_sandbox_close)
