/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many jobs may run at once, when nobody says. */
#define _GNU_SOURCE
#include "base/jobs.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

char *
dkms_jobs_from_makeflags (const char *flags)
{
  g_auto (GStrv) words = g_strsplit_set (flags != NULL ? flags : "", " \t", -1);
  char *jobs = NULL;

  /* The first word may be single letters without a dash; a lone j among them has no number. What follows " -- " are
   * variables. */
  for (char **word = words; *word != NULL && strcmp (*word, "--") != 0; word++)
    if (g_str_has_prefix (*word, "-j") && strspn (*word + 2, "0123456789") == strlen (*word + 2))
      {
        g_free (jobs);
        jobs = g_strdup (*word + 2);
      }
  return jobs;
}

guint
dkms_jobs_from_cpu_max (const char *text)
{
  char *end;
  gint64 quota = g_ascii_strtoll (text, &end, 10), period = g_ascii_strtoll (end, NULL, 10);

  if (quota <= 0 || period <= 0)
    return 0; /* "max 100000" has no number first */
  return (guint)MIN (quota / period + (quota % period != 0), G_MAXINT);
}

/* A small file of /proc or /sys, whose size nobody knows before it is read. */
static char *
read_small (const char *path)
{
  g_auto (DkmsFd) fd = open (path, O_RDONLY | O_CLOEXEC);
  char text[4096];
  ssize_t n = fd >= 0 ? read (fd, text, sizeof text - 1) : -1;

  return n >= 0 ? g_strndup (text, (gsize)n) : NULL;
}

/* The least of what this control group and those above it may use; 0: no limit. */
static guint
group_limit (void)
{
  g_autofree char *groups = read_small ("/proc/self/cgroup");
  const char *line = groups != NULL ? strstr (groups, "0::/") : NULL;
  g_autofree char *at = line != NULL ? g_strndup (line + 3, strcspn (line + 3, "\n")) : NULL;
  guint least = 0;

  while (at != NULL && *at != '\0')
    {
      g_autofree char *path = g_build_filename ("/sys/fs/cgroup", at, "cpu.max", NULL);
      g_autofree char *text = read_small (path);
      guint here = text != NULL ? dkms_jobs_from_cpu_max (text) : 0;

      if (here > 0 && (least == 0 || here < least))
        least = here;
      *strrchr (at, '/') = '\0';
    }
  return least;
}

char *
dkms_jobs_default (void)
{
  char *jobs = dkms_jobs_from_makeflags (g_getenv ("MAKEFLAGS"));
  cpu_set_t set;
  guint processors, group;

  if (jobs != NULL)
    return jobs;
  processors = sched_getaffinity (0, sizeof set, &set) == 0 ? (guint)CPU_COUNT (&set) : 1;
  group = group_limit ();
  return g_strdup_printf ("%u", group > 0 && group < processors ? group : processors);
}
