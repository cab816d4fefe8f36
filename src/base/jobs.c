/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The default for the number of jobs, and the number of processes that can be started. */
#define _GNU_SOURCE
#include "base/jobs.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

char *
dkms_jobs_from_makeflags (const char *flags)
{
  g_auto (GStrv) words = g_strsplit_set (flags != NULL ? flags : "", " \t", -1);
  char *jobs = NULL;

  /* The first word may consist of single letters without a dash; if it contains a j, that has no number. Variables
   * follow after " -- ". */
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
    return 0; /* "max 100000" contains no number */
  return (guint)MIN (quota / period + (quota % period != 0), G_MAXINT);
}

/* Reads a small file of /proc or /sys, whose size is unknown before it is read. */
static char *
read_small (const char *path)
{
  g_auto (DkmsFd) fd = open (path, O_RDONLY | O_CLOEXEC);
  char text[4096];
  ssize_t n = fd >= 0 ? read (fd, text, sizeof text - 1) : -1;

  return n >= 0 ? g_strndup (text, (gsize)n) : NULL;
}

/* Returns the limit in @dir, the directory of a control group; 0: no limit. */
typedef guint (*LimitOf) (const char *dir);

static guint
processors_of (const char *dir)
{
  g_autofree char *path = g_build_filename (dir, "cpu.max", NULL);
  g_autofree char *text = read_small (path);

  return text != NULL ? dkms_jobs_from_cpu_max (text) : 0;
}

static guint
free_processes_of (const char *dir)
{
  g_autofree char *max_path = g_build_filename (dir, "pids.max", NULL);
  g_autofree char *current_path = g_build_filename (dir, "pids.current", NULL);
  g_autofree char *max = read_small (max_path);
  g_autofree char *current = read_small (current_path);

  return max != NULL && current != NULL ? dkms_jobs_from_pids (max, current) : 0;
}

/* Lowers @least to @limit. 0: no limit */
static void
lower (guint *least, guint limit)
{
  if (limit > 0 && (*least == 0 || limit < *least))
    *least = limit;
}

/* Returns the smallest limit of this control group and its parents; 0: no limit. @prefix: text before the path of the
 * group in /proc/self/cgroup; @mount: directory of the hierarchy */
static guint
group_limit (const char *prefix, const char *mount, LimitOf limit_of)
{
  g_autofree char *groups = read_small ("/proc/self/cgroup");
  const char *line = groups != NULL ? strstr (groups, prefix) : NULL,
             *path = line != NULL ? line + strlen (prefix) : "";
  g_autofree char *at = line != NULL ? g_strndup (path, strcspn (path, "\n")) : NULL;
  guint least = 0;

  while (at != NULL && *at == '/')
    {
      g_autofree char *dir = g_build_filename (mount, at, NULL);

      lower (&least, limit_of (dir));
      *strrchr (at, '/') = '\0';
    }
  return least;
}

guint
dkms_jobs_from_pids (const char *max, const char *current)
{
  guint64 most = 0, now = 0;

  if (sscanf (max, "%" G_GUINT64_FORMAT, &most) != 1 || sscanf (current, "%" G_GUINT64_FORMAT, &now) != 1)
    return 0; /* "max" */
  return most > now ? (guint)MIN (most - now, G_MAXINT) : 1;
}

guint
dkms_jobs_free_processes (void)
{
  static const char *const limits[] = { "/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max" };
  g_autofree char *load = read_small ("/proc/loadavg");
  const char *total = load != NULL ? strchr (load, '/') : NULL;
  guint least = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      g_autofree char *text = read_small (limits[i]);
      if (text != NULL)
        lower (&least, dkms_jobs_from_pids (text, total != NULL ? total + 1 : "0"));
    }
  lower (&least, group_limit ("0::", "/sys/fs/cgroup", free_processes_of));
  lower (&least, group_limit (":pids:", "/sys/fs/cgroup/pids", free_processes_of));
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
  group = group_limit ("0::", "/sys/fs/cgroup", processors_of);
  return g_strdup_printf ("%u", group > 0 && group < processors ? group : processors);
}
