/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many jobs this process should run at once, when nobody said so, and how many processes can be started. */
#pragma once

#include <glib.h>

/**
 * dkms_jobs_default:
 * The -j in MAKEFLAGS when a make started us; else what the machine gives: the processors that we may use, or the
 * share of them that our control group may use, whichever is less.
 *
 * Returns: (transfer full): a number; "" when MAKEFLAGS says -j without one, which is no limit
 */
char *dkms_jobs_default (void);

/** Returns: (transfer full) (nullable): the jobs that MAKEFLAGS @flags allow ("": no limit), NULL when it says nothing
 */
char *dkms_jobs_from_makeflags (const char *flags);

/** Returns: processors' worth of time in the text of a cpu.max file (cgroup v2), rounded up; 0: no limit */
guint dkms_jobs_from_cpu_max (const char *text);

/**
 * dkms_jobs_free_processes:
 * Returns: how many more processes and threads the machine and the control groups of this process allow; 0: unknown
 */
guint dkms_jobs_free_processes (void);

/** Returns: the difference of the numbers in a pids.max file and in @current, 1 at the least; 0: no limit */
guint dkms_jobs_from_pids (const char *max, const char *current);
