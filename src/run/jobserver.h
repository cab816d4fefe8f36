/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One limit for the jobs of all builds together: dkms is the GNU make jobserver, and each build takes one slot for
 * itself. Below a make the slots are those of that make's jobserver. Protocol: "POSIX Jobserver Interaction" in the GNU
 * make manual. Private to run/.
 *
 * Builds can write to the pipe and read from it what they want. Nothing here blocks: our descriptor of the pipe is open
 * with O_NONBLOCK, and what does not fit is dropped. A build that takes all tokens slows down builds beside it until it
 * ends. Tokens that a build adds are taken out again, and no more builds run at once than there are slots. */
#pragma once

#include <glib.h>

typedef struct DkmsJobserver DkmsJobserver;

/**
 * dkms_jobserver_new:
 * @jobs: the limit, a number; "": none
 * @makeflags: (nullable): MAKEFLAGS of our environment; a jobserver named there is joined
 * @make_version: (nullable): first line of `make --version`; from 4.4 on a named pipe in @dir is used
 * @dir: directory of the machine for the named pipe
 * @tool_dir: the same as builds name it
 *
 * Returns: (transfer full) (nullable)
 */
DkmsJobserver *dkms_jobserver_new (const char *jobs, const char *makeflags, const char *make_version, const char *dir,
                                   const char *tool_dir, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_jobserver_free (DkmsJobserver *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsJobserver, dkms_jobserver_free)

/** Takes a slot for a build. Returns: FALSE when none is free; poll dkms_jobserver_fd() for input */
gboolean dkms_jobserver_take (DkmsJobserver *self);
/** Gives a slot back. When no build runs any more, slots that ended builds took with them are made up for. */
void dkms_jobserver_give (DkmsJobserver *self);
/**
 * dkms_jobserver_relay:
 *
 * Takes tokens out that builds added. Below another make, moves tokens of the outer make's jobserver to the pipe of the
 * builds, one at a time as builds take them, and returns unused ones. Builds have no access to the outer make's pipe,
 * so it may be hidden from them, and it gets all tokens back whatever happens to a build. Returns: milliseconds until
 * it must be called again; -1: not before a build starts
 */
int dkms_jobserver_relay (DkmsJobserver *self);
/** Returns: what becomes readable when a slot may be free; -1: wait for the end of a build, or there is no limit */
int dkms_jobserver_fd (const DkmsJobserver *self);

/** Returns: (transfer none): the words that MAKEFLAGS of a build begins with; "" when there is no limit to share */
const char *dkms_jobserver_flags (const DkmsJobserver *self);
/** Adds the descriptors that builds must inherit to @keep (element-type int). */
void dkms_jobserver_keep (const DkmsJobserver *self, GArray *keep);

/** Returns: (transfer full): MAKEFLAGS @flags (nullable) less every word about jobs */
char *dkms_makeflags_without_jobs (const char *flags);
