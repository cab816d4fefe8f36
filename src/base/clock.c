/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The monotonic clock without the time in which the run was stopped. */
#define _GNU_SOURCE
#include "base/clock.h"

#include <sys/mman.h>

/* (nullable): microseconds, in memory that forked processes share */
static gint64 *omitted;

gint64
dkms_clock_now (void)
{
  return g_get_monotonic_time () - (omitted != NULL ? *omitted : 0);
}

double
dkms_clock_since (gint64 start)
{
  return (double)(dkms_clock_now () - start) / G_USEC_PER_SEC;
}

char *
dkms_time_text (gint64 seconds)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (seconds);

  return time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
}

char *
dkms_date_of (gint64 seconds)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (seconds);

  return time != NULL ? g_date_time_format (time, "%Y-%m-%d") : g_strdup ("?");
}

void
dkms_clock_share (void)
{
  void *page = omitted == NULL ? mmap (NULL, sizeof *omitted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
                               : MAP_FAILED;

  if (page != MAP_FAILED)
    omitted = page;
}

void
dkms_clock_omit (gint64 microseconds)
{
  if (omitted != NULL)
    *omitted += microseconds;
}
