/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first error in the output of real tools, printed with LANG=C.UTF-8 and LC_MESSAGES=C. */
#include <string.h>

#include "check/line.h"
#include "check/log-scan.h"

static const struct {
  const char *log, *line;
} cases[] = {
  /* compilers */
  { "  CC x.o\nx.c:3:5: error: unknown type\nmake[1]: *** [x.o] Error 1\n", "x.c:3:5: error: unknown type" },
  { "x.c:1:10: fatal error: linux/gone.h: No such file or directory\n",
    "x.c:1:10: fatal error: linux/gone.h: No such file or directory" },
  { "a.c: In function ‘f’:\na.c:1:20: error: ‘x’ undeclared (first use in this function)\n    1 | int f(void){return "
    "x;}\n",
    "a.c:1:20: error: ‘x’ undeclared (first use in this function)" },
  { "\033[01m\033[Ka.c:1:20:\033[m\033[K \033[01;31m\033[Kerror: \033[m\033[K‘\033[01m\033[Kx\033[m\033[K’ "
    "undeclared\n",
    "a.c:1:20: error: ‘x’ undeclared" },
  { "d.s: Assembler messages:\nd.s:1: Error: no such instruction: `foo bar'\n",
    "d.s:1: Error: no such instruction: `foo bar'" },
  { "/usr/bin/ld: /tmp/c.o: in function `main':\nc.c:(.text+0x5): undefined reference to `g'\n"
    "collect2: error: ld returned 1 exit status\n",
    "c.c:(.text+0x5): undefined reference to `g'" },
  { "/usr/bin/ld: cannot find -lnosuch: No such file or directory\ncollect2: error: ld returned 1 exit status\n",
    "/usr/bin/ld: cannot find -lnosuch: No such file or directory" },
  { "   Compiling x v0.1.0 (/tmp/x)\n\033[1m\033[91merror[E0308]\033[0m\033[1m: mismatched types\033[0m\n --> "
    "src/main.rs:1:25\n\n"
    "error: could not compile `x` (bin \"x\") due to 1 previous error\n",
    "error[E0308]: mismatched types" },
  { "gcc: fatal error: Killed signal terminated program cc1\ncompilation terminated.\n",
    "gcc: fatal error: Killed signal terminated program cc1" },
  { "a.c:1:1: error: later\nfatal: No space left on device\n", "fatal: No space left on device" },
  /* the kernel's build system */
  { "warning: this mentions no error\nERROR: modpost: \"f\" [x.ko] undefined!\n",
    "ERROR: modpost: \"f\" [x.ko] undefined!" },
  { "  MODPOST Module.symvers\nFATAL: modpost: GPL-incompatible module h.ko uses GPL-only symbol 'f'\n"
    "make[1]: *** [/usr/src/linux/scripts/Makefile.modpost:127: Module.symvers] Error 1\n",
    "FATAL: modpost: GPL-incompatible module h.ko uses GPL-only symbol 'f'" },
  { "ERROR: \"f\" [/b/x.ko] undefined!\n", "ERROR: \"f\" [/b/x.ko] undefined!" },
  { "\n  ERROR: Kernel configuration is invalid.\n         include/generated/autoconf.h or include/config/auto.conf "
    "are "
    "missing.\n         Run 'make oldconfig && make prepare' on kernel src to fix it.\n\n"
    "Makefile:758: include/config/auto.conf: No such file or directory\n"
    "make[1]: *** [Makefile:817: include/config/auto.conf] Error 1\n",
    "ERROR: Kernel configuration is invalid." },
  { "  CC [M]  /b/k#x/h.o\nfixdep: read: Is a directory\nmake[1]: *** [Makefile.build:255: h.o] Error 2\n",
    "fixdep: read: Is a directory" },
  { "fixdep: error opening file: : No such file or directory\n",
    "fixdep: error opening file: : No such file or directory" },
  /* network */
  { "  % Total    % Received\r  0     0    0\rcurl: (6) Could not resolve host: git.kernel.org\nmake: *** [x] Error "
    "6\n",
    "curl: (6) Could not resolve host: git.kernel.org" },
  { "--2026--  https://git.kernel.org/x\nResolving git.kernel.org (git.kernel.org)... failed: Temporary failure in "
    "name "
    "resolution.\nwget: unable to resolve host address ‘git.kernel.org’\n",
    "Resolving git.kernel.org (git.kernel.org)... failed: Temporary failure in name resolution." },
  { "Cloning into 'x'...\nfatal: unable to access 'https://example.com/x.git/': Could not resolve host: example.com\n",
    "fatal: unable to access 'https://example.com/x.git/': Could not resolve host: example.com" },
  /* patches */
  { "patching file h.c\nHunk #1 FAILED at 1.\n1 out of 1 hunk FAILED -- saving rejects to file h.c.rej\n",
    "h.c: Hunk #1 FAILED at 1." },
  { "patching file a.c\npatching file h.c\nHunk #1 succeeded at 1 with fuzz 1.\nHunk #2 FAILED at 7 (different line "
    "endings).\n1 out of 2 hunks FAILED\n",
    "h.c: Hunk #2 FAILED at 7 (different line endings)." },
  { "can't find file to patch at input line 3\nPerhaps you used the wrong -p or --strip option?\n",
    "can't find file to patch at input line 3" },
  { "patch: **** Only garbage was found in the patch input.\n",
    "patch: **** Only garbage was found in the patch input." },
  /* programs */
  { "/bin/sh: 1: flex: not found\nmake: *** [x] Error 127\n", "/bin/sh: 1: flex: not found" },
  { "touch: cannot touch '/etc/x': Read-only file system\n# exit code: 1\n",
    "touch: cannot touch '/etc/x': Read-only file system" },
  { "cc1: warning: /x/include: No such file or directory [-Wmissing-include-dirs]\nsed: can't read conf.in: No such "
    "file or directory\n",
    "sed: can't read conf.in: No such file or directory" },
  { "tar: nosuch.tar: Cannot open: No such file or directory\ntar: Error is not recoverable: exiting now\n",
    "tar: nosuch.tar: Cannot open: No such file or directory" },
  { "Traceback (most recent call last):\n  File \"<string>\", line 1, in <module>\nModuleNotFoundError: No module "
    "named "
    "'nosuch'\n",
    "ModuleNotFoundError: No module named 'nosuch'" },
  { "checking for dkms.conf file... configure: error:\n\t*** Please make sure the kernel devel package for your\n\t*** "
    "distribution is installed.\n",
    "checking for dkms.conf file... configure: error: Please make sure the kernel devel package for your distribution "
    "is installed." },
  { "CMake Error: The source directory \"/x\" does not appear to contain CMakeLists.txt.\nSpecify --help for usage.\n",
    "CMake Error: The source directory \"/x\" does not appear to contain CMakeLists.txt." },
  { "dkms-check: Device tree of this board is unsupported\nscript failed\n", "script failed" },
  /* make */
  { "make: *** No rule to make target 'm'.  Stop.\n", "make: *** No rule to make target 'm'.  Stop." },
  { "cat: /etc/redhat-release: No such file or directory\nMakefile:9: *** this driver needs Linux 7.  Stop.\n",
    "Makefile:9: *** this driver needs Linux 7.  Stop." },
  { "M2:2: *** missing separator.  Stop.\n", "M2:2: *** missing separator.  Stop." },
  { "M3:1: *** you need foo.  Stop.\n", "M3:1: *** you need foo.  Stop." },
  { "x.c:1: error: ignored\n", "x.c:1: error: ignored" },
  { "cp: cannot stat 'a': No such file or directory\nmake: [Makefile:2: x] Error 1 (ignored)\n",
    "cp: cannot stat 'a': No such file or directory" },
  /* an earlier command failed, and was ignored */
  { "\nRunning the pre_build script\n# command: x\nx: error: harmless\n\n# exit code: 0\n# elapsed time: "
    "00:00:00\n----\n"
    "\nBuilding module(s)\n# command: make\nmake: *** No targets.  Stop.\n\n# exit code: 2\n",
    "make: *** No targets.  Stop." },
  { "# command: make; echo error: no\nfine\n", NULL },
  /* consequences, and lines without information */
  { "make[1]: *** [Makefile:2: all] Error 1\nmake: *** [Makefile:9: x] Error 2\n", NULL },
  { "all went well\n", NULL },
  { "", NULL },
};

static void
test_first_error (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_diagnose (cases[i].log, NULL);
      g_assert_cmpstr (diagnosis->first_error, ==, cases[i].line);
    }
}

static void
test_long_lines (void)
{
  g_autofree char *filler = g_strnfill (100000, 'x');
  g_autofree char *log = g_strdup_printf ("a.c:1: error: %s\n\xff\xfe error\n", filler);
  g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_diagnose (log, NULL);
  const char *line = diagnosis->first_error;

  g_assert_cmpuint (strlen (line), ==, 403);
  g_assert_true (g_str_has_suffix (line, "x..."));
}

static void
test_tail (void)
{
  static const struct {
    const char *log, *tail;
  } tails[] = {
    { "# command: a\nold\n# command: b\n1\n2\n3\n4\n5\n\n6\nmake: Leaving directory '/x'\n\n# exit code: 1\n# elapsed "
      "time: 00:00:00\n-----\n",
      "2\n3\n4\n5\n6" },
    { "# command: b\none\nmake: *** [x] Fehler 1\n\n# exit code: 1\n", "one\nmake: *** [x] Fehler 1" },
    { "# command: b\n\n# exit code: 1\n# elapsed time: 00:00:00\n", NULL },
    { "# command: b", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (tails); i++)
    {
      g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_diagnose (tails[i].log, NULL);
      g_assert_cmpstr (diagnosis->tail, ==, tails[i].tail);
    }
}

static void
test_topic (void)
{
  static const struct {
    const char *line;
    DkmsTopic topic;
  } lines[] = {
    { "curl: (6) Could not resolve host: git.kernel.org", DKMS_TOPIC_NETWORK },
    { "curl: (7) Failed to connect to 10.1.2.3 port 443 after 0 ms: Couldn't connect to server", DKMS_TOPIC_NETWORK },
    { "wget: unable to resolve host address ‘git.kernel.org’", DKMS_TOPIC_NETWORK },
    { "Connecting to 10.1.2.3:80... failed: Network is unreachable.", DKMS_TOPIC_NETWORK },
    { "wget: bad address 'example.com'", DKMS_TOPIC_NETWORK }, /* busybox */
    { "fatal: unable to access 'https://example.com/x.git/': Could not resolve host: example.com", DKMS_TOPIC_NETWORK },
    { "fatal: unable to look up example.com (port 9418) (Temporary failure in name resolution)", DKMS_TOPIC_NETWORK },
    { "ssh: Could not resolve hostname example.com: Temporary failure in name resolution", DKMS_TOPIC_NETWORK },
    { "E: Failed to fetch http://deb.debian.org/debian/pool/x.deb  Temporary failure resolving 'deb.debian.org'",
      DKMS_TOPIC_NETWORK },
    { "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>", DKMS_TOPIC_NETWORK },
    { "Caused by: [6] Could not resolve hostname (Could not resolve host: index.crates.io)", DKMS_TOPIC_NETWORK },
    { "bash: connect: Network is unreachable", DKMS_TOPIC_NETWORK },
    { "ping: connect: Network is unreachable", DKMS_TOPIC_NETWORK },
    { "ping: example.com: Name or service not known", DKMS_TOPIC_NETWORK },
    { "cannot connect: IO::Socket::INET: Bad hostname 'example.com:80' at -e line 1.", DKMS_TOPIC_NETWORK },
    { "go: dial tcp: lookup example.com: no such host", DKMS_TOPIC_NETWORK },
    { "npm ERR! network request failed, reason: getaddrinfo EAI_AGAIN registry.npmjs.org", DKMS_TOPIC_NETWORK },
    { "touch: cannot touch '/usr/local/x': Read-only file system", DKMS_TOPIC_READ_ONLY },
    { "OSError: [Errno 30] Read-only file system: '/etc/x'", DKMS_TOPIC_READ_ONLY },
    { "error: could not lock config file /root/.gitconfig: Read-only file system", DKMS_TOPIC_READ_ONLY },
    { "chown: changing ownership of 'p.sh': Operation not permitted", DKMS_TOPIC_OWNER },
    { "install: cannot change ownership of 'q.sh': Operation not permitted", DKMS_TOPIC_OWNER },
    { "tar: x: Cannot change ownership to uid 1000, gid 1000: Operation not permitted", DKMS_TOPIC_OWNER },
    { "cp: failed to preserve ownership for 'x': Invalid argument", DKMS_TOPIC_OWNER },
    { "mknod: x: Operation not permitted", DKMS_TOPIC_RIGHTS },
    { "mount: /mnt: permission denied.", DKMS_TOPIC_RIGHTS },
    { "hostname: you must be root to change the host name", DKMS_TOPIC_RIGHTS },
    { "error: no usable address in /proc/kallsyms", DKMS_TOPIC_ADDRESSES },
    { "cat: /opt/priv/z: Permission denied", DKMS_TOPIC_DENIED },
    { "bash: line 1: mytool: command not found", DKMS_TOPIC_ABSENT },
    { "sh: 1: .: cannot open /nosuch: No such file", DKMS_TOPIC_ABSENT },
    { "x.c:1:1: error: expected ';'", DKMS_TOPIC_NONE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
    g_assert_cmpint (dkms_line_topic (lines[i].line), ==, lines[i].topic);
}

static void
test_named (void)
{
  static const struct {
    const char *line, *command, *paths;
  } lines[] = {
    { "bash: line 1: mytool: command not found", "mytool", "" },
    { "/bin/sh: 1: mytool: not found", "mytool", "/bin/sh" },
    { "make: mytool: No such file or directory", "mytool", "" },
    { "timeout: failed to run command ‘mytool’: No such file or directory", "mytool", "" },
    { "env: 'mytool': No such file or directory", "mytool", "" },
    { "/usr/bin/env: ‘python2’: No such file or directory", "python2", "/usr/bin/env" },
    { "cp: cannot stat '/home/u/x.h': No such file or directory", "/home/u/x.h", "/home/u/x.h" },
    { "/bin/bash: line 1: /root/bin/t: No such file or directory", "/root/bin/t", "/bin/bash /root/bin/t" },
    { "mkdir: cannot create directory ‘/root/.cache’: Read-only file system", NULL, "/root/.cache" },
    { "gcc -I/opt/x https://a.b/c M=/d/e", NULL, "/d/e" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autofree char *command = dkms_line_command (lines[i].line);
      g_auto (GStrv) paths = dkms_line_paths (lines[i].line);
      g_autofree char *joined = g_strjoinv (" ", paths);

      g_assert_cmpstr (command, ==, lines[i].command);
      g_assert_cmpstr (joined, ==, lines[i].paths);
    }
}

static void
test_creates (void)
{
  static const char *const creating[] = { "touch: cannot touch '/root/.cache/x': No such file or directory",
                                          "cp: cannot create regular file '/root/.cache/x': No such file or directory",
                                          "x.sh: 2: cannot create /root/.cache/x: Directory nonexistent" };

  for (gsize i = 0; i < G_N_ELEMENTS (creating); i++)
    {
      g_assert_true (dkms_line_creates (creating[i]));
      g_assert_cmpint (dkms_line_topic (creating[i]), ==, DKMS_TOPIC_ABSENT);
    }
  g_assert_false (dkms_line_creates ("cat: /root/.cache/x: No such file or directory"));
}

static void
test_downloaders (void)
{
  static const struct {
    const char *text, *tool;
  } texts[] = {
    { "#!/bin/sh\nwget -q https://example.com/x.tar.gz || exit 1\n", "wget" },
    { "set -e; curl -s -o x \"https://example.com\"\n", "curl" },
    { "git clone -q https://example.com/x\n", "git" },
    { "\t/usr/bin/git submodule update --init\n", "git" },
    { "apt-get -qq install -y libfoo-dev >/dev/null 2>&1\n", "apt-get" },
    { "pip3 install -q meson\n", "pip3" },
    { "# wget is not needed any more\n", NULL },
    { "echo mywget http://x\n", NULL },
    { "make -C x\n", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    g_assert_cmpstr (dkms_downloader_in (texts[i].text), ==, texts[i].tool);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/check/first-error", test_first_error);
  g_test_add_func ("/check/first-error/long-lines", test_long_lines);
  g_test_add_func ("/check/log-tail", test_tail);
  g_test_add_func ("/check/line/topic", test_topic);
  g_test_add_func ("/check/line/named", test_named);
  g_test_add_func ("/check/line/creates", test_creates);
  g_test_add_func ("/check/line/downloaders", test_downloaders);
  return g_test_run ();
}
