/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts in columns, and the frame of live lines. */
#include <string.h>

#include "report/columns.h"
#include "report/frame.h"

static void
test_elide (void)
{
  const struct {
    const char *text;
    guint width;
    const char *shown;
  } cases[] = {
    { "CC [M]  a.o", 20, "CC [M]  a.o" },
    { "CC [M]  /var/lib/dkms/foo/1.0/build/core/a.o", 24, "CC [M]  …/build/core/a.o" },
    { "CC [M]  /var/lib/dkms/foo/1.0/build/core/a.o", 23, "CC [M]  …/core/a.o" },
    { "CC [M]  /var/lib/dkms/foo/1.0/build/core/a.o", 13, "CC [M]  …/a.o" },
    { "CC [M]  /var/lib/dkms/foo/1.0/build/core/a.o", 12, "a.o" },
    { "CC [M]  /var/lib/dkms/foo/1.0/build/core/abcdef.o", 4, "abc…" },
    { "/src/dir/a.c:3:1: error: no such thing", 30, "…/a.c:3:1: error: no such thi…" },
    { "gcc -I/usr/include -o /tmp/a.o /tmp/a.c", 20, "a.c" },
    { "a text without a path", 10, "a text wi…" },
    { "a text without a path", 8, "a text…" },
    { "dir/", 3, "di…" },
    { "日本語のファイル", 7, "日本語…" },
    { "", 5, "" },
    { "abc", 0, "" },
    { "abc", 1, "a" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *shown = dkms_columns_elide (cases[i].text, cases[i].width);
      g_assert_cmpstr (shown, ==, cases[i].shown);
      g_assert_cmpuint (dkms_columns_count (shown), <=, cases[i].width);
    }
}

static void
test_clean (void)
{
  g_autofree char *clean = dkms_columns_clean ("a\tb\033[2Jc\xff"
                                               "d\xc2\x9b");

  g_assert_cmpstr (clean, ==,
                   "a b [2Jc\xef\xbf\xbd"
                   "d ");
}

static void
test_ascii (void)
{
  (void)g_setenv ("LC_ALL", "C", TRUE);
  g_autofree char *shown = dkms_columns_elide ("CC /a/long/path/b.o", 12);
  g_assert_cmpstr (shown, ==, "CC .../b.o");
  (void)g_setenv ("LC_ALL", "C.UTF-8", TRUE);
}

/* Each frame fits into any screen, and contains the result of its width. */
static void
test_frames (void)
{
  const DkmsFrameRow row = { .name = "radio/0.9.4",
                             .kernel = "6.12.117+deb12-amd64",
                             .time = "0:12/0:40",
                             .phase = "Building module(s)",
                             .tail = "CC [M]  /var/lib/dkms/x/core/radio_main.o" };
  DkmsFrameRow rows[40];

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    rows[i] = row;
  for (guint count = 1; count <= G_N_ELEMENTS (rows); count++)
    for (guint columns = 1; columns < 220; columns += 3)
      for (guint lines = 1; lines < 60; lines += 4)
        {
          const DkmsFrameSum sum = { .total = count, .running = count, .elapsed = "0:31", .left = "0:40" };
          g_autofree char *frame = dkms_frame_text (rows, count, &sum, columns, lines, FALSE);
          g_auto (GStrv) shown = g_strsplit (frame, "\n", -1);
          g_assert_cmpuint (g_strv_length (shown), <=, MAX (lines - 1, 1));
          for (char **line = shown; *line != NULL; line++)
            g_assert_cmpuint (dkms_columns_count (*line), <, MAX (columns, 2));
        }
}

static void
check_frame (guint count, guint columns, guint lines, const char *expected)
{
  const DkmsFrameRow rows[] = {
    { "radio/0.9.4", "6.1.0-56-amd64", "0:12/0:40", "Building module(s)", "CC [M]  core/radio_main.o" },
    { "bell/3.0", "6.12.117+deb12-amd64", "1:02", "Signing", "" },
    { "lamp/1.0", "6.1.0-56-amd64", "0:03", "Building module(s)", "" },
  };
  const DkmsFrameSum sum = { 7, 2, 1, count, "1:31", "0:40" };
  g_autofree char *frame = dkms_frame_text (rows, count, &sum, columns, lines, FALSE);

  g_assert_cmpstr (frame, ==, expected);
}

static void
test_layout (void)
{
  check_frame (2, 100, 24,
               "radio/0.9.4  6.1.0-56-amd64        0:12/0:40  Building module(s)  CC [M]  core/radio_main.o\n"
               "bell/3.0     6.12.117+deb12-amd64  1:02       Signing\n"
               "3 of 7 done, 2 running, 1 failed  1:31, about 0:40 left");
  check_frame (1, 100, 24,
               "radio/0.9.4  0:12/0:40  Building module(s)  CC [M]  core/radio_main.o\n"
               "3 of 7 done, 1 running, 1 failed  1:31, about 0:40 left");
  check_frame (1, 51, 24,
               "radio/0.9.4  0:12  CC [M]  core/radio_main.o\n"
               "3 of 7 done, 1 running, 1 failed  1:31, 0:40 left");
  check_frame (2, 40, 24,
               "radio/0.9.4  6.1.0-56…  0:12  radio_ma…\n"
               "bell/3.0     6.12.117…  1:02  Signing\n"
               "3/7 done, 2 running, 1 failed  1:31");
  check_frame (3, 100, 4,
               "radio/0.9.4  0:12/0:40  Building module(s)  CC [M]  core/radio_main.o\n"
               "… and 2 more\n"
               "3 of 7 done, 3 running, 1 failed  1:31, about 0:40 left");
  check_frame (3, 100, 2, "3 of 7 done, 3 running, 1 failed  1:31, about 0:40 left");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  (void)g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_test_add_func ("/columns/elide", test_elide);
  g_test_add_func ("/columns/clean", test_clean);
  g_test_add_func ("/columns/ascii", test_ascii);
  g_test_add_func ("/columns/frames", test_frames);
  g_test_add_func ("/columns/layout", test_layout);
  return g_test_run ();
}
