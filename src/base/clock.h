/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A clock for durations that are shown and recorded. It stands still while the run is stopped, as by Ctrl-Z. */
#pragma once

#include <glib.h>

/** Returns: microseconds since an unspecified time, without those of dkms_clock_omit() */
gint64 dkms_clock_now (void);
/** Returns: seconds from @start, a time of dkms_clock_now(), until now */
double dkms_clock_since (gint64 start);
/** Returns: (transfer full) (nullable): @seconds since 1970 as a text of RFC 3339, in UTC; NULL after the year 9999 */
char *dkms_time_text (gint64 seconds);
/** Returns: (transfer full): the day of @seconds since 1970, such as "2026-11-30", in UTC; "?" after the year 9999 */
char *dkms_date_of (gint64 seconds);
/** Shares the clock with the processes that this one forks from now on. Call it before dkms_clock_omit(). */
void dkms_clock_share (void);
/** Sets the clock back by @microseconds, also for processes that share it. */
void dkms_clock_omit (gint64 microseconds);
