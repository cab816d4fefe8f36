/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One limit for the jobs of all builds together: dkms is a GNU make job server, and each build takes one slot. If make
 * started dkms, the slots are those of that make's job server. Protocol: "POSIX Jobserver Interaction" in the GNU make
 * manual. Private to run/.
 *
 * Builds can read from the pipe and write to it without control. No call here blocks: the descriptor is opened with
 * O_NONBLOCK, and tokens are dropped if the pipe is full. A build that takes all tokens slows down other builds until
 * it ends. Tokens that a build adds are removed, and the number of running builds never exceeds the number of slots. */
#pragma once

#include <glib.h>

typedef struct DkmsJobserver DkmsJobserver;

/**
 * dkms_jobserver_new:
 * @jobs: the limit, a number; "": no limit
 * @makeflags: (nullable): MAKEFLAGS of the caller; a job server named there is used
 * @make_version: (nullable): first line of `make --version`; from 4.4 on a named pipe in @dir is used
 * @dir: directory of the host for the named pipe
 * @tool_dir: the same as builds name it
 *
 * Returns: (transfer full) (nullable)
 */
DkmsJobserver *dkms_jobserver_new (const char *jobs, const char *makeflags, const char *make_version, const char *dir,
                                   const char *tool_dir, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_jobserver_free (DkmsJobserver *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsJobserver, dkms_jobserver_free)

/** Takes a slot for a build. Returns: FALSE if none is free; poll dkms_jobserver_fd() for input */
gboolean dkms_jobserver_take (DkmsJobserver *self);
/** Returns a slot. When no build runs, tokens lost with ended builds are replaced. */
void dkms_jobserver_give (DkmsJobserver *self);
/**
 * dkms_jobserver_relay:
 *
 * Removes tokens that builds added. If make started dkms, moves tokens of that job server to the pipe of the builds,
 * one at a time as builds take them, and returns unused ones. Builds have no access to the pipe of the outer make, so
 * it may be hidden from them, and it gets all tokens back even if a build is killed. Returns: milliseconds until it
 * must be called again; -1: not before a build starts
 */
int dkms_jobserver_relay (DkmsJobserver *self);
/** Returns: a descriptor that becomes readable when a slot may be free; -1: wait for the end of a build; also -1
 * without a limit */
int dkms_jobserver_fd (const DkmsJobserver *self);

/** @self: (nullable). Returns: the pipe with a token for each free slot, opened for reading and writing without
 * waiting; -1: no limit is set. It is closed when @self is freed. Programs of dkms that use more than one processor
 * take tokens from it */
int dkms_jobserver_pipe (const DkmsJobserver *self);
/** Returns: (transfer none): the first words of MAKEFLAGS for builds; "" without a shared limit */
const char *dkms_jobserver_flags (const DkmsJobserver *self);
/** Adds the descriptors that builds must inherit to @keep (element-type int). */
void dkms_jobserver_keep (const DkmsJobserver *self, GArray *keep);

/** Returns: (transfer full): MAKEFLAGS @flags (nullable) without words about jobs */
char *dkms_makeflags_without_jobs (const char *flags);
