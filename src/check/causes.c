/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of causes and rules. Builds run with English messages (dkms_process_speak_english()), so the rules match
 * in every language of the user. */
#include "check/causes.h"

#include <string.h>

#include "base/language.h"

#define NEWER "Install a version of {module} that supports kernel {kernel}[, or keep booting {older}]."
#define OLD_PAGE                                                                                                       \
  "The kernel changes its internal interfaces with every release, and drivers outside of it must be adapted. This "    \
  "machine has no fault."
#define CONFINED "Builds run confined: they have no network and no root privileges, and see few files."
#define REPORT "Report it to the author of {module}, with the log."

static const DkmsCauseInfo infos[] = {
  /* ---- the kernel headers ---- */
  { "no-headers", DKMS_CLASS_ENVIRONMENT, DKMS_TOPIC_NONE, DKMS_PACKAGE_HEADERS,
    "The headers of kernel {kernel} are not installed.", "Install {package}.",
    "Modules are compiled against the headers of the kernel that loads them." },
  { "headers-config", DKMS_CLASS_ENVIRONMENT, DKMS_TOPIC_NONE, DKMS_PACKAGE_HEADERS,
    "The headers of kernel {kernel} are incomplete: its configuration is missing.", "Reinstall {package}.",
    "The files include/config/auto.conf and include/generated/autoconf.h are part of the headers of a kernel. A bare "
    "source tree has them only after 'make oldconfig && make prepare'." },
  { "headers-tools", DKMS_CLASS_ENVIRONMENT, DKMS_TOPIC_NONE, DKMS_PACKAGE_KBUILD,
    "The build tools of the headers of kernel {kernel} are missing[: {name}].", "Reinstall {package}.",
    "Headers come with makefiles and with small programs such as fixdep and modpost, some of them in a package of "
    "their own." },
  { "objtool-missing", DKMS_CLASS_ENVIRONMENT, DKMS_TOPIC_NONE, DKMS_PACKAGE_KBUILD,
    "The program objtool of the headers of kernel {kernel} is missing.", "Reinstall {package}.", NULL },
  { "headers-arch", DKMS_CLASS_ENVIRONMENT, DKMS_TOPIC_NONE, DKMS_PACKAGE_HEADERS,
    "The programs in the headers of kernel {kernel} do not run on this processor[: {name}].",
    "Install the headers that your distribution offers for this machine: {package}.",
    "Headers of a kernel that was built on another machine, such as those of a cross build, contain programs of that "
    "machine." },
  { "headers-libc", DKMS_CLASS_ENVIRONMENT, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "The headers of kernel {kernel} come from a newer system: their programs need {name}.",
    "Use a kernel of your distribution, or upgrade the distribution.", NULL },
  { "libelf", DKMS_CLASS_TOOLS, DKMS_TOPIC_NONE, DKMS_PACKAGE_LIBELF, "The library libelf is not installed.",
    "Install {package}.", "The program objtool of the kernel headers needs it." },
  { "symvers", DKMS_CLASS_ENVIRONMENT, DKMS_TOPIC_NONE, DKMS_PACKAGE_HEADERS,
    "The headers of kernel {kernel} contain no Module.symvers.", "Reinstall {package}.",
    "Module.symvers lists the symbols of the kernel. Without it no symbol is known, and kernels with MODVERSIONS "
    "refuse "
    "the module." },
  { "other-kernel", DKMS_CLASS_RECIPE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "The build used the headers of kernel {name} instead of those of {kernel}.", REPORT,
    "The makefile uses the running kernel. MAKE in dkms.conf must pass the kernel, for example as KVER=$kernelver." },
  /* ---- tools ---- */
  { "no-compiler", DKMS_CLASS_TOOLS, DKMS_TOPIC_ABSENT, DKMS_PACKAGE_COMPILER, "The compiler {name} is not installed.",
    "Install {package}.", "Modules need the compiler of their kernel, or one of the same version." },
  { "compiler-old", DKMS_CLASS_TOOLS, DKMS_TOPIC_NONE, DKMS_PACKAGE_COMPILER,
    "The compiler does not know the option {name}: kernel {kernel} was built with a newer one.",
    "Install the compiler that built the kernel[: {package}].", NULL },
  { "compiler-clang", DKMS_CLASS_TOOLS, DKMS_TOPIC_NONE, DKMS_PACKAGE_CLANG,
    "Kernel {kernel} was built with clang, and this build runs gcc, which does not know {name}.",
    "Install {package}, and add LLVM=1 to MAKE in dkms.conf.", NULL },
  { "compiler-gcc", DKMS_CLASS_TOOLS, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "Kernel {kernel} was built with gcc, and this build runs clang, which does not know {name}.",
    "Remove LLVM=1 or CC=clang from MAKE in dkms.conf, or from the build environment.", NULL },
  { "gcc-plugin", DKMS_CLASS_TOOLS, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "Kernel {kernel} was built with another build of this compiler: their plugins do not fit.",
    "Update the kernel, its headers and the compiler. After an update of the compiler, wait for the next update of the "
    "kernel.",
    NULL },
  { "pahole", DKMS_CLASS_TOOLS, DKMS_TOPIC_ABSENT, DKMS_PACKAGE_PAHOLE, "The program pahole is missing or too old.",
    "Install {package}.",
    "It creates the type information (BTF) of modules for kernels with CONFIG_DEBUG_INFO_BTF_MODULES." },
  { "btf", DKMS_CLASS_TOOLS, DKMS_TOPIC_NONE, DKMS_PACKAGE_PAHOLE,
    "The type information (BTF) of kernel {kernel} and the program pahole do not fit.",
    "Update the headers of the kernel, and {package}.",
    "The message 'Skipping BTF generation ... due to unavailability of vmlinux' is harmless." },
  { "tool", DKMS_CLASS_TOOLS, DKMS_TOPIC_ABSENT, DKMS_PACKAGE_TOOL, "The program {name} is not installed.",
    "Install {package}.", NULL },
  { "shared-library", DKMS_CLASS_TOOLS, DKMS_TOPIC_NONE, DKMS_PACKAGE_LIBRARY,
    "A program of the build needs the library {name}, which is not installed.", "Install {package}.", NULL },
  { "user-header", DKMS_CLASS_TOOLS, DKMS_TOPIC_ABSENT, DKMS_PACKAGE_HEADER,
    "The C header {name} of a library is not installed.", "Install {package}.",
    "The build also compiles programs, not only the module." },
  { "user-library", DKMS_CLASS_TOOLS, DKMS_TOPIC_ABSENT, DKMS_PACKAGE_LIBRARY,
    "The linker does not find the library {name}.", "Install {package}.", NULL },
  { "python-module", DKMS_CLASS_TOOLS, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "A script of the build needs the Python module {name}.", "Install it, as a package of your distribution.", NULL },
  { "compiler-crash", DKMS_CLASS_TOOLS, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "A program of the build crashed. This is not an error of the driver.",
    "Try again. If it crashes elsewhere, test the memory of this machine; if at the same place, use another version of "
    "the compiler.",
    NULL },
  { "ccache", DKMS_CLASS_TOOLS, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "ccache failed: builds cannot write to its cache.",
    "Set CCACHE_DISABLE=1 in the file that build_environment in framework.conf names.", CONFINED },
  /* ---- this machine ---- */
  { "disk-full", DKMS_CLASS_SYSTEM, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "The disk is full.",
    "Free some space on the file system of the tree, and build again.", NULL },
  { "memory", DKMS_CLASS_SYSTEM, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "The build ran out of memory.",
    "Build with -j 1, add swap space, or end other programs.",
    "If the kernel killed a process, the kernel log names it ('oom-kill')." },
  { "size-limit", DKMS_CLASS_SYSTEM, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "The build reached the limit of file sizes.",
    "Raise the limit (ulimit -f) of the process that starts dkms.", NULL },
  { "output-limit", DKMS_CLASS_SYSTEM, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "The build printed more than the limit.",
    REPORT, NULL },
  { "process-limit", DKMS_CLASS_SYSTEM, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "The build started more processes than the limit.", "Build with fewer jobs (-j).", NULL },
  { "timeout", DKMS_CLASS_SYSTEM, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "The build printed nothing for a long time, and was killed.",
    "The end of the log shows what it did. If it needs more time, set build_timeout in framework.conf.", NULL },
  { "open-files", DKMS_CLASS_SYSTEM, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "The build opened too many files at once.",
    "Raise the limit (ulimit -n) of the process that starts dkms, or build with fewer jobs (-j).", NULL },
  { "not-executable", DKMS_CLASS_SYSTEM, DKMS_TOPIC_DENIED, DKMS_PACKAGE_NONE, "The file {name} cannot be executed.",
    "Make it executable in the source (chmod +x), and check that the tree is not on a file system mounted noexec.",
    NULL },
  { "interrupted", DKMS_CLASS_SYSTEM, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "The build was interrupted.", "Build again.",
    NULL },
  { "network", DKMS_CLASS_RECIPE, DKMS_TOPIC_NETWORK, DKMS_PACKAGE_NONE,
    "The build tried to download a file, and builds have no network.",
    "Download the file before the build, and add it to the source. " REPORT, CONFINED },
  { "read-only", DKMS_CLASS_SYSTEM, DKMS_TOPIC_READ_ONLY, DKMS_PACKAGE_NONE,
    "The build wrote to a file or directory that it may not change.", REPORT,
    "A build may change its own directory only. If the file system of the tree itself is mounted read-only, the disk "
    "may have failed: see the kernel log." },
  { "ownership", DKMS_CLASS_SYSTEM, DKMS_TOPIC_OWNER, DKMS_PACKAGE_NONE,
    "The build tried to change the owner of a file.", REPORT, CONFINED },
  { "kernel-addresses", DKMS_CLASS_SYSTEM, DKMS_TOPIC_ADDRESSES, DKMS_PACKAGE_NONE,
    "The build looked for addresses of kernel symbols in /proc/kallsyms, which builds do not see.", REPORT, CONFINED },
  { "privileges", DKMS_CLASS_SYSTEM, DKMS_TOPIC_RIGHTS, DKMS_PACKAGE_NONE,
    "The build needs root privileges, which builds do not have.", REPORT, CONFINED },
  { "denied", DKMS_CLASS_SYSTEM, DKMS_TOPIC_DENIED, DKMS_PACKAGE_NONE, "The build may not access a file that it needs.",
    REPORT, CONFINED },
  { "clock", DKMS_CLASS_SYSTEM, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "Files of the source or of the headers have times in the future.",
    "Set the clock of this machine, then run 'touch' on the files of the source.", NULL },
  /* ---- the source does not fit the kernel ---- */
  { "header-moved", DKMS_CLASS_CODE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "{id} does not fit kernel {kernel}, which has no header {name}.", NEWER, OLD_PAGE },
  { "api-removed", DKMS_CLASS_CODE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "{id} does not fit kernel {kernel}: '{name}' was removed or moved.", NEWER, OLD_PAGE },
  { "api-arguments", DKMS_CLASS_CODE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "{id} does not fit kernel {kernel}: the arguments of a function changed[: '{name}'].", NEWER, OLD_PAGE },
  { "api-member", DKMS_CLASS_CODE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "{id} does not fit kernel {kernel}: a structure has no member '{name}'.", NEWER, OLD_PAGE },
  { "api-added", DKMS_CLASS_CODE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "{id} does not fit kernel {kernel}, which also defines '{name}'.", NEWER, OLD_PAGE },
  { "api-type", DKMS_CLASS_CODE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "{id} does not fit kernel {kernel}: an interface changed its types.", NEWER, OLD_PAGE },
  { "api-name", DKMS_CLASS_CODE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "{id} does not fit kernel {kernel}: '{name}' is unknown or may not be used.", NEWER, OLD_PAGE },
  { "import-ns", DKMS_CLASS_CODE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "{id} does not fit kernel {kernel}: names of symbol namespaces are strings there.", NEWER,
    "Newer kernels require MODULE_IMPORT_NS(\"NAME\"), older ones MODULE_IMPORT_NS(NAME)." },
  { "own-header", DKMS_CLASS_RECIPE, DKMS_TOPIC_ABSENT, DKMS_PACKAGE_NONE, "The header {name} is not found.",
    "Check that the source is complete. If its makefile sets EXTRA_CFLAGS, which newer kernels ignore, it has to set "
    "ccflags-y instead.",
    NULL },
  { "werror", DKMS_CLASS_CODE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "The compiler treats a warning[ ({name})] as an error.",
    "Report it to the author of {module}. To build nevertheless, add KCFLAGS=-Wno-error[={name}] to MAKE in dkms.conf.",
    NULL },
  { "compile", DKMS_CLASS_CODE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "The compiler rejects the source of {id} for kernel {kernel}.", NEWER, OLD_PAGE },
  /* ---- the module does not fit the kernel ---- */
  { "undefined", DKMS_CLASS_MODPOST, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "Kernel {kernel} does not export '{name}', which the module needs.",
    "Install a version of {module} that supports kernel {kernel}[, or keep booting {older}]. If another dkms module "
    "exports it, name that module in BUILD_DEPENDS, and build it first.",
    "The symbol was removed, or an option of the kernel configuration is off, or the symbol belongs to a module "
    "that was not built before." },
  { "gpl-only", DKMS_CLASS_MODPOST, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "The licence of the module does not allow it to use the symbol '{name}'.",
    "Ask the vendor of {module} for a version that supports kernel {kernel}.",
    "The kernel exports some symbols to modules under the GPL only." },
  { "namespace", DKMS_CLASS_MODPOST, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "{id} does not fit kernel {kernel}: it does not import the symbol namespace {name}.", NEWER, OLD_PAGE },
  { "duplicate-export", DKMS_CLASS_MODPOST, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "The module exports '{name}', which the kernel or another module exports, too.", NEWER, NULL },
  { "no-license", DKMS_CLASS_MODPOST, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "A module of {id} does not name its licence (MODULE_LICENSE).", REPORT, NULL },
  /* ---- the package ---- */
  { "patch", DKMS_CLASS_RECIPE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "A patch[ ({name})] does not apply to the source.",
    "Report it to the author of {module}. If the patch is yours, in /etc/dkms/{module}/patches, adapt it to this "
    "version.",
    "Exit status 6." },
  { "no-rule", DKMS_CLASS_RECIPE, DKMS_TOPIC_ABSENT, DKMS_PACKAGE_NONE, "make does not know how to make {name}.",
    "Check that the source is complete, that its makefiles have no CRLF line ends, and that no configure step is "
    "missing.",
    NULL },
  { "missing-separator", DKMS_CLASS_RECIPE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "make does not understand a makefile.",
    "Check for CRLF line ends, and for blanks instead of tabs, in the makefiles of the source.", NULL },
  { "makefile", DKMS_CLASS_RECIPE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "A makefile stops the build: {name}.", REPORT,
    NULL },
  { "configure", DKMS_CLASS_RECIPE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "The configure script stops the build.",
    "Follow its message. " REPORT, NULL },
  { "missing-file", DKMS_CLASS_RECIPE, DKMS_TOPIC_ABSENT, DKMS_PACKAGE_NONE,
    "The build does not find a file or a program that it needs.", "Check that the source is complete. " REPORT,
    CONFINED },
  { "script", DKMS_CLASS_RECIPE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "A script of the package failed.",
    "The log contains its output. " REPORT, "The exit status of dkms is that of the script." },
  { "not-made", DKMS_CLASS_RECIPE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "The build succeeded, but did not produce a module that dkms.conf names.",
    "Compare BUILT_MODULE_NAME and BUILT_MODULE_LOCATION in dkms.conf with the files that the makefile "
    "creates. " REPORT,
    "Exit status 7." },
  { "not-loadable", DKMS_CLASS_MODPOST, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "Kernel {kernel} would refuse a module of this build.", NEWER,
    "dkms compares each module with the kernel before it installs it. The line in the log names the difference." },
  { "excluded", DKMS_CLASS_RECIPE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "The recipe of {id} excludes kernel {kernel} (BUILD_EXCLUSIVE).",
    "If you need it for this kernel, install a version of {module} that supports the kernel.",
    "Exit status 77: the module was skipped, which is not a failure." },
  { "depends", DKMS_CLASS_RECIPE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE,
    "{id} needs another dkms module (BUILD_DEPENDS), which is not installed for kernel {kernel}.",
    "Install that module for this kernel first.", "Exit status 13." },
  { "unknown", DKMS_CLASS_RECIPE, DKMS_TOPIC_NONE, DKMS_PACKAGE_NONE, "No known cause fits the log of this build.",
    "Read the log. " REPORT, NULL },
  { 0 },
};

#define NOT_FOUND_MARKS                                                                                                \
  {                                                                                                                    \
    ": command not found", ": not found", ": No such file or directory", NULL                                          \
  }
/* Messages of shells, make, env and timeout about a command whose name contains no slash. */
#define NOT_FOUND(names)                                                                                               \
  "^(?:(?:/[\\w/]*/)?(?:(?:ba|da|k)?sh|\\S+\\.sh): (?:line )?(?:\\d+: )?'?" names "'?: (?:command )?not found$"        \
  "|(?:g?make(?:\\[\\d+\\])?|(?:/[\\w/]*/)?env|xargs): '?" names "'?: No such file or directory$"                      \
  "|timeout: failed to run command '" names "': No such file or directory$)"
#define COMPILERS "(?<name>(?:\\w+-)*(?:gcc|cc|clang|g\\+\\+|ld\\.lld|ld|rustc)(?:-[\\d.]+)?)"
#define COMMANDS "(?<name>[\\w.+-]+)"
#define KERNEL_HEADER                                                                                                  \
  "(?:linux|asm|asm-generic|crypto|drm|net|sound|media|scsi|rdma|uapi|video|xen|acpi|target|ufs|"                      \
  "trace|kvm|soc|pcmcia|misc|memory|dt-bindings|generated|config|math-emu|keys|clocksource|cxl|hyperv)/"

static const DkmsRule rules[] = {
  /* ---- facts about a section, without a cause ---- */
  { NULL, DKMS_RULE_SAW_126 | DKMS_RULE_LINE, 0, { "Error 126", "# exit code: 126", NULL }, NULL },
  { NULL, DKMS_RULE_SAW_127 | DKMS_RULE_LINE, 0, { "Error 127", "# exit code: 127", NULL }, NULL },
  { NULL, DKMS_RULE_SAW_137 | DKMS_RULE_LINE, 0, { "Error 137", "# exit code: 137", NULL }, NULL },
  { NULL, DKMS_RULE_SAW_IMPORT_NS, 0, { "MODULE_IMPORT_NS", NULL }, NULL },
  { NULL, DKMS_RULE_SAW_UNDEFINED, 0, { "undefined!", NULL }, "^(?:ERROR|WARNING): .*undefined!$" },
  { NULL,
    DKMS_RULE_SAW_KERNEL_COMPILER,
    0,
    { "The kernel was built by: ", NULL },
    "The kernel was built by: +(?:[\\w]+-linux-\\w+-)?(?<name>\\S+)" },

  /* ---- limits and resources of the machine ---- */
  { "interrupted",
    DKMS_RULE_LINE,
    0,
    { "# exit code: 130", "# exit code: 129", "# exit code: 143", NULL },
    "^# exit code: (?:129|130|143)$" },
  { "not-made", 0, 0, { "^dkms: not-made: ", NULL }, NULL },
  { "not-loadable", 0, 0, { "^dkms: not-loadable: ", NULL }, NULL },
  { "disk-full", 0, 0, { "^dkms-sandbox: it filled the disk", NULL }, NULL },
  { "memory", 0, 0, { "^dkms-sandbox: it used four fifths of the machine's memory", NULL }, NULL },
  { "timeout", 0, 0, { "^dkms-sandbox: it wrote nothing for", NULL }, NULL },
  { "process-limit", 0, 0, { "^dkms-sandbox: it started more than", NULL }, NULL },
  { "output-limit", 0, 0, { "^dkms-sandbox: it wrote more than", NULL }, NULL },
  { "kernel-addresses",
    0,
    0,
    { "^dkms-sandbox: it looked for addresses", "^dkms-sandbox: it read /proc/kallsyms", NULL },
    NULL },
  { "disk-full", 0, 0, { "No space left on device", "Disk quota exceeded", NULL }, NULL },
  { "memory",
    0,
    0,
    { "virtual memory exhausted", "Cannot allocate memory", "fatal error: Killed signal", "terminated by signal 9",
      "Killed signal terminated program", "out of memory allocating", NULL },
    NULL },
  { "memory", 0, DKMS_RULE_SAW_137, { "Killed", NULL }, "^(?:.*: (?:line )?\\d+:? +\\d+ )?Killed\\b" },
  { "memory", DKMS_RULE_LINE, 0, { "] Killed", NULL }, "\\*\\*\\* \\[.*\\] Killed$" },
  { "compiler-crash", DKMS_RULE_LINE, 0, { "internal compiler error", "Segmentation fault", NULL }, NULL },
  { "size-limit", 0, 0, { "File size limit exceeded", NULL }, NULL },
  { "open-files", 0, 0, { "Too many open files", NULL }, NULL },

  /* ---- the kernel headers ---- */
  { "no-headers",
    0,
    0,
    { "/build: No such file or directory", "/build: Not a directory", NULL },
    "\\*\\*\\* (?<name>\\S*/lib/modules/\\S+/build): N.*\\.  Stop" },
  { "headers-config", 0, 0, { "Kernel configuration is invalid", NULL }, NULL },
  { "headers-config",
    0,
    0,
    { "include/config/auto.conf", "include/generated/autoconf.h", "generated/autoconf.h", NULL },
    "auto(?:conf\\.h|\\.conf)(?: or include/config/auto.conf)?(?: are missing|: No such file| not found)" },
  { "headers-arch",
    0,
    0,
    { "Exec format error", "cannot execute binary file", NULL },
    "(?<name>[\\w./-]*(?:scripts|tools)/[\\w./-]+): (?:Exec format error|cannot execute binary file)" },
  { "headers-libc",
    0,
    0,
    { "not found (required by ", NULL },
    "version '(?<name>GLIBC_[\\w.]+)' not found \\(required by" },
  { "objtool-missing", 0, 0, { "objtool: ", NULL }, "objtool/objtool: (?:not found|No such file or directory)" },
  { "headers-tools", 0, 0, NOT_FOUND_MARKS,
    "(?<name>scripts/(?:Makefile[\\w.]*|Kbuild\\.include|basic/[\\w-]+|mod/[\\w-]+|genksyms/"
    "\\w+|module(?:-common)?\\.lds|"
    "gcc-[\\w.-]+\\.sh|recordmcount|sorttable|sign-file|asn1_compiler|kallsyms|ld-version\\.sh)): (?:not found|No such "
    "file)" },
  { "gcc-plugin", 0, 0, { "incompatible gcc/plugin versions", "failed to initialize plugin", NULL }, NULL },
  { "libelf",
    0,
    0,
    { "please install libelf", "libelf.so", "libelf-dev, ", NULL },
    "please install libelf|libelf\\.so[.\\d]*: cannot open shared object|libelf-devel or elfutils" },
  { "shared-library",
    0,
    0,
    { "error while loading shared libraries: ", NULL },
    "error while loading shared libraries: (?<name>[^:\\s]+):" },
  { "compiler-clang",
    0,
    0,
    { "error: unrecognized command", NULL },
    "error: unrecognized command[- ]line option '(?<name>-(?:mretpoline-external-thunk|mstack-alignment=|"
    "fsplit-lto-unit|flto=thin|Wno-gnu|mno-global-merge|ftrivial-auto-var-init-stop)[^']*)'" },
  { "compiler-old",
    0,
    0,
    { "error: unrecognized command", "error: unrecognized argument in option", "error: argument to '-", NULL },
    "error: unrecognized (?:command[- ]line option|argument in option) '(?<name>-[^']+)'" },
  { "compiler-gcc",
    0,
    0,
    { "error: unknown argument", "error: unsupported option", NULL },
    "error: (?:unknown argument|unsupported option):? '(?<name>-[^']+)'" },
  { "no-compiler", 0, DKMS_RULE_SAW_127, NOT_FOUND_MARKS, NOT_FOUND (COMPILERS) },
  { "pahole",
    0,
    0,
    { "pahole: ", NULL },
    "pahole: (?:not found|command not found|unrecognized option|invalid option|No such file)" },
  { "btf",
    0,
    0,
    { "load BTF from", "resolve_btfids", "FAILED elf_", NULL },
    "FAILED:? (?:load BTF from|elf_|unresolved symbol)|resolve_btfids: (?:not found|No such)" },
  { "tool", 0, DKMS_RULE_SAW_127, NOT_FOUND_MARKS, NOT_FOUND (COMMANDS) },
  { "not-executable",
    0,
    DKMS_RULE_SAW_126 | DKMS_RULE_SAW_127,
    { ": Permission denied", NULL },
    "(?<name>[^\\s:']+)'?: Permission denied$" },
  { "ccache", 0, 0, { "ccache: error: ", NULL }, NULL },
  { "symvers",
    DKMS_RULE_CONTEXT,
    DKMS_RULE_SAW_UNDEFINED,
    { "Module.symvers is missing", "Symbol version dump ", NULL },
    "Module\\.symvers\"? is missing|Symbol version dump \\S*Module\\.symvers" },
  { "other-kernel",
    DKMS_RULE_CONTEXT | DKMS_RULE_OTHER_KERNEL | DKMS_RULE_LINE,
    0,
    { "-C /lib/modules/", "-C /usr/lib/modules/", "irectory '/lib/modules/", "irectory '/usr/lib/modules/",
      "--directory=/lib/modules/", "*** /lib/modules/", NULL },
    "(?:-C |--directory[ =]|Entering directory '|\\*\\*\\* )\\S*/lib/modules/(?<name>[^/\\s']+)/(?:build|source)\\b" },

  /* ---- compilers ---- */
  { "user-header",
    0,
    0,
    { "atal error: ", "file not found", NULL },
    "fatal error: '?(?<name>(?:openssl/\\S+?|gelf|libelf|zlib|ncurses|curses|dwarf|libdw|elfutils/\\S+?|zstd|lzma|"
    "bits/\\S+?|stdio|stdlib|string|unistd|stdint|sys/\\S+?)(?:\\.h)?)'?(?:: No such file or directory| file not "
    "found)" },
  { "header-moved",
    0,
    0,
    { "atal error: ", NULL },
    "fatal error: '?(?<name>" KERNEL_HEADER "[^:'\\s]+)'?(?:: No such file or directory| file not found)" },
  { "import-ns",
    0,
    DKMS_RULE_SAW_IMPORT_NS,
    { "error: expected ", NULL },
    "error: expected (?:',' or ';' before '?(?<name>\\w+)|'?;'? after top level|string literal)" },
  { "api-removed",
    0,
    0,
    { "mplicit declaration of function", "call to undeclared function", NULL },
    "(?:mplicit declaration of function|call to undeclared function) '(?<name>\\w+)'" },
  { "api-arguments",
    0,
    0,
    { " arguments to function", " arguments, but takes just ", " arguments, but only ",
      " arguments provided to function-like macro" },
    "(?:too (?:many|few) arguments to function(?: call)?(?:,| '(?<name>\\w+)')|macro ['\"](?<name>\\w+)['\"] "
    "(?:requires|passed) \\d+ "
    "arguments|arguments provided to function-like macro)" },
  { "api-member",
    0,
    0,
    { "has no member named", "no member named", "may have a typo in member", "unknown field" },
    "(?:has )?no member named '(?<name>\\w+)'|unknown field '(?<name>\\w+)'|designator '(?<name>\\w+)' does not refer "
    "to any field" },
  { "api-added",
    0,
    0,
    { "error: redefinition of", "error: conflicting types for", "error: static declaration of",
      "redeclared as different", "redeclaration of" },
    "error: (?:redefinition of|conflicting types for|static declaration of|redeclaration of(?: enumerator)?) "
    "'(?:struct |union |enum )?(?<name>\\w+)'"
    "|'(?<name>\\w+)' redeclared as different" },
  { "api-type",
    0,
    0,
    { "incompatible pointer type", "incompatible type", "incompatible-pointer-types",
      "incompatible function pointer types", "makes pointer from integer", "makes integer from pointer",
      "incompatible-function-pointer-types", "invalid use of undefined type", "has incomplete type", "storage size of",
      "incomplete type", "int-conversion", "invalid operands to binary" },
    "error: .*(?:incompatible|pointer from integer|integer from pointer|undefined type|incomplete type|storage size "
    "of|int-conversion|invalid operands)" },
  { "api-name",
    0,
    0,
    { " undeclared", "use of undeclared identifier", "unknown type name", "read-only member", "has no member" },
    "error: (?:'(?<name>\\w+)' undeclared|use of undeclared identifier '(?<name>\\w+)'|unknown type name "
    "'(?<name>\\w+)'|"
    "assignment of read-only member '(?<name>\\w+)')" },
  { "compile",
    DKMS_RULE_WEAK,
    0,
    { ": error: ", ": fatal error: " },
    "^[^:\\s]+\\.[chSs](?:pp)?:\\d+(?::\\d+)?: (?:fatal )?error: (?!.*\\[-Werror)(?!.*: No such file)" },
  { "werror",
    0,
    0,
    { "[-Werror" },
    "error: (?!.*\\[-Werror=(?:return-type|implicit-int)).*\\[-Werror(?:[=,]-?W?(?<name>[\\w-]+=?\\w*))?[\\],]" },
  { "api-name",
    DKMS_RULE_WEAK,
    0,
    { "in declaration of" },
    "error: type defaults to 'int' in declaration of '(?<name>\\w+)'" },
  { "own-header",
    0,
    0,
    { "atal error: " },
    "fatal error: '?(?<name>[^:'\\s]+\\.[\\w]+)'?(?:: No such file or directory| file not found)" },
  { "gpl-only", 0, 0, { "uses GPL-only symbol" }, "uses GPL-only symbol '(?<name>\\w+)'" },
  { "namespace", 0, 0, { "but does not import it" }, "from namespace (?<name>[\\w-]+),? but does not import it" },
  { "undefined", 0, 0, { " undefined!" }, "\"?'?(?<name>\\w+)'?\"? \\[[^\\]]+\\] undefined!" },
  { "no-license", 0, 0, { "missing MODULE_LICENSE" }, NULL },
  { "duplicate-export", 0, 0, { "exported twice", "exported twice." }, "modpost: .*'(?<name>\\w+)' exported twice" },
  { "user-library", 0, 0, { "ld: cannot find -l", "cannot find -l" }, "cannot find -l(?<name>[\\w.+-]+)" },
  /* compilers, linkers, kbuild: errors without a known cause */
  { NULL,
    0,
    0,
    { ": fatal error:", ": error:", ": Error:", "^error[E", "ERROR: modpost:", "FATAL: modpost:", "^ERROR: \"",
      "undefined reference to", "multiple definition of", "ld: cannot find", "^fixdep:", "^CMake Error" },
    NULL },

  /* ---- a program that wants the network ---- */
  { "network",
    0,
    0,
    { "Could not resolve host",
      "Couldn't resolve host",
      "Could not resolve proxy",
      "unable to resolve host",
      "name resolution",
      "Temporary failure resolving",
      "Could not resolve '",
      "Name or service not known",
      "nodename nor servname",
      "No address associated with hostname",
      "etwork is unreachable",
      "No route to host",
      "nknown host",
      "no such host",
      "bad address '",
      "ailed to connect to",
      "Could not connect to",
      "Couldn't connect to",
      "EAI_AGAIN",
      "ENETUNREACH",
      "ENOTFOUND",
      "NameResolutionError",
      "Bad hostname",
      "unable to look up",
      "Failed to establish a new connection",
      "Address family not supported" },
    NULL },

  /* ---- patches ---- */
  { "patch",
    0,
    0,
    { " FAILED at ", "can't find file to patch", "patch: ****", "eversed (or previously applied) patch detected" },
    NULL },

  /* ---- make itself, whose message is often better than that of the program that it ran ---- */
  { "no-rule", 0, 0, { "No rule to make target" }, "No rule to make target '(?<name>[^']+)'.*\\.  Stop\\." },
  { "missing-separator", 0, 0, { "*** missing separator" }, NULL },
  { "makefile", 0, 0, { ".  Stop." }, "^[^:\\s]+:\\d+: \\*\\*\\* (?<name>.+?)\\.*  Stop\\." },
  { NULL, 0, 0, { ".  Stop.", "^Killed" }, NULL },

  /* ---- programs and shells ---- */
  { "configure", DKMS_RULE_NO_WARNING, 0, { "configure: error:" }, NULL },
  { "python-module", DKMS_RULE_NO_WARNING, 0, { "No module named" }, "Error: No module named '?(?<name>[\\w.]+)" },
  { "read-only", DKMS_RULE_NO_WARNING | DKMS_RULE_WEAK, 0, { "ead-only file system", "EROFS", "[Errno 30]" }, NULL },
  { "ownership",
    DKMS_RULE_NO_WARNING | DKMS_RULE_WEAK,
    0,
    { "changing ownership of", "cannot change ownership", "annot change owner", "preserve ownership",
      "chown: ", "changing group of", "preserving times" },
    NULL },
  { "kernel-addresses",
    DKMS_RULE_NO_WARNING | DKMS_RULE_WEAK,
    0,
    { "kallsyms" },
    "error|annot|ailed|no .*address|found|looked for" },
  { "privileges",
    DKMS_RULE_NO_WARNING | DKMS_RULE_WEAK,
    0,
    { "Operation not permitted", "EPERM", "[Errno 1]", "you must be root", "must be run as root", "must be superuser",
      "need to be root", "Authentication failure", ": permission denied.", "permission denied on key" },
    NULL },
  { "denied", DKMS_RULE_NO_WARNING | DKMS_RULE_WEAK, 0, { "ermission denied", "EACCES", "[Errno 13]" }, NULL },
  { "no-compiler", DKMS_RULE_NO_WARNING, 0, NOT_FOUND_MARKS, NOT_FOUND (COMPILERS) },
  { "tool", DKMS_RULE_NO_WARNING, 0, NOT_FOUND_MARKS, NOT_FOUND (COMMANDS) },
  { "missing-file",
    DKMS_RULE_NO_WARNING | DKMS_RULE_WEAK,
    0,
    { ": command not found", ": not found", "No such file", "required file not found", "ENOENT", "[Errno 2]" },
    NULL },
  { NULL,
    DKMS_RULE_NO_WARNING,
    0,
    { "cannot execute", "Exec format error", "Text file busy", "Is a directory", "Not a directory", "File exists",
      "syntax error" },
    NULL },

  /* ---- anything else that complains ---- */
  { "missing-file",
    DKMS_RULE_NO_WARNING | DKMS_RULE_WEAK,
    0,
    { "cannot open", "cannot find", "does not exist", "doesn't exist", "annot stat", "unable to open",
      "irectory nonexistent" },
    NULL },
  { NULL,
    DKMS_RULE_NO_WARNING,
    0,
    { "Error:", "error:", "ERROR", "atal:", "FATAL", "annot ", "an't ", "ouldn't ", "nable to ", "ailed", "AILED",
      "nvalid ", "nrecognized ", "not supported", "borted" },
    NULL },
  { "clock", DKMS_RULE_CONTEXT, 0, { "Clock skew detected", "has modification time" }, NULL },
};

G_STATIC_ASSERT (G_N_ELEMENTS (rules) < 128);

const DkmsCauseInfo *
dkms_cause_infos (void)
{
  return infos;
}

const DkmsCauseInfo *
dkms_cause_find (const char *id)
{
  for (const DkmsCauseInfo *info = infos; info->id != NULL; info++)
    if (strcmp (info->id, id) == 0)
      return info;
  return NULL;
}

const DkmsRule *
dkms_cause_rules (guint *count)
{
  *count = G_N_ELEMENTS (rules);
  return rules;
}

const char *
dkms_cause_class_name (DkmsCauseClass class)
{
  static const char *const names[]
      = { N_ ("environment"), N_ ("tools"), N_ ("system"), N_ ("code"), N_ ("modpost"), N_ ("recipe") };

  return names[class];
}
