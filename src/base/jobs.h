/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The default for the number of jobs that run at the same time, and the number of processes that can be started. */
#pragma once

#include <glib.h>

/**
 * dkms_jobs_default:
 * The -j in MAKEFLAGS if make started this process. Otherwise the number of processors that this process may use, or
 * the limit of its control group if that is lower.
 *
 * Returns: (transfer full): a number; "" if MAKEFLAGS contains -j without a number, which means no limit
 */
char *dkms_jobs_default (void);

/** Returns: (transfer full) (nullable): the jobs that MAKEFLAGS @flags allow ("": no limit), NULL if they contain no -j
 */
char *dkms_jobs_from_makeflags (const char *flags);

/** Returns: the number of processors that the text of a cpu.max file (cgroup v2) allows, rounded up; 0: no limit */
guint dkms_jobs_from_cpu_max (const char *text);

/**
 * dkms_jobs_free_processes:
 * Returns: the number of further processes and threads that the machine and the control groups of this process allow;
 * 0: unknown
 */
guint dkms_jobs_free_processes (void);

/** Returns: the difference of the numbers in a pids.max file and in @current, at least 1; 0: no limit */
guint dkms_jobs_from_pids (const char *max, const char *current);
