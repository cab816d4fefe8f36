/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A log for each cause of a failed build, as tools print it with LANG=C.UTF-8 and LC_MESSAGES=C. */
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "check/explain.h"
#include "check/line.h"

#define K "6.12.1-test"
#define CC1 "make[2]: *** [/usr/src/linux-headers-" K "/scripts/Makefile.build:255: /b/v.o] Error 1\n"
#define E127 "make[1]: *** [Makefile:3: all] Error 127\n"

static const struct {
  const char *id, *name, *log;
} logs[] = {
  /* the kernel headers */
  { "no-headers", "/lib/modules/" K "/build",
    "make: Entering directory '/b'\nmake: *** /lib/modules/" K "/build: No such file or directory.  Stop.\n" },
  { "headers-config", NULL,
    "  ERROR: Kernel configuration is invalid.\n         include/generated/autoconf.h or include/config/auto.conf are "
    "missing.\n         Run 'make oldconfig && make prepare' on kernel src to fix it.\n" },
  { "headers-config", NULL, "***  ERROR: Kernel configuration is invalid. The following files are missing:\n" },
  { "headers-config", NULL,
    "<command-line>: fatal error: ./include/generated/autoconf.h: No such file or directory\ncompilation "
    "terminated.\n" },
  { "headers-tools", "scripts/Makefile.build",
    "/usr/src/linux-headers-" K "/Makefile:1938: scripts/Makefile.build: No such file or directory\n" E127 },
  { "headers-tools", "scripts/basic/fixdep", "/bin/sh: 1: scripts/basic/fixdep: not found\n" E127 },
  { "headers-tools", "scripts/mod/modpost", "/bin/sh: line 1: scripts/mod/modpost: No such file or directory\n" E127 },
  { "objtool-missing", NULL, "/bin/sh: 1: ./tools/objtool/objtool: not found\n" E127 },
  { "headers-arch", "scripts/basic/fixdep",
    "/bin/sh: 1: scripts/basic/fixdep: Exec format error\nmake[2]: *** [x] Error 126\n" },
  { "headers-arch", "./scripts/mod/modpost",
    "/bin/sh: line 1: ./scripts/mod/modpost: cannot execute binary file: Exec format error\n" },
  { "headers-libc", "GLIBC_2.38",
    "scripts/mod/modpost: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by "
    "scripts/mod/modpost)\n" },
  { "libelf", NULL,
    "Makefile:976: *** \"Cannot generate ORC metadata for CONFIG_UNWINDER_ORC=y, please install libelf-dev, "
    "libelf-devel or elfutils-libelf-devel\".  Stop.\n" },
  { "libelf", NULL,
    "./tools/objtool/objtool: error while loading shared libraries: libelf.so.1: cannot open shared object file: No "
    "such file or directory\n" E127 },
  { "symvers", NULL,
    "WARNING: Module.symvers is missing.\n         Modules may not have dependencies or modversions.\n"
    "ERROR: modpost: \"_printk\" [/b/v.ko] undefined!\n" },
  { "symvers", NULL,
    "WARNING: Symbol version dump \"Module.symvers\" is missing.\nERROR: modpost: \"_printk\" [/b/v.ko] undefined!\n" },
  { "other-kernel", "6.1.0-1-amd64",
    "make -C /lib/modules/6.1.0-1-amd64/build M=/b modules\nv.c:5:1: error: implicit declaration of function 'f'\n" },
  { "other-kernel", "6.1.0-1-amd64",
    "make[1]: Entering directory '/lib/modules/6.1.0-1-amd64/build'\nERROR: modpost: \"x\" [/b/v.ko] undefined!\n" },
  /* tools */
  { "no-compiler", "gcc-12", "/bin/sh: 1: gcc-12: not found\n" E127 },
  { "no-compiler", "x86_64-linux-gnu-gcc-12", "/bin/sh: line 1: x86_64-linux-gnu-gcc-12: command not found\n" E127 },
  { "no-compiler", "clang", "make[2]: clang: No such file or directory\n" E127 },
  { "no-compiler", "ld.lld", "sh: 1: ld.lld: not found\n" E127 },
  { "compiler-old", "-fmin-function-alignment=16",
    "warning: the compiler differs from the one used to build the kernel\n  The kernel was built by: gcc-13 (Debian "
    "13.2.0-4) 13.2.0\n  You are using:           gcc (Debian 12.2.0-14) 12.2.0\n"
    "gcc: error: unrecognized command-line option '-fmin-function-alignment=16'; did you mean 'x'?\n" CC1 },
  { "compiler-old", "-ftrivial-auto-var-init=zero",
    "gcc: error: unrecognized command line option ‘-ftrivial-auto-var-init=zero’\n" CC1 },
  { "compiler-clang", "-mretpoline-external-thunk",
    "gcc: error: unrecognized command-line option ‘-mretpoline-external-thunk’\n" CC1 },
  { "compiler-gcc", "-fconserve-stack", "clang: error: unknown argument: '-fconserve-stack'\n" CC1 },
  { "gcc-plugin", NULL,
    "cc1: error: incompatible gcc/plugin versions\ncc1: error: fail to initialize plugin "
    "./scripts/gcc-plugins/structleak_plugin.so\n" CC1 },
  { "pahole", NULL, "/bin/sh: 1: pahole: not found\n" E127 },
  { "pahole", NULL, "pahole: unrecognized option '--lang_exclude=rust'\n" CC1 },
  { "btf", NULL, "FAILED: load BTF from vmlinux: Invalid argument\n" CC1 },
  { "tool", "bc", "/bin/sh: 1: bc: not found\n" E127 },
  { "tool", "flex", "/bin/bash: line 1: flex: command not found\n" E127 },
  { "tool", "rsync", "make: rsync: No such file or directory\n" E127 },
  { "tool", "python3", "/usr/bin/env: ‘python3’: No such file or directory\n" E127 },
  { "tool", "perl", "build.sh: 3: perl: not found\n# exit code: 127\n" },
  { "tool", "bison", "./build.sh: line 3: bison: command not found\n# exit code: 1\n" },
  { "shared-library", "libcrypto.so.3",
    "scripts/sign-file: error while loading shared libraries: libcrypto.so.3: cannot open shared object file: No such "
    "file or directory\n" E127 },
  { "user-header", "openssl/opensslv.h",
    "sign.c:25:10: fatal error: openssl/opensslv.h: No such file or directory\ncompilation terminated.\n" },
  { "user-header", "gelf.h", "x.h:1:10: fatal error: 'gelf.h' file not found\n" },
  { "user-library", "elf",
    "/usr/bin/ld: cannot find -lelf: No such file or directory\ncollect2: error: ld returned 1 "
    "exit status\n" },
  { "python-module", "yaml", "Traceback (most recent call last):\nModuleNotFoundError: No module named 'yaml'\n" },
  { "compiler-crash", NULL, "v.c:3:1: internal compiler error: in foo, at bar.c:1\n" CC1 },
  { "compiler-crash", NULL, "gcc: internal compiler error: Segmentation fault signal terminated program cc1\n" },
  { "ccache", NULL, "ccache: error: Failed to create directory /root/.cache/ccache: Permission denied\n" CC1 },
  /* this machine */
  { "disk-full", NULL, "/tmp/cc.s: fatal error: error writing to v.o: No space left on device\n" CC1 },
  { "disk-full", NULL, "\ndkms-sandbox: it filled the disk and was killed\n" },
  { "memory", NULL, "cc1: out of memory allocating 65536 bytes after a total of 1 bytes\n" CC1 },
  { "memory", NULL, "virtual memory exhausted: Cannot allocate memory\n" CC1 },
  { "memory", NULL, "gcc: fatal error: Killed signal terminated program cc1\ncompilation terminated.\n" CC1 },
  { "memory", NULL, "Killed\nmake[1]: *** [Makefile:2: x] Error 137\n" },
  { "memory", NULL, "make[1]: *** [Makefile:2: x] Killed\n" },
  { "compiler-crash", NULL, "make[1]: *** [Makefile:2: x] Segmentation fault\n" },
  { "memory", NULL, "./x.sh: line 2:    99 Killed                  sleep 9\n# exit code: 137\n" },
  { "memory", NULL, "\ndkms-sandbox: it used four fifths of the machine's memory and was killed\n" },
  { "size-limit", NULL, "/bin/sh: line 1: 7 File size limit exceeded(core dumped) dd\nmake: *** [x] Error 153\n" },
  { "output-limit", NULL, "\ndkms-sandbox: it wrote more than 1024 MiB of output and was killed\n" },
  { "process-limit", NULL, "\ndkms-sandbox: it started more than 4096 processes or threads and was killed\n" },
  { "timeout", NULL, "\ndkms-sandbox: it wrote nothing for 3600 s and was killed (build_timeout)\n" },
  { "open-files", NULL, "cc1: fatal error: v.c: Too many open files\n" CC1 },
  { "not-executable", "./gen.sh", "/bin/sh: 1: ./gen.sh: Permission denied\nmake: *** [x] Error 126\n" },
  { "not-executable", "./gen.sh", "make: ./gen.sh: Permission denied\nmake: *** [x] Error 127\n" },
  { "interrupted", NULL, "make: *** [Makefile:2: x] Terminated\n# exit code: 143\n" },
  { "network", NULL, "curl: (6) Could not resolve host: git.kernel.org\nmake: *** [x] Error 6\n" },
  { "network", NULL, "socket: Address family not supported by protocol\nmake: *** [x] Error 1\n" },
  { "read-only", NULL, "touch: cannot touch '/usr/x': Read-only file system\nmake: *** [x] Error 1\n" },
  { "ownership", NULL, "chown: changing ownership of 'p.sh': Operation not permitted\n" },
  { "kernel-addresses", NULL, "error: no usable address in /proc/kallsyms\n" },
  { "privileges", NULL, "mknod: x: Operation not permitted\n" },
  { "denied", NULL, "cat: /opt/priv/z: Permission denied\nmake: *** [x] Error 1\n" },
  { "clock", NULL, "make: warning:  Clock skew detected.  Your build may be incomplete.\n# exit code: 2\n" },
  /* code */
  { "header-moved", "asm/unaligned.h",
    "v.c:12:10: fatal error: asm/unaligned.h: No such file or directory\n   12 | #include <asm/unaligned.h>\n" CC1 },
  { "header-moved", "crypto/gost28147.h", "v.c:1:10: fatal error: 'crypto/gost28147.h' file not found\n" CC1 },
  { "api-removed", "strlcpy",
    "v4l2loopback.c:717:9: error: implicit declaration of function ‘strlcpy’; did you mean ‘strscpy’? "
    "[-Werror=implicit-function-declaration]\n" CC1 },
  { "api-removed", "strlcpy",
    "v.c:7:2: error: call to undeclared function 'strlcpy'; ISO C99 and later do not support implicit function "
    "declarations [-Wimplicit-function-declaration]\n" CC1 },
  { "api-arguments", "class_create", "v.c:5:9: error: too many arguments to function ‘class_create’\n" CC1 },
  { "api-arguments", "class_create",
    "v.c:5:9: error: too many arguments to function ‘class_create’; expected 1, have 2\n" CC1 },
  { "api-arguments", "DEFINE_SEMAPHORE",
    "v.c:9:26: error: macro \"DEFINE_SEMAPHORE\" requires 2 arguments, but only 1 given\nv.c:9:8: error: type defaults "
    "to ‘int’ in declaration of ‘DEFINE_SEMAPHORE’ [-Werror=implicit-int]\n" CC1 },
  { "api-arguments", "DEFINE_SEMAPHORE", /* gcc 16 */
    "v.c:9:26: error: macro 'DEFINE_SEMAPHORE' passed 3 arguments, but takes just 2\n"
    "v.c:9:8: error: ‘DEFINE_SEMAPHORE’ undeclared here (not in a function)\n" CC1 },
  { "api-arguments", NULL,
    "v.c:5:9: error: too many arguments to function call, expected single argument 'n', have 2 "
    "arguments\n" CC1 },
  { "api-member", "bd_inode", "v.c:5:9: error: ‘struct block_device’ has no member named ‘bd_inode’\n" CC1 },
  { "api-member", "output_poll_changed",
    "v.c:5:10: error: ‘const struct drm_mode_config_funcs’ has no member named ‘output_poll_changed’; did you mean "
    "‘x’?\nv.c:5:33: error: ‘drm_fb_helper_output_poll_changed’ undeclared here (not in a function)\n" CC1 },
  { "api-member", "bd_inode", "v.c:5:9: error: no member named 'bd_inode' in 'struct block_device'\n" CC1 },
  { "api-added", "kzalloc_x", "v.c:5:9: error: conflicting types for ‘kzalloc_x’; have ‘void (int)’\n" CC1 },
  { "api-added", "foo", "v.h:5:9: error: redefinition of ‘struct foo’\n" CC1 },
  { "api-type", NULL,
    "v.c:5:9: error: initialization of ‘void (*)(struct platform_device *)’ from incompatible pointer type ‘int "
    "(*)(struct platform_device *)’ [-Werror=incompatible-pointer-types]\n" CC1 },
  { "api-type", NULL,
    "v.c:5:9: error: incompatible function pointer types initializing 'a' with an expression of type 'b' "
    "[-Wincompatible-function-pointer-types]\n" CC1 },
  { "api-name", "QUEUE_FLAG_NONROT",
    "v.c:5:9: error: ‘QUEUE_FLAG_NONROT’ undeclared (first use in this function)\n" CC1 },
  { "api-name", "vm_flags", "v.c:5:9: error: assignment of read-only member ‘vm_flags’\n" CC1 },
  { "api-name", "mm_segment_t", "v.c:5:9: error: unknown type name ‘mm_segment_t’\n" CC1 },
  { "api-name", "module_initt",
    "v.c:5:1: error: type defaults to ‘int’ in declaration of ‘module_initt’ [-Werror=implicit-int]\n" CC1 },
  { "import-ns", "DMA_BUF",
    "v.c:5:18: error: expected ‘,’ or ‘;’ before ‘DMA_BUF’\n    5 | MODULE_IMPORT_NS(DMA_BUF);\n" CC1 },
  { "own-header", "fw_config.h", "v.c:1:10: fatal error: fw_config.h: No such file or directory\n" CC1 },
  { "werror", "unused-variable", "v.c:5:9: error: unused variable ‘x’ [-Werror=unused-variable]\n" CC1 },
  { "werror", "frame-larger-than=",
    "v.c:5:9: error: the frame size of 2064 bytes is larger than 2048 bytes [-Werror=frame-larger-than=]\n" CC1 },
  { "werror", "unused-variable", "v.c:5:9: error: unused variable 'x' [-Werror,-Wunused-variable]\n" CC1 },
  { "compile", NULL, "v.c:5:9: error: expected ‘;’ before ‘}’ token\n" CC1 },
  /* modpost */
  { "undefined", "blk_queue_x", "ERROR: modpost: \"blk_queue_x\" [/b/v.ko] undefined!\n" CC1 },
  { "gpl-only", "spl_x", "FATAL: modpost: GPL-incompatible module v.ko uses GPL-only symbol 'spl_x'\n" CC1 },
  { "namespace", "DMA_BUF",
    "ERROR: modpost: module v uses symbol dma_buf_get from namespace DMA_BUF, but does not import it.\n" CC1 },
  { "duplicate-export", "f", "ERROR: modpost: v: 'f' exported twice. Previous export was in vmlinux\n" CC1 },
  { "no-license", NULL, "ERROR: modpost: missing MODULE_LICENSE() in /b/v.o\n" CC1 },
  /* the package */
  { "not-made", NULL,
    "# command: make\nfine\n# exit code: 0\n# elapsed time: 00:00:00\n----\n\ndkms: not-made: /b/v.ko does not "
    "exist\n" },
  { "not-loadable", NULL, "# command: make\nfine\n# exit code: 0\n\ndkms: not-loadable: foo/1.0 will not load\n" },
  { "patch", "h.c", "patching file h.c\nHunk #1 FAILED at 1.\n1 out of 1 hunk FAILED -- saving rejects\n" },
  { "patch", "a.patch", "\nApplying patch a.patch\n# command: patch -p1\nodd\n# exit code: 1\n" },
  { "no-rule", "v.h", "make[1]: *** No rule to make target 'v.h', needed by 'v.o'.  Stop.\n" },
  { "missing-separator", NULL, "Makefile:2: *** missing separator.  Stop.\n" },
  { "missing-separator", NULL, "Makefile:2: *** missing separator (did you mean TAB instead of 8 spaces?).  Stop.\n" },
  { "makefile", "this driver needs Linux 7", "Makefile:9: *** this driver needs Linux 7.  Stop.\n" },
  { "configure", NULL, "checking for x... configure: error:\n\t*** Please install it.\n" },
  { "missing-file", NULL, "cp: cannot stat 'gone': No such file or directory\nmake: *** [x] Error 1\n" },
  { "script", NULL, "\nRunning the pre_build script\n# command: x\nodd words\n\n# exit code: 3\n" },
  { "unknown", NULL, "odd words\nmake: *** [Makefile:2: x] Error 1\n" },
  { "unknown", NULL, "frobnicate: Error: it did not work\n" },
};

static const DkmsCause *
best (const DkmsDiagnosis *diagnosis)
{
  const DkmsCause *cause = dkms_diagnosis_cause (diagnosis);

  g_assert_nonnull (cause);
  return cause;
}

static void
test_causes (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (logs); i++)
    {
      g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_diagnose (logs[i].log, K);
      const DkmsCause *cause = best (diagnosis);

      g_test_message ("%s: %s", logs[i].id, logs[i].log);
      g_assert_cmpstr (cause->info->id, ==, logs[i].id);
      g_assert_cmpstr (cause->name, ==, logs[i].name);
    }
}

static gboolean
has_log (const char *id)
{
  for (gsize i = 0; i < G_N_ELEMENTS (logs); i++)
    if (strcmp (logs[i].id, id) == 0)
      return TRUE;
  return FALSE;
}

/* Every cause has a log, except the causes that dkms derives from an exit status. */
static void
test_every_cause (void)
{
  static const char *const without[] = { "excluded", "depends", NULL };
  guint count;
  const DkmsRule *rules = dkms_cause_rules (&count);

  for (const DkmsCauseInfo *info = dkms_cause_infos (); info->id != NULL; info++)
    {
      g_test_message ("%s", info->id);
      g_assert_true (has_log (info->id) || g_strv_contains (without, info->id));
      g_assert_true (dkms_cause_find (info->id) == info);
      g_assert_true (g_str_has_suffix (info->sentence, ".") && g_str_has_suffix (info->next, "."));
    }
  for (guint i = 0; i < count; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GRegex) regex
          = g_regex_new (rules[i].regex != NULL ? rules[i].regex : "", G_REGEX_RAW | G_REGEX_DUPNAMES, 0, &error);
      g_assert_no_error (error);
      g_assert_nonnull (regex);
      g_assert_true (rules[i].cause == NULL || dkms_cause_find (rules[i].cause) != NULL);
      g_assert_nonnull (rules[i].marks[0]);
    }
}

/* ---- the order of causes ---- */

/* A cause has precedence over its consequence in any order of the lines, because make -j mixes them. */
static void
test_order (void)
{
  static const struct {
    const char *id;
    const char *lines[6];
  } mixed[] = {
    { "api-removed",
      { "a.c:3:2: error: implicit declaration of function ‘strlcpy’ [-Werror=implicit-function-declaration]\n",
        "a.c:9:1: error: control reaches end of non-void function [-Werror=return-type]\n",
        "b.c:4:2: error: ‘X’ undeclared (first use in this function)\n",
        "make[3]: *** [scripts/Makefile.build:255: a.o] Error 1\n", "c.c:8:2: error: expected ‘;’ before ‘}’ token\n",
        "cc1: all warnings being treated as errors\n" } },
    { "api-arguments",
      { "a.c:9:26: error: macro \"DEFINE_SEMAPHORE\" requires 2 arguments, but only 1 given\n",
        "a.c:9:8: error: type defaults to ‘int’ in declaration of ‘DEFINE_SEMAPHORE’ [-Werror=implicit-int]\n",
        "a.c:12:8: error: ‘sem’ undeclared (first use in this function)\n", NULL } },
    { "disk-full",
      { "a.c:3:2: error: expected ‘;’ before ‘}’ token\n",
        "fatal error: error writing to /tmp/x: No space left on device\n", "ERROR: modpost: \"f\" [x.ko] undefined!\n",
        "/bin/sh: 1: bc: not found\n", NULL } },
    { "no-compiler",
      { "/bin/sh: 1: gcc-12: not found\n", "make[1]: *** [x] Error 127\n",
        "make: *** No rule to make target 'x'.  Stop.\n", "cp: cannot stat 'a.ko': No such file or directory\n",
        NULL } },
    { "compile", /* a missing command without an effect */
      { "/bin/sh: 1: bc: not found\n", "a.c:3:2: error: expected ‘;’ before ‘}’ token\n", "make[1]: *** [x] Error 1\n",
        NULL } },
    { "symvers",
      { "WARNING: Module.symvers is missing.\n", "ERROR: modpost: \"f\" [x.ko] undefined!\n",
        "ERROR: modpost: \"g\" [x.ko] undefined!\n", NULL } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (mixed); i++)
    {
      guint count = 0;
      while (count < G_N_ELEMENTS (mixed[i].lines) && mixed[i].lines[count] != NULL)
        count++;
      for (guint try = 0; try < 200; try++)
        {
          const char *lines[G_N_ELEMENTS (mixed[i].lines) + 1] = { NULL };
          memcpy (lines, mixed[i].lines, count * sizeof *lines);
          for (guint k = count - 1; k > 0; k--)
            {
              guint other = (guint)g_test_rand_int_range (0, (gint32)k + 1);
              const char *kept = lines[k];
              lines[k] = lines[other];
              lines[other] = kept;
            }
          g_autofree char *log = g_strjoinv ("", (char **)lines);
          g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_diagnose (log, K);
          if (strcmp (best (diagnosis)->info->id, mixed[i].id) != 0)
            g_test_message ("%s", log);
          g_assert_cmpstr (best (diagnosis)->info->id, ==, mixed[i].id);
        }
    }
}

static void
test_others (void)
{
  g_autoptr (DkmsDiagnosis) diagnosis
      = dkms_log_diagnose ("a.c:3:2: error: implicit declaration of function 'f'\n"
                           "b.c:7:2: error: 'struct s' has no member named 'm'\n"
                           "b.c:9:2: error: expected ';' before '}' token\n"
                           "c.c:1:10: fatal error: linux/gone.h: No such file or directory\n"
                           "d.c:3:2: error: too few arguments to function 'g'\n"
                           "e.c:3:2: error: 'N' undeclared\n",
                           K);
  static const char *const expected[] = { "header-moved", "api-removed", "api-arguments", "api-member" };

  g_assert_cmpuint (diagnosis->causes->len, ==, G_N_ELEMENTS (expected));
  for (gsize i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      const DkmsCause *cause = diagnosis->causes->pdata[i];
      g_assert_cmpstr (cause->info->id, ==, expected[i]);
    }
  g_assert_cmpstr (best (diagnosis)->file, ==, "c.c");
  g_assert_cmpuint (best (diagnosis)->line_number, ==, 1);
  g_assert_cmpstr (diagnosis->first_error, ==, "c.c:1:10: fatal error: linux/gone.h: No such file or directory");
}

/* ---- logs of builds that did not fail ---- */

static void
test_success (void)
{
  static const char *const fine[] = {
    "DKMS (dkms-4) make.log for foo/1.0 for kernel " K " (x86_64)\nSat\n\nRunning the pre_build script\n# command: x\n"
    "x.c:1: error: harmless\n\n# exit code: 0\n# elapsed time: 00:00:00\n----\n\nBuilding module(s)\n# command: make\n"
    "warning: the compiler differs from the one used to build the kernel\n  The kernel was built by: gcc-12 x\n"
    "/bin/sh: 1: pahole: not found\nWARNING: Module.symvers is missing.\n"
    "Skipping BTF generation for /b/v.ko due to unavailability of vmlinux\nmake: warning:  Clock skew detected.\n"
    "\n# exit code: 0\n# elapsed time: 00:00:01\n----------\n",
    "# command: make\n# exit code: 0\n",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (fine); i++)
    {
      g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_diagnose (fine[i], K);
      g_assert_cmpuint (diagnosis->causes->len, ==, 0);
      g_assert_null (dkms_diagnosis_cause (diagnosis));
      g_assert_null (diagnosis->first_error);
      g_assert_cmpint (diagnosis->status, ==, 0);
      dkms_diagnosis_add (diagnosis, "not-made", NULL);
      g_assert_cmpstr (best (diagnosis)->info->id, ==, "not-made");
    }
}

/* A harmless warning is not taken for the cause of a failure after it. */
static void
test_harmless (void)
{
  static const char harmless[] = "warning: the compiler differs from the one used to build the kernel\n"
                                 "  The kernel was built by: x86_64-linux-gnu-gcc-12 (Debian 12.2.0) 12.2.0\n"
                                 "Skipping BTF generation for /b/v.ko due to unavailability of vmlinux\n"
                                 "warning: pahole version differs from the one used to build the kernel\n"
                                 "make -C /lib/modules/" K "/build M=/b\nmake: warning:  Clock skew detected.\n"
                                 "cc1: note: unrecognized command-line option '-Wno-x' may have been intended to "
                                 "silence earlier diagnostics\n"
                                 "v.c:1:1: error: expected ';' before 'x'\n# exit code: 2\n";
  g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_diagnose (harmless, K);

  g_assert_cmpstr (best (diagnosis)->info->id, ==, "compile");
  g_assert_cmpstr (diagnosis->kernel_compiler, ==, "gcc-12");
}

/* ---- input in parts, and large input ---- */

/* Expressions work on bytes. In some locales a byte inside a UTF-8 character is a blank. */
static void
test_cut_characters (void)
{
  g_autoptr (DkmsDiagnosis) diagnosis
      = dkms_log_diagnose ("make: \xe2\x85\x82x: Permission denied\nmake: *** [y] Error 126\n", K);

  g_assert_cmpstr (best (diagnosis)->info->id, ==, "not-executable");
  g_assert_true (g_utf8_validate (best (diagnosis)->name, -1, NULL));
}

static void
test_pieces (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (logs); i++)
    for (gsize size = 1; size < 40; size += 3)
      {
        DkmsLogScan *scan = dkms_log_scan_new (K);
        gsize whole = strlen (logs[i].log);
        for (gsize at = 0; at < whole; at += size)
          dkms_log_scan_feed (scan, logs[i].log + at, MIN (size, whole - at));
        g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_scan_end (scan);
        g_assert_cmpstr (best (diagnosis)->info->id, ==, logs[i].id);
        g_assert_cmpstr (best (diagnosis)->name, ==, logs[i].name);
      }
}

static void
test_meters (void)
{
  static const char *const overwritten[]
      = { "\r  0  0\r 10 10\r fatal: No space left on device\r100\nv.c:1:1: error: expected ';' before 'x'\n",
          "v.c:1:1: error: expected ';' before 'x'\r\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (overwritten); i++)
    for (gsize size = 1; size < 100; size += 9)
      {
        DkmsLogScan *scan = dkms_log_scan_new (K);
        gsize whole = strlen (overwritten[i]);
        for (gsize at = 0; at < whole; at += size)
          dkms_log_scan_feed (scan, overwritten[i] + at, MIN (size, whole - at));
        g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_scan_end (scan);
        g_assert_cmpstr (best (diagnosis)->info->id, ==, "compile");
      }
}

static double
cpu_seconds (void)
{
  struct timespec now;

  g_assert_cmpint (clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now), ==, 0);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long
peak_kib (void)
{
  struct rusage usage;

  g_assert_cmpint (getrusage (RUSAGE_SELF, &usage), ==, 0);
  return usage.ru_maxrss;
}

/* Feeds @line @count times, then an error. Returns: the processor time in seconds for 50 MB */
static double
time_of (const char *what, const char *line, gsize count)
{
  DkmsLogScan *scan = dkms_log_scan_new (K);
  g_autoptr (GString) piece = g_string_new (NULL);
  gsize fed = 0, total = strlen (line) * count;
  double start = cpu_seconds ();

  while (piece->len < 1 << 17)
    g_string_append (piece, line);
  for (; fed < total; fed += piece->len)
    dkms_log_scan_feed (scan, piece->str, piece->len);
  dkms_log_scan_feed (scan, "v.c:1:10: fatal error: linux/gone.h: No such file or directory\n", 63);
  g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_scan_end (scan);
  double seconds = (cpu_seconds () - start) * 50e6 / (double)fed;
  g_test_message ("%s: %.3f s for 50 MB", what, seconds);
  g_assert_cmpstr (best (diagnosis)->info->id, ==, "header-moved");
  return seconds;
}

/* The limits are generous, because machines differ. docs/architecture.md contains measured times. */
static void
test_large (void)
{
  static const char command[]
      = "  gcc -Wp,-MMD,/b/.v.o.d -nostdinc -I/usr/src/linux-headers-6.12/arch/x86/include "
        "-I./arch/x86/include/generated "
        "-include /usr/src/linux-headers-6.12/include/linux/kconfig.h -D__KERNEL__ -fmacro-prefix-map=/usr/src/= "
        "-Wundef -DKBUILD_EXTRA_WARN1 -std=gnu11 -fshort-wchar -funsigned-char -Werror=strict-prototypes -c -o /b/v.o "
        "/b/v.c\n";
  const struct {
    const char *what, *line;
    double bound;
  } kinds[] = {
    { "short lines", "  CC [M]  /b/v.o\n", 3 },
    { "commands", command, 3 },
    { "warnings", "v.c:3:5: warning: unused variable 'x' [-Wunused-variable]\n", 3 },
    { "marks", "x: error: 'v' undeclared and No such file or directory in scripts/ of the kernel\n", 6 },
    { "colours", "\033[01mv.c:3:5:\033[m \033[35mwarning: \033[munused variable\n", 6 },
  };
  long before = peak_kib ();

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    g_assert_cmpfloat (time_of (kinds[i].what, kinds[i].line, 50000000 / strlen (kinds[i].line)), <, kinds[i].bound);
  g_autofree char *endless = g_strnfill (1 << 20, 'x');
  DkmsLogScan *scan = dkms_log_scan_new (K);
  for (guint i = 0; i < 64; i++)
    dkms_log_scan_feed (scan, endless, 1 << 20);
  dkms_log_scan_feed (scan, "\nv.c:1:1: error: expected ';' before 'x'\n", 41);
  g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_scan_end (scan);
  g_assert_cmpstr (best (diagnosis)->info->id, ==, "compile");
  g_test_message ("%ld KiB more", peak_kib () - before);
  g_assert_cmpint (peak_kib () - before, <, 16 << 10);
}

/* ---- sentences ---- */

static char *
package_of (gpointer data, DkmsPackage package, const char *what)
{
  return g_strdup_printf ("PKG%d(%s)", package, what != NULL ? what : "");
}

/* Every text is complete with the values from a log, both with and without an older kernel. */
static void
test_sentences (void)
{
  for (gsize i = 0; i < 2 * G_N_ELEMENTS (logs); i++)
    {
      g_autoptr (DkmsDiagnosis) diagnosis = dkms_log_diagnose (logs[i / 2].log, K);
      const DkmsCauseFacts facts
          = { .module = "foo", .version = "1.0", .kernel = K, .older = i % 2 ? "5.0" : NULL, .package = package_of };
      g_autoptr (DkmsExplanation) shown = dkms_cause_explain (best (diagnosis), diagnosis, &facts);

      g_test_message ("%s\n%s", shown->sentence, shown->next);
      g_assert_null (strpbrk (shown->sentence, "?{}[]"));
      g_assert_null (strpbrk (shown->next, "?{}[]"));
      g_assert_null (strstr (shown->sentence, "(null)"));
      g_assert_true (shown->package == NULL || strstr (shown->next, shown->package) != NULL);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/check/causes", test_causes);
  g_test_add_func ("/check/causes/every", test_every_cause);
  g_test_add_func ("/check/causes/order", test_order);
  g_test_add_func ("/check/causes/others", test_others);
  g_test_add_func ("/check/causes/success", test_success);
  g_test_add_func ("/check/causes/harmless", test_harmless);
  g_test_add_func ("/check/causes/cut-characters", test_cut_characters);
  g_test_add_func ("/check/causes/pieces", test_pieces);
  g_test_add_func ("/check/causes/meters", test_meters);
  g_test_add_func ("/check/causes/large", test_large);
  g_test_add_func ("/check/causes/sentences", test_sentences);
  return g_test_run ();
}
