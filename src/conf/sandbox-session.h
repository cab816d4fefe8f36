/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sandbox in which several commands run one after the other. Each sees the files of the previous ones; processes that
 * a command leaves are killed. */
#pragma once

#include "conf/sandbox.h"

typedef struct DkmsSandbox DkmsSandbox;

/**
 * dkms_sandbox_open:
 * @keep: (nullable) (element-type int): descriptors that its commands inherit
 *
 * Returns: (transfer full) (nullable): if the sandbox cannot be created, the findings of its first command report that
 */
DkmsSandbox *dkms_sandbox_open (const DkmsConfinement *confinement, const GArray *keep,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_sandbox_run:
 * @command: its argv, env, cwd (as tools name it) and output_fd; standard input is empty; other fields are not used
 * @findings: (out): the findings; free them with dkms_findings_clear()
 *
 * Returns: its exit status as from dkms_process_wait(), which is not meaningful if @findings has a failure; -1 with an
 * error
 */
int dkms_sandbox_run (DkmsSandbox *self, const DkmsCommand *command, DkmsFindings *findings, GError **error);

/** Lets the sandbox end, which takes some time: no more commands run in it. dkms_sandbox_close() waits for its end.
 * @self may be NULL. */
void dkms_sandbox_end (DkmsSandbox *self);
/** Ends the sandbox, and discards its files except those in scratch and result. */
void dkms_sandbox_close (DkmsSandbox *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsSandbox, dkms_sandbox_close)
