/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a package's own code, its recipe and its build, gets to see and may change: the policy. How it is done is in
 * helpers/dkms-sandbox.c. Everything is read-only; sources, kernel headers and /tmp can be written to, and forget it;
 * keys, home directories and sockets are out of sight; there is no network. */
#pragma once

#include "base/process.h"
#include "conf/settings.h"

/* What one command is about. All paths but @scratch as tools name them. */
typedef struct {
  const DkmsSettings *settings;
  const char *kernel_source_dir; /* (nullable): may be written to, and forgets it */
  const char *version_dir;       /* (nullable): <dkms_tree>/<m>/<v>; its build directory is @scratch */
  const char *scratch;           /* (nullable): a path of the machine: all that stays of what a build writes */
  const char *key;               /* (nullable): the signing key, out of sight */
  const char *show;              /* (nullable): is visible even in a directory that is not */
} DkmsConfinement;

/**
 * dkms_sandbox_wrap:
 * @argv: the command, NULL-terminated
 * @cwd: (nullable): where it starts
 * @report: a descriptor that the command keeps (DkmsCommand.keep): findings are written there; -1: to stderr
 *
 * Returns: (transfer full): the command that runs @argv confined; it needs neither root nor cwd any more. Without @argv
 *   one that only tries whether it would work
 */
GPtrArray *dkms_sandbox_wrap (const DkmsConfinement *self, const char *const *argv, const char *cwd, int report);

/* What came of a confined command, besides its exit status. */
typedef struct {
  char *failure; /* (nullable): why the sandbox could not be made; then the command did not run */
  char *ended;   /* (nullable): why the command was ended before its time, a clause about "it" */
  char *left;    /* (nullable): what it left running, which was ended */
} DkmsFindings;

/** Reads what the sandbox wrote to @report, a memory file. */
void dkms_findings_read (DkmsFindings *self, int report);
void dkms_findings_clear (DkmsFindings *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsFindings, dkms_findings_clear)

/** Returns: (transfer full) (nullable): why nothing can be confined here; NULL when it can */
char *dkms_sandbox_missing (const DkmsConfinement *self);
