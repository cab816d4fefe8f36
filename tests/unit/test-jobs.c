/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The limit of jobs: its sources, and how builds share it. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/jobs.h"
#include "run/jobserver.h"

static const struct {
  const char *flags, *jobs, *rest;
} makeflags[] = {
  { NULL, NULL, "" },
  { "", NULL, "" },
  { "w", NULL, "w" },
  { "-j4", "4", "" },
  { "w -j8 --jobserver-auth=3,4", "8", "w" },
  { " -j3 --jobserver-fds=5,6 -- V=1", "3", "-- V=1" },
  { "-j", "", "" },
  { "k -l2", NULL, "k -l2" },
  { "-- X=-j9", NULL, "-- X=-j9" },
};

static void
test_makeflags (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (makeflags); i++)
    {
      g_autofree char *jobs = dkms_jobs_from_makeflags (makeflags[i].flags);
      g_autofree char *rest = dkms_makeflags_without_jobs (makeflags[i].flags);
      g_assert_cmpstr (jobs, ==, makeflags[i].jobs);
      g_assert_cmpstr (rest, ==, makeflags[i].rest);
    }
}

static void
test_pids (void)
{
  g_assert_cmpuint (dkms_jobs_from_pids ("max\n", "12\n"), ==, 0);
  g_assert_cmpuint (dkms_jobs_from_pids ("100\n", "12\n"), ==, 88);
  g_assert_cmpuint (dkms_jobs_from_pids ("100\n", "100\n"), ==, 1);
  g_assert_cmpuint (dkms_jobs_from_pids ("100\n", "120\n"), ==, 1);
  g_assert_cmpuint (dkms_jobs_from_pids ("32768\n", "201 3854\n"), ==, 32567);
  g_assert_cmpuint (dkms_jobs_from_pids ("18446744073709551615", "0"), ==, G_MAXINT);
  g_assert_cmpuint (dkms_jobs_from_pids ("", ""), ==, 0);
  g_assert_cmpuint (dkms_jobs_free_processes (), >, 0);
}

static void
test_cpu_max (void)
{
  g_assert_cmpuint (dkms_jobs_from_cpu_max ("max 100000\n"), ==, 0);
  g_assert_cmpuint (dkms_jobs_from_cpu_max ("200000 100000\n"), ==, 2);
  g_assert_cmpuint (dkms_jobs_from_cpu_max ("150000 100000\n"), ==, 2);
  g_assert_cmpuint (dkms_jobs_from_cpu_max ("5000 100000\n"), ==, 1);
  g_assert_cmpuint (dkms_jobs_from_cpu_max ("9223372036854775807 9223372036854775807\n"), ==, 1);
  g_assert_cmpuint (dkms_jobs_from_cpu_max ("9223372036854775807 1\n"), ==, G_MAXINT);
  g_assert_cmpuint (dkms_jobs_from_cpu_max ("-1 -1\n"), ==, 0);
  g_assert_cmpuint (dkms_jobs_from_cpu_max ("nonsense\n"), ==, 0);
  g_assert_cmpuint (dkms_jobs_from_cpu_max (""), ==, 0);
}

static guint
take_all (DkmsJobserver *server)
{
  guint count = 0;

  while (count < 100 && dkms_jobserver_take (server))
    count++;
  return count;
}

static void
test_slots (void)
{
  g_autoptr (DkmsJobserver) server = dkms_jobserver_new ("3", NULL, "GNU Make 4.3", "/nowhere", "/nowhere", NULL);
  struct pollfd ready = { .events = POLLIN };

  g_assert_nonnull (server);
  g_assert_true (g_str_has_prefix (dkms_jobserver_flags (server), "-j3 --jobserver-auth="));
  g_assert_cmpuint (take_all (server), ==, 3);
  g_assert_cmpint (dkms_jobserver_fd (server), ==, -1);
  dkms_jobserver_give (server);
  ready.fd = dkms_jobserver_fd (server);
  g_assert_cmpint (poll (&ready, 1, 0), ==, 1);
  g_assert_true (dkms_jobserver_take (server));
  g_assert_false (dkms_jobserver_take (server));
}

/* The tokens of a killed build are replaced when no build is left. */
static void
test_lost_tokens (void)
{
  g_autoptr (DkmsJobserver) server = dkms_jobserver_new ("4", NULL, NULL, "/nowhere", "/nowhere", NULL);
  int r, w;
  char tokens[3];

  g_assert_cmpint (sscanf (dkms_jobserver_flags (server), "-j4 --jobserver-auth=%d,%d", &r, &w), ==, 2);
  g_assert_true (dkms_jobserver_take (server));
  g_assert_cmpint (read (r, tokens, 3), ==, 3);
  g_assert_false (dkms_jobserver_take (server));
  dkms_jobserver_give (server);
  g_assert_cmpuint (take_all (server), ==, 4);
}

/* A build that fills the pipe with tokens blocks no process, and gets no additional slots. */
static void
test_flood (void)
{
  g_autoptr (DkmsJobserver) server = dkms_jobserver_new ("3", NULL, NULL, "/nowhere", "/nowhere", NULL);
  g_autofree char *path = NULL;
  int r, w, flood, idle;

  (void)alarm (60);
  g_assert_cmpint (sscanf (dkms_jobserver_flags (server), "-j3 --jobserver-auth=%d,%d", &r, &w), ==, 2);
  path = g_strdup_printf ("/proc/self/fd/%d", w);
  flood = open (path, O_WRONLY | O_NONBLOCK);
  g_assert_cmpint (flood, >=, 0);
  g_assert_true (dkms_jobserver_take (server));
  for (int round = 0; round < 2; round++)
    {
      while (write (flood, "++++++++", 8) == 8)
        ;
      (void)dkms_jobserver_relay (server);
      g_assert_cmpint (ioctl (r, FIONREAD, &idle), ==, 0);
      g_assert_cmpint (idle, ==, 2);
    }
  while (write (flood, "++++++++", 8) == 8)
    ;
  g_assert_cmpuint (take_all (server), ==, 2);
  for (int i = 0; i < 3; i++)
    {
      while (write (flood, "++++++++", 8) == 8)
        ;
      dkms_jobserver_give (server);
    }
  g_assert_cmpint (ioctl (r, FIONREAD, &idle), ==, 0);
  g_assert_cmpint (idle, ==, 3);
  g_assert_cmpuint (take_all (server), ==, 3);
  (void)close (flood);
  (void)alarm (0);
}

static void
test_no_limit (void)
{
  g_autoptr (DkmsJobserver) server = dkms_jobserver_new ("", NULL, NULL, "/nowhere", "/nowhere", NULL);

  g_assert_cmpstr (dkms_jobserver_flags (server), ==, "");
  g_assert_cmpuint (take_all (server), ==, 100);
  g_assert_cmpint (dkms_jobserver_fd (server), ==, -1);
}

/* Since make 4.4 the slots are in a named pipe. */
static void
test_named_pipe (void)
{
  g_autofree char *dir = g_dir_make_tmp ("dkms-test-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "jobserver", NULL);
  g_autofree char *flags = g_strdup_printf ("-j2 --jobserver-auth=fifo:%s", path);
  g_autoptr (GArray) keep = g_array_new (FALSE, FALSE, sizeof (int));
  DkmsJobserver *server = dkms_jobserver_new ("2", NULL, "GNU Make 4.4.1\nmore", dir, dir, NULL);
  DkmsJobserver *inner;
  GStatBuf st;

  g_assert_nonnull (server);
  g_assert_cmpstr (dkms_jobserver_flags (server), ==, flags);
  dkms_jobserver_keep (server, keep);
  g_assert_cmpuint (keep->len, ==, 0);
  g_assert_true (g_stat (path, &st) == 0 && S_ISFIFO (st.st_mode));
  /* A dkms that is started by a make of this server has one slot without a token, and two in the pipe. */
  inner = dkms_jobserver_new ("9", flags, NULL, dir, dir, NULL);
  g_assert_cmpuint (take_all (inner), ==, 3);
  dkms_jobserver_free (inner); /* returns all tokens */
  g_assert_cmpuint (take_all (server), ==, 2);
  dkms_jobserver_free (server);
  g_assert_cmpint (g_stat (path, &st), ==, -1);
  g_assert_cmpint (g_rmdir (dir), ==, 0);
}

static int
count_tokens (int fd)
{
  int count = -1;

  g_assert_cmpint (ioctl (fd, FIONREAD, &count), ==, 0);
  return count;
}

/* Tokens of an outer make are passed on one by one, and all are returned. */
static void
test_relay (void)
{
  g_autofree char *outer_flags = NULL;
  DkmsJobserver *server;
  int outer[2], r, w;
  char tokens[8];

  g_assert_cmpint (pipe (outer), ==, 0);
  g_assert_cmpint (write (outer[1], "abc", 3), ==, 3);
  outer_flags = g_strdup_printf ("-j4 --jobserver-auth=%d,%d", outer[0], outer[1]);
  server = dkms_jobserver_new ("9", outer_flags, "GNU Make 4.3", "/nowhere", "/nowhere", NULL);
  g_assert_nonnull (server);
  g_assert_cmpint (sscanf (dkms_jobserver_flags (server), "-j --jobserver-auth=%d,%d", &r, &w), ==, 2);
  g_assert_cmpint (r, !=, outer[0]);
  g_assert_cmpint (dkms_jobserver_relay (server), ==, -1);
  g_assert_true (dkms_jobserver_take (server));
  g_assert_cmpint (count_tokens (outer[0]), ==, 3);

  /* One token is offered. When it is taken, the next one is offered. */
  for (int i = 0; i < 3; i++)
    {
      g_assert_cmpint (dkms_jobserver_relay (server), >, 0);
      g_assert_cmpint (dkms_jobserver_relay (server), >, 0);
      g_assert_cmpint (count_tokens (r), ==, 1);
      g_assert_cmpint (count_tokens (outer[0]), ==, 2 - i);
      g_assert_cmpint (read (r, tokens, 1), ==, 1);
    }
  g_assert_cmpint (dkms_jobserver_relay (server), >, 0);
  g_assert_cmpint (count_tokens (r), ==, 0);

  /* Returned tokens go to the outer make, except one. Additional tokens are discarded. */
  g_assert_cmpint (write (w, "+++", 3), ==, 3);
  g_assert_cmpint (dkms_jobserver_relay (server), >, 0);
  g_assert_cmpint (count_tokens (r), ==, 1);
  g_assert_cmpint (count_tokens (outer[0]), ==, 2);
  for (int i = 0; i < 50; i++)
    g_assert_cmpint (write (w, "xxxxxxxxxxxxxxxxxxxx", 20), ==, 20);
  g_assert_cmpint (dkms_jobserver_relay (server), >, 0);
  g_assert_cmpint (count_tokens (outer[0]), ==, 3);

  /* A build is killed while it holds a token. */
  g_assert_cmpint (read (r, tokens, 1), ==, 1);
  g_assert_cmpint (dkms_jobserver_relay (server), >, 0);
  g_assert_cmpint (read (r, tokens, 1), ==, 1);
  dkms_jobserver_give (server);
  g_assert_cmpint (count_tokens (r), ==, 0);
  dkms_jobserver_free (server);
  g_assert_cmpint (read (outer[0], tokens, 8), ==, 3);
  (void)close (outer[0]);
  (void)close (outer[1]);
}

/* A pipe that a build has filled blocks no process. */
static void
test_full_pipe (void)
{
  g_autoptr (DkmsJobserver) server = dkms_jobserver_new ("4", NULL, NULL, "/nowhere", "/nowhere", NULL);
  int r, w;

  g_assert_cmpint (sscanf (dkms_jobserver_flags (server), "-j4 --jobserver-auth=%d,%d", &r, &w), ==, 2);
  g_assert_true (dkms_jobserver_take (server) && dkms_jobserver_take (server));
  g_assert_cmpint (fcntl (w, F_SETFL, O_NONBLOCK), ==, 0);
  while (write (w, "x", 1) == 1)
    ;
  dkms_jobserver_give (server);
  dkms_jobserver_give (server);
  g_assert_cmpuint (take_all (server), ==, 4);
}

/* If make did not pass on the descriptors in MAKEFLAGS, dkms creates its own slots. */
static void
test_not_for_us (void)
{
  g_autoptr (DkmsJobserver) server
      = dkms_jobserver_new ("2", "-j8 --jobserver-auth=998,999", NULL, "/nowhere", "/nowhere", NULL);

  g_assert_true (g_str_has_prefix (dkms_jobserver_flags (server), "-j2 "));
  g_assert_cmpuint (take_all (server), ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jobs/makeflags", test_makeflags);
  g_test_add_func ("/jobs/cpu-max", test_cpu_max);
  g_test_add_func ("/jobs/pids", test_pids);
  g_test_add_func ("/jobserver/slots", test_slots);
  g_test_add_func ("/jobserver/lost-tokens", test_lost_tokens);
  g_test_add_func ("/jobserver/no-limit", test_no_limit);
  g_test_add_func ("/jobserver/flood", test_flood);
  g_test_add_func ("/jobserver/named-pipe", test_named_pipe);
  g_test_add_func ("/jobserver/relay", test_relay);
  g_test_add_func ("/jobserver/full-pipe", test_full_pipe);
  g_test_add_func ("/jobserver/not-for-us", test_not_for_us);
  return g_test_run ();
}
