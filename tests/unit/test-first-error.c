/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "build/build.h"

static const struct {
  const char *log, *line;
} cases[] = {
  { "  CC x.o\nx.c:3:5: error: unknown type\nmake[1]: *** [x.o] Error 1\n", "x.c:3:5: error: unknown type" },
  { "x.c:1:10: fatal error: linux/gone.h: No such file or directory\n",
    "x.c:1:10: fatal error: linux/gone.h: No such file or directory" },
  { "warning: this mentions no error\nERROR: modpost: \"f\" [x.ko] undefined!\n",
    "ERROR: modpost: \"f\" [x.ko] undefined!" },
  { "/bin/sh: 1: flex: not found\nmake: *** [x] Error 127\n", "/bin/sh: 1: flex: not found" },
  { "a.c:1:1: error: later\nfatal: No space left on device\n", "fatal: No space left on device" },
  { "make: *** No rule to make target 'm'.  Stop.\n", "make: *** No rule to make target 'm'.  Stop." },
  { "touch: cannot touch '/etc/x': Read-only file system\n# exit code: 1\n",
    "touch: cannot touch '/etc/x': Read-only file system" },
  { "all went well\n", NULL },
};

static void
test_first_error (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *line = dkms_first_error (cases[i].log);
      g_assert_cmpstr (line, ==, cases[i].line);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/build/first-error", test_first_error);
  return g_test_run ();
}
