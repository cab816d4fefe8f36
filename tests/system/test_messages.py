"""Mistakes of users, as a table: each is answered by a short message on standard error that names the place and the remedy.

Each row makes a mistake in a root of its own. The message must consist of at most three lines, or of three and the lines that
the row allows, must contain the given texts, and must name no file that only dkms knows.
"""
import contextlib
import os
import pty
import re
import shlex
import shutil
import subprocess
from typing import Callable, NamedTuple

import pytest
from conftest import ARCH, DKMS, K1, K2, as_nobody, mounted

BARE = "6.5.0-bare"  # a kernel without headers
ONE = 'PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME[0]=foo\nDEST_MODULE_LOCATION[0]=/extra\n'  # lines 1 to 4
INTERNAL = re.compile(r"\.dkms-[0-9a-f]|\.dkms/work|/proc/self/fd|\.[0-9a-f]{8}\b|/build/patches|Usage:")


class Row(NamedTuple):
    name: str
    setup: Callable | None
    words: str
    rc: int
    says: list
    lines: int = 3  # of the message, at most
    hides: list = []


# ---- preparations ----

def source(**keywords):
    return lambda root: root.source(**keywords)


def conf(text):
    return lambda root: root.source(conf=ONE + text)


def both(*steps):
    def run(root):
        for step in steps:
            step(root)
    return run


def dkms(words):
    return lambda root: root.ok(*words.format(k=K1).split())


def settings(text):
    """In line 3 of a file of framework.conf.d."""
    def run(root):
        root.source()
        (root.path / "etc/dkms/framework.conf.d").mkdir()
        (root.path / "etc/dkms/framework.conf.d/x.conf").write_text(f"# mine\n\n{text}\n")
    return run


def script(directive, text="#!/bin/sh\necho the tool is missing >&2\nexit 3\n"):
    return source(extra=f"{directive}=s.sh\n", files={"foo.c": "x", "s.sh": text})


def gone(root):
    shutil.rmtree(root.src / "foo-1.0")


def without_kernels(root):
    root.source()
    shutil.rmtree(root.modules)


def bare(name):
    def run(root):
        root.os_release(name)
        root.source()
        root.kernel(BARE, headers=False)
    return run


def shell(command):
    """@command runs in the parent directory of the root, with $src and $K as in the table."""
    return lambda root: subprocess.run(command, shell=True, check=True, cwd=root.path.parent,
                                       env=dict(os.environ, src=str(root.src), tree=str(root.tree), modules=str(root.modules), K=K1))


BUILD = "build foo/1.0 -k {k}"
ADDED = both(source(), dkms("add foo/1.0"))
BUILT = both(source(), dkms(BUILD))
INSTALLED = both(source(), dkms("install foo/1.0 -k {k}"))
GONE = both(ADDED, gone)
OTHER = both(ADDED, shell("cp -r $src/foo-1.0 mine; echo y >>mine/foo.c"))
X = "{root}/etc/dkms/framework.conf.d/x.conf:3"
CONF = "{src}/foo-1.0/dkms.conf"

COMMAND_LINE = [
    Row("no verb", None, "", 2, ["No verb given", "'dkms --help'"]),
    Row("verb typo", None, "statsu", 2, ["'statsu'", "Did you mean 'status'?", "'dkms --help'"], 1),
    Row("verb typo with module", None, "instal hello/1.0", 2, ["'instal'", "'install'"], 1),
    Row("verb in capitals", None, "STATUS", 2, ["'status'"], 1),
    Row("help of a typo", None, "help statsu", 2, ["'statsu'", "'status'"], 1),
    Row("dropped verb", None, "mkdeb foo/1.0", 2, ["'mkdeb'", "dh-dkms"]),
    Row("a source alone", source(), "{src}/foo-1.0", 2, ["dkms install {src}/foo-1.0"]),
    Row("two verbs", source(), "build install foo/1.0", 4, ["build and install", "-m"]),
    Row("unknown option", None, "status --xyzzy", 2, ["--xyzzy", "'dkms status --help'"]),
    Row("option typo", None, "install foo/1.0 --forse", 2, ["--forse", "--force"]),
    Row("letter", None, "status -x", 2, ["-x", "'dkms status --help'"]),
    Row("attached value", None, "build -k6.1", 2, ["Did you mean -k 6.1?"]),
    Row("letter with equals sign", None, "build -k=6.1", 2, ["Did you mean -k 6.1?"]),
    Row("ambiguous option", None, "build --no", 2, ["--no-depmod, --no-initrd", "whole name"]),
    Row("no value", None, "build foo/1.0 -k", 2, ["The option -k needs a value", "-k <kernel>"]),
    Row("a flag with a value", None, "build foo/1.0 --force=yes", 2, ["--force=yes", "Did you mean --force?"]),
    Row("-j abc", source(), BUILD + " -j abc", 2, ["-j abc", "0 means no limit"]),
    Row("-j -1", source(), BUILD + " -j -1", 2, ["-j -1", "0 means no limit"]),
    Row("-j 1000000", source(), BUILD + " -j 1000000", 2, ["-j 1000000", "from 0 to 9999"]),
    Row("directive without value", source(), BUILD + " --directive FOO", 2, ["--directive FOO", "NAME=value"]),
    Row("directive typo", source(), BUILD + " --directive AUTOINSTAL=no", 0, ["--directive sets AUTOINSTAL", "AUTOINSTALL"]),
    Row("both kinds of archives", BUILT, "mktarball foo/1.0 --source-only --binaries-only", 8, ["--binaries-only and --source-only", "one"]),
    Row("number of arches", source(), BUILD + " -a x -a y", 1, ["2 architectures", "one -a"]),
    Row("-k and --all", BUILT, "remove foo/1.0 --all -k {k}", 2, ["-k and --all", "one of them"]),
    Row("-a and --all", BUILT, "remove foo/1.0 --all -a x", 3, ["-a and --all", "one of them"]),
    Row("--all of build", source(), "build foo/1.0 --all", 5, ["dkms build", "-k"]),
    Row("--all-kernels of remove", source(), "remove foo/1.0 --all-kernels", 2, ["dkms remove", "-k"]),
    Row("-k and --all-kernels", source(), "autoinstall --all-kernels -k {k}", 2, ["-k and --all-kernels", "one of them"]),
    Row("hook without kernel", source(), "kernel_prerm", 4, ["kernel_prerm", "-k"]),
    Row("two kernels for match", source(), "match --templatekernel {k} -k {k} -k {k2}", 4, ["dkms match", "once per kernel"]),
    Row("no template", source(), "match", 1, ["dkms match", "--templatekernel"]),
    Row("the same template", source(), "match --templatekernel {k} -k {k}", 2, ["{k}", "another kernel"]),
    Row("unknown template", INSTALLED, "match --templatekernel 5.0 -k {k}", 2, ["Kernel 5.0", "dkms status"]),
    Row("template typo", INSTALLED, "match --templatekernel {k}x -k {k2}", 2, ["{k}x", "Did you mean {k}?"]),
    Row("match of an unknown module", INSTALLED, "match --templatekernel {k} -k {k2} bar", 3, ["bar", "dkms status"]),
    Row("extra argument", ADDED, BUILD + " bar", 0, ["Ignoring the argument bar"], 1),
    Row("directory and module", source(), "build foo/1.0 {src}/foo-1.0", 1, ["Both a directory or archive and a module", "alone"]),
    Row("-m and directory", source(), "build -m foo {src}/foo-1.0", 1, ["Both a directory or archive and a module", "alone"]),
    Row("JSON style", None, "status --json=xml", 2, ['"xml"', "pretty, short or off"]),
    Row("root that is not there", None, "--root /nope status", 1, ["/nope", "--root"]),
    Row("root that is a file", None, "--root /etc/passwd status", 1, ["/etc/passwd", "--root"]),
    Row("root without a system", shell("mkdir empty"), "--root {up}/empty status", 4, ["{up}/empty/etc/os-release", "--root"]),
]

FILES = [
    Row("-c", source(), BUILD + " -c /nope.conf", 4, ["/nope.conf", "after -c"]),
    Row("-c directory", source(), BUILD + " -c /etc", 4, ["-c /etc", "dkms.conf"]),
    Row("--config", source(), BUILD + " --config /nope", 2, ["/nope", "after --config"]),
    Row("--config directory", source(), BUILD + " --config /etc", 2, ["/etc", "/boot/config-"]),
    Row("--kernelsourcedir", source(), BUILD + " --kernelsourcedir /nope", 21, ["/nope", "after --kernelsourcedir"]),
    Row("--kernelsourcedir file", source(), BUILD + " --kernelsourcedir /etc/os-release", 21, ["/etc/os-release is not a directory", "after --kernelsourcedir"]),
    Row("--kernelsourcedir without headers", source(), BUILD + " --kernelsourcedir /etc", 21, ["/etc/include", "build directory of kernel {k}"], hides=["apt"]),
    Row("--dkmstree", source(), BUILD + " --dkmstree /nope", 1, ["/nope", "after --dkmstree"]),
    Row("--dkmstree of status", source(), "status --dkmstree /nope", 0, ["/nope does not exist"]),
    Row("--sourcetree", source(), BUILD + " --sourcetree /nope", 2, ["/nope does not exist", "after --sourcetree"]),
    Row("--installtree", source(), BUILD + " --installtree /nope", 21, ["/nope does not exist", "after --installtree"]),
    Row("path", None, "add ./nope", 1, ["./nope does not exist", "spelling"]),
    Row("absolute path", None, "add /no/such", 1, ["/no/such does not exist", "spelling"]),
    Row("path that climbs", None, "build ../../../../../../../../no/evil", 1, ["no/evil does not exist", "spelling"]),
    Row("directory without dkms.conf", shell("mkdir empty"), "add {up}/empty", 1, ["{up}/empty contains no dkms.conf", "Name the directory"]),
    Row("this directory", None, "add .", 1, ["The directory . contains no dkms.conf", "Name the directory"]),
    Row("a file that is not an archive", shell("echo hello >x.txt"), "add {up}/x.txt", 3, ["{up}/x.txt", "tar"]),
    Row("source without files", shell("mkdir mine; printf 'PACKAGE_NAME=a\\nPACKAGE_VERSION=1\\n' >mine/dkms.conf"), "build {up}/mine -k {k}", 8, ["{src}/a-1 contains nothing besides dkms.conf", "Unpack"], 4),
    Row("module that is unknown", ADDED, "remove nope", 1, ["nope is not registered", "dkms status"]),
    Row("report to nowhere", ADDED, "report foo -o /nope/x", 1, ["Cannot create /nope/x", "-o"]),
    Row("tree that is a file", both(source(), shell("mkdir -p $(dirname $tree); touch $tree")), "add foo/1.0", 1, ["{tree}: Not a directory", "another path"]),
    Row("source that is a file", shell("touch $src/foo-1.0"), "add foo/1.0", 2, ["{src}/foo-1.0", "dkms add <directory>"], hides=["mean"]),
    Row("no archive", None, "ldtarball", 2, ["No archive", "dkms ldtarball ./"]),
    Row("archive that is not there", None, "ldtarball /no/such.tar", 2, ["/no/such.tar does not exist", "spelling"]),
    Row("--archive that is not there", None, "ldtarball --archive /no/such.tar", 2, ["/no/such.tar does not exist", "spelling"]),
    Row("archive that is a text", shell("echo hello >x.tar"), "ldtarball {up}/x.tar", 3, ["{up}/x.tar", "dkms mktarball"]),
    Row("archive without dkms.conf", shell("mkdir q; echo x >q/a; tar cf x.tar q"), "ldtarball {up}/x.tar", 3, ["{up}/x.tar contains no dkms.conf", "Include"]),
    Row("archive that climbs", shell("mkdir q; echo x >q/a; tar cf x.tar --transform s,q/a,../../../etc/evil, q"), "ldtarball {up}/x.tar", 3,
        ["{up}/x.tar: ../../../etc/evil: a path that leads out of the archive.\n", "Nothing from the archive was used"]),
    Row("archive of a registered module", both(ADDED, dkms("mktarball foo/1.0 --source-only --archive x.tar")), "ldtarball {tree}/foo/1.0/tarball/x.tar", 8, ["foo/1.0 is already registered", "--force"]),
    Row("archive without a build", ADDED, "mktarball foo/1.0 -k {k}", 6, ["foo/1.0 is not built for kernel {k}", "--source-only"]),
    Row("archive of all builds of none", ADDED, "mktarball foo/1.0 --all", 6, ["foo/1.0 is not built for any kernel", "--source-only"]),
    Row("archive below a file", both(ADDED, shell("touch file")), "mktarball foo/1.0 --source-only --archive {up}/file/x.tar", 9, ["{up}/file", "--archive"]),
    Row("broken package", shell("echo hello >x.rpm"), "install {up}/x.rpm", 9, ["{up}/x.rpm", "rpm"]),
]

NAMES = [
    Row("no module", None, "install -k {k}", 1, ["No module is named", "dkms install foo/1.2"]),
    Row("empty module", None, "build '' -k {k}", 1, ["No module is named", "dkms build foo/1.2"]),
    Row("add without version", source(), "add foo", 1, ["No version of foo", "foo/1.0"]),
    Row("one of two", both(source(), source(version="2.0"), dkms("add foo/1.0"), dkms("add foo/2.0")), "remove foo --all", 1, ["foo/1.0 or foo/2.0"]),
    Row("sources", both(source(), source(version="2.0")), "install foo", 1, ["foo/1.0 or foo/2.0"]),
    Row("nothing of the kind", None, "install foo", 1, ["No version of foo", "foo/1.2", "dkms status"]),
    Row("add m-v", source(), "add foo-1.0", 1, ["foo/1.0"]),
    Row("add m,v", source(), "add foo,1.0", 1, ["foo/1.0"]),
    Row("m v", ADDED, "remove foo 2.0 --all", 1, ["Write it foo/2.0."]),
    Row("typo without version", ADDED, "remove fooo --all", 1, ["fooo is not registered", "Did you mean foo/1.0?"]),
    Row("typo", ADDED, "remove fooo/1.0 --all", 3, ["fooo/1.0 is not registered", "Did you mean foo/1.0?"]),
    Row("other version", ADDED, "uninstall foo/1.1 -k {k}", 3, ["foo/1.1 is not registered", "Did you mean foo/1.0?"]),
    Row("unknown", ADDED, "unbuild nvidia/1 -k {k}", 3, ["nvidia/1 is not registered", "dkms status"], hides=["mean"]),
    Row("install typo", ADDED, "install fooo/1.0 -k {k}", 2, ["{src}/fooo-1.0 does not exist", "Did you mean foo/1.0?"], 4),
    Row("add typo", source(), "add fooo/1.0", 2, ["{src}/fooo-1.0 does not exist", "Did you mean foo-1.0?", "dkms add <directory>"], 4),
    Row("add without source", None, "add foo/1.0", 2, ["{src}/foo-1.0 does not exist", "dkms add <directory>"]),
    Row("added twice", ADDED, "add foo/1.0", 3, ["foo/1.0 is already registered", "Remove it first"]),
    Row("other source", OTHER, "add {up}/mine", 3, ["foo/1.0 is already registered, from other sources: foo.c differs", "--force"]),
    Row("install of other source", OTHER, "install {up}/mine -k {k}", 3, ["foo.c differs", "--force to replace them by {up}/mine"]),
    Row("blank", None, "build -m 'a b' -v 1 -k {k}", 2, ['"a b"', "without slashes, blanks"]),
    Row("dash", None, "build -m -x -v 1 -k {k}", 2, ['"-x"', "'-'"]),
    Row("slash in version", None, "build -m foo -v 1/2 -k {k}", 2, ['"1/2"', "without slashes"]),
    Row("reserved version", None, "build foo/original_module -k {k}", 2, ['"original_module"', "PACKAGE_VERSION"]),
    Row("broken: build", GONE, BUILD, 4, ["foo/1.0 is broken", "dkms remove foo/1.0 --all"]),
    Row("broken: unbuild", GONE, "unbuild foo/1.0 -k {k}", 4, ["foo/1.0 is broken", "dkms remove foo/1.0 --all"]),
    Row("broken: mktarball", GONE, "mktarball foo/1.0", 4, ["foo/1.0 is broken", "dkms remove foo/1.0 --all"]),
    Row("broken: remove", GONE, "remove foo/1.0 --all", 0, ["foo/1.0 does not exist", "scripts are not run"], 1),
    Row("broken: status", GONE, "status", 0, ["foo/1.0, /usr/src/foo-1.0, does not exist", "dkms remove foo/1.0 --all"], hides=["dangling"]),
    Row("broken: autoinstall", GONE, "autoinstall -k {k}", 0, ["foo/1.0 is broken", "Skipping it"]),
    Row("status of a typo", ADDED, "status fop", 0, ["fop is not registered", "Did you mean foo?"], 1),
    Row("status of m-v", ADDED, "status foo-1.0", 0, ["foo-1.0 is not registered", "Did you mean foo/1.0?"], 1),
    Row("no log", ADDED, "log foo", 3, ["foo", "dkms build"]),
    Row("log of an unknown module", ADDED, "log fop", 3, ["fop is not registered", "'foo"]),
    Row("report about a typo", ADDED, "report fop", 3, ["fop is not registered", "'foo'"]),
    Row("explain of an unknown cause", None, "explain nosuch", 3, ["nosuch", "dkms status"]),
]

KERNELS = [
    Row("not installed", source(), "build foo/1.0 -k 6.1.0-9-test", 21, ["6.1.0-9-test is not installed", "{modules}/6.1.0-9-test", "Did you mean {k}?", "Kernels with headers: {k}, {k2}."]),
    Row("swapped letters", source(), "build foo/1.0 -k 6.1.0-1-tset", 21, ["Did you mean {k}?"]),
    Row("unlike any", source(), "build foo/1.0 -k 2.4.18", 21, ["Kernels with headers: {k}, {k2}."], hides=["mean"]),
    Row("image", source(), "build foo/1.0 -k vmlinuz-{k}", 21, ["Did you mean {k}?"]),
    Row("package", source(), "build foo/1.0 -k linux-image-{k}", 21, ["Did you mean {k}?"]),
    Row("path of headers", source(), "build foo/1.0 -k /usr/src/linux-headers-{k}", 16, ["Did you mean {k}?", "--kernelsourcedir"]),
    Row("path of modules", source(), "build foo/1.0 -k {modules}/{k}", 16, ["Did you mean {k}?", "--kernelsourcedir"]),
    Row("empty", source(), "build foo/1.0 -k ''", 16, ["Empty kernel", "-k"]),
    Row("blank", source(), "build foo/1.0 -k 'a b'", 2, ['"a b"', "without slashes, blanks"]),
    Row("reserved", source(), "build foo/1.0 -k source", 1, ['"source"', "uname -r"]),
    Row("no kernels", without_kernels, "build foo/1.0 -k 6.1", 21, ["6.1 is not installed", "Correct -k"], hides=["none"]),
    Row("no kernels in a root", without_kernels, "build foo/1.0", 21, ["No kernel is installed in {modules}", "-k"], hides=[os.uname().release]),
    Row("--all-kernels without headers", both(without_kernels, lambda root: root.kernel(BARE, headers=False)), "autoinstall --all-kernels", 21,
        ["{modules}", f"apt install linux-headers-{BARE}"]),
    Row("no headers in a root", without_kernels, "autoinstall", 21, ["{modules}", "Install the headers"], hides=[os.uname().release]),
    Row("autoinstall for a typo", source(), "autoinstall -k {k}x", 0, ["{k}x is not installed", "Did you mean {k}?"], 1),
    Row("amd64", source(), BUILD + " -a amd64", 0, ["called x86_64" if ARCH == "x86_64" else "amd64", "-a"]),
    *(Row(f"no headers: {name}", bare(name), f"build foo/1.0 -k {BARE}", 21, [f"The headers of kernel {BARE} are missing", f"{{modules}}/{BARE}/build/include", remedy, "--kernelsourcedir"])
      for name, remedy in (("debian", f"apt install linux-headers-{BARE}"), ("ubuntu", f"apt install linux-headers-{BARE}"), ("fedora", f"dnf install kernel-devel-{BARE}"),
                           ("rhel", f"dnf install kernel-devel-{BARE}"), ("suse", "zypper install kernel-default-devel"), ("arch", "pacman -S linux-headers"),
                           ("alpine", "linux-lts-dev"), ("void", "xbps-install linux-headers"), ("gentoo", "the sources of that kernel"), ("nixos", "header package"))),
    Row("no headers for two kernels", both(bare("debian"), lambda root: root.kernel("6.6.0-bare", headers=False)), f"install foo/1.0 -k {BARE} -k 6.6.0-bare", 21,
        [f"apt install linux-headers-{BARE}", "apt install linux-headers-6.6.0-bare"], 4),
]

SETTINGS = [
    Row("parallel_jobs", settings("parallel_jobs=many"), BUILD, 2, ["parallel_jobs=many in " + X, "0 means no limit"]),
    Row("sandbox", settings("sandbox=of"), BUILD, 8, ['"of" for sandbox in ' + X, "auto, strict or off"]),
    Row("strict_symbols", settings("strict_symbols=perhaps"), BUILD, 2, ["strict_symbols=perhaps in " + X, "yes or no"]),
    Row("rebuild", settings("rebuild=perhaps"), BUILD, 2, ["rebuild=perhaps in " + X, "yes or no"]),
    Row("depmod_stubs", settings("depmod_stubs=perhaps"), BUILD, 2, ["depmod_stubs=perhaps in " + X, "auto, yes or no"]),
    Row("recipe_timeout", settings("recipe_timeout=soon"), BUILD, 2, ["recipe_timeout=soon in " + X, "from 1 to 3600"]),
    Row("tarball_limit_mib", settings("tarball_limit_mib=-1"), BUILD, 2, ["tarball_limit_mib=-1 in " + X, "number from"]),
    Row("relative tree", settings("dkms_tree=some/where"), BUILD, 2, ["dkms_tree=some/where in " + X, "begins with a slash"]),
    Row("unknown user", lambda root: (root.source(), root.framework("build_user=nobody-at-all\n")), BUILD, 8, ["build_user=nobody-at-all in /etc/dkms/framework.conf:1", "system user"]),
    Row("key typo", settings("sandbx=off"), BUILD, 0, [X + " sets sandbx", "Did you mean sandbox?"], 1),
    Row("unknown key", settings("wholly_other=1"), BUILD, 0, [X + " sets wholly_other"], 1),
    Row("sign_tool", settings("sign_tool=/x"), BUILD, 0, [X + " sets sign_tool", "Use sign_file"], 1),
    Row("post_transaction", settings("post_transaction=/no/such"), "autoinstall -k {k}", 0, ["post_transaction in " + X, "/no/such"], 1),
    Row("build_environment", settings("build_environment=/no/such"), BUILD, 0, ["build_environment in " + X, "/no/such"], 1),
    Row("syntax", settings("if then"), BUILD, 0, ["{root}/etc/dkms/framework.conf.d/x.conf: line 3: syntax error"], 2),
    Row("exit", settings("exit 0"), BUILD, 0, ["Ignoring {root}/etc/dkms/framework.conf.d/x.conf", "return"]),
    Row("install_tree", settings("install_tree=/no/such"), BUILD, 21, ["/no/such/{k} does not exist", "Correct install_tree in " + X]),
    Row("source_tree", settings("source_tree=/no/such"), BUILD, 2, ["/no/such/foo-1.0 does not exist", "Correct source_tree in " + X]),
]

RECIPES = [
    Row("PACKAGE_NAME", source(conf=ONE.split("\n", 1)[1]), "add foo/1.0", 8, [CONF + ": PACKAGE_NAME is missing", "Correct the lines above"]),
    Row("PACKAGE_VERSION", source(conf=ONE.replace("PACKAGE_VERSION", "#")), "add foo/1.0", 8, [CONF + ": PACKAGE_VERSION is missing", "/etc/dkms/foo.conf"]),
    Row("no location", source(conf=ONE.replace("DEST_", "#")), "add foo/1.0", 8, [CONF + ": DEST_MODULE_LOCATION[0] is missing", "/etc/dkms/foo.conf"]),
    Row("location typo", source(conf=ONE.replace("LOCATION", "LOCTION")), "add foo/1.0", 8, ["DEST_MODULE_LOCATION[0] is missing (line 4 sets DEST_MODULE_LOCTION)"]),
    Row("second location", conf("BUILT_MODULE_NAME[1]=bar\n"), "add foo/1.0", 8, [CONF + ": DEST_MODULE_LOCATION[1] is missing"]),
    Row("second name", conf("DEST_MODULE_LOCATION[1]=/extra\n"), "add foo/1.0", 8, [CONF + ": BUILT_MODULE_NAME[1] is missing"]),
    Row("suffix", conf("BUILT_MODULE_NAME[0]=foo.ko\n"), "add foo/1.0", 8, [CONF + ':5: BUILT_MODULE_NAME[0]="foo.ko" must not end in']),
    Row("location", conf("DEST_MODULE_LOCATION[0]=/lib\n"), "add foo/1.0", 8, [CONF + ':5: DEST_MODULE_LOCATION[0]="/lib" must start with /kernel']),
    Row("location that climbs", conf("DEST_MODULE_LOCATION[0]=/extra/../../..\n"), "add foo/1.0", 8, [CONF + ":5: ", "leads out of the kernel's module directory"]),
    Row("built location that climbs", conf("BUILT_MODULE_LOCATION[0]=../../x\n"), "add foo/1.0", 8, [CONF + ":5: ", "leads out of the build directory"]),
    Row("slash", conf("DEST_MODULE_NAME[0]=a/b\n"), "add foo/1.0", 8, [CONF + ':5: DEST_MODULE_NAME[0]="a/b" must not contain a slash']),
    Row("neither yes nor no", conf("AUTOINSTALL=maybe\n"), "add foo/1.0", 8, [CONF + ':5: AUTOINSTALL="maybe" must be yes or no']),
    Row("listed twice", conf("BUILT_MODULE_NAME[1]=foo\nDEST_MODULE_LOCATION[1]=/extra\n"), "add foo/1.0", 8, [CONF + ":5: module foo is listed twice"], 4),
    Row("in a file of the administrator", both(source(), shell("echo AUTOINSTALL=maybe >root/etc/dkms/foo.conf")), BUILD, 8, ["{root}/etc/dkms/foo.conf:1: AUTOINSTALL"]),
    Row("directive typo", conf("AUTOINSTAL=yes\n"), "add foo/1.0", 0, [CONF + ":5 sets AUTOINSTAL", "Did you mean AUTOINSTALL?"], 1),
    Row("obsolete directive", conf("MODULES_CONF[0]=x\n"), "add foo/1.0", 0, ["MODULES_CONF", CONF + ":5"], 1),
    Row("syntax", conf("if then\n"), "add foo/1.0", 0, [CONF + ": line 5: syntax error", CONF + ":5 contains a syntax error"]),
    Row("quote", conf('MAKE="make\n'), "add foo/1.0", 0, [CONF + ":5 contains a syntax error", "no effect"]),
    Row("command", conf("frobnicate\n"), "add foo/1.0", 0, [CONF + ": line 5: frobnicate: command not found"], 1),
    Row("exit", conf("exit 3\n"), "add foo/1.0", 8, [CONF + " ended its shell with status 3", "remove 'exit'"]),
    Row("exec", conf("exec true\n"), "add foo/1.0", 8, [CONF + " ended its shell", "'exec'"]),
    Row("a command that waits", both(conf("sleep 1000\n"), lambda root: root.framework("recipe_timeout=1\n")), "add foo/1.0", 8, [CONF + " took more than 1 s", "recipe_timeout"]),
    Row("binary", source(conf=b"PACKAGE_NAME=foo\0\n"), "add foo/1.0", 8, [CONF + " is not a text file", "Restore"]),
    Row("empty", source(conf=""), "add foo/1.0", 8, ["PACKAGE_NAME is missing", "PACKAGE_VERSION is missing"], 5),
    Row("no recipe", lambda root: (root.src / "foo-1.0").mkdir(), "add foo/1.0", 4, ["Cannot read " + CONF + ": No such file", "Create the file"]),
    Row("recipe that is a directory", lambda root: (root.src / "foo-1.0/dkms.conf").mkdir(parents=True), "add foo/1.0", 4, ["Cannot read " + CONF, "-c"]),
    Row("no modules", source(conf="PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\n"), BUILD, 0, [CONF + " does not list a module"], 1),
    Row("other name", source(conf=ONE.replace("=foo", "=bar", 1)), "add foo/1.0", 0, [CONF + ":1 names bar/1.0", "foo/1.0"], 1),
    Row("placeholder", conf('PACKAGE_VERSION="@VERSION@"\n'), "add {src}/foo-1.0", 0, ['"@VERSION@"', "-@VERSION@/dkms.conf:5 is a placeholder", "Use a release"]),
    Row("newer kernel", conf("BUILD_EXCLUSIVE_KERNEL_MIN=6.5\n"), BUILD, 77, ["needs 6.5 or newer (BUILD_EXCLUSIVE_KERNEL_MIN, " + CONF + ":5)"], 1),
    Row("older kernel", conf("BUILD_EXCLUSIVE_KERNEL_MAX=6.0\n"), BUILD, 77, ["needs 6.0 or older (BUILD_EXCLUSIVE_KERNEL_MAX, " + CONF + ":5)"], 1),
    Row("other kernel", conf("BUILD_EXCLUSIVE_KERNEL='^5'\n"), BUILD, 77, ['does not match "^5" (BUILD_EXCLUSIVE_KERNEL, ' + CONF + ":5)"], 1),
    Row("other architecture", conf("BUILD_EXCLUSIVE_ARCH=vax\n"), BUILD, 77, ['does not match "vax" (BUILD_EXCLUSIVE_ARCH, ' + CONF + ":5)"], 1),
    Row("option", conf("BUILD_EXCLUSIVE_CONFIG='CONFIG_MODULES CONFIG_NOSUCH'\n"), BUILD, 77, ["needs CONFIG_NOSUCH (BUILD_EXCLUSIVE_CONFIG, " + CONF + ":5)"], 1),
    Row("unwanted option", conf("BUILD_EXCLUSIVE_CONFIG=!CONFIG_MODULES\n"), BUILD, 77, ["without CONFIG_MODULES (BUILD_EXCLUSIVE_CONFIG, " + CONF + ":5)"], 1),
    Row("excluded from autoinstall", both(source(extra="BUILD_EXCLUSIVE_KERNEL_MIN=6.5\n"), dkms("add foo/1.0")), "autoinstall -k {k}", 0,
        ["needs 6.5 or newer (BUILD_EXCLUSIVE_KERNEL_MIN, " + CONF + ":7)"], 1),
]

# A failed build also names its log, and the command that explains it.
BUILDS = [
    Row("patch that is missing", conf("PATCH[0]=fix.patch\n"), BUILD, 5, [CONF + ":5 names the patch fix.patch, but {src}/foo-1.0/patches/fix.patch does not exist", "Add the patch"]),
    Row("patch that climbs", conf("PATCH[1]=../../x\n"), BUILD, 5, [CONF + ":5 names the patch ../../x", "Correct PATCH"]),
    Row("patch that fails", source(extra="PATCH[0]=bad.patch\n", files={"foo.c": "x\n", "patches/bad.patch": "--- a/foo.c\n+++ b/foo.c\n@@ -1 +1 @@\n-nope\n+y\n"}),
        BUILD, 6, ["bad.patch", "Hunk #1 FAILED at 1.", "/etc/dkms/foo/patches", "explain foo/1.0 -k {k}"], 6),
    Row("script that is missing", conf("PRE_BUILD=gone.sh\nSTRIP=no\n"), BUILD, 0, ["PRE_BUILD (" + CONF + ":5) names the script {src}/foo-1.0/gone.sh, which does not exist"], 1),
    Row("script that is not executable", script("PRE_BUILD", "exit"), BUILD, 0, ["{src}/foo-1.0/s.sh, which is not executable"], 1),
    Row("script of the installation that is missing", conf("POST_INSTALL=gone.sh\nSTRIP=no\n"), "install foo/1.0 -k {k}", 0, ["POST_INSTALL (" + CONF + ":5) names the script {src}/foo-1.0/gone.sh"], 1),
    Row("PRE_BUILD fails", script("PRE_BUILD"), BUILD, 3, ["PRE_BUILD of foo/1.0", "s.sh exited with status 3", "the tool is missing", "explain foo/1.0 -k {k}"], 7),
    Row("POST_BUILD fails", script("POST_BUILD"), BUILD, 3, ["POST_BUILD of foo/1.0", "the tool is missing", "explain foo/1.0 -k {k}"], 7),
    Row("PRE_INSTALL fails", script("PRE_INSTALL"), "install foo/1.0 -k {k}", 101, ["PRE_INSTALL of foo/1.0", "status 3", "--force"]),
    Row("POST_ADD fails", script("POST_ADD"), "add foo/1.0", 3, ["POST_ADD of foo/1.0", "status 3", "stays registered"]),
    Row("program that is missing", source(extra="MAKE=frobnicate\n"), BUILD, 10, ["frobnicate", "Install the package", "explain foo/1.0 -k {k}"], 6),
    Row("compiler", source(extra="MAKE='echo foo.c:1:2: error: nosuch undeclared; exit 2'\n"), BUILD, 10, ["First error: foo.c:1:2: error: nosuch undeclared", "explain foo/1.0 -k {k}"], 6),
    Row("compiler in German", source(extra="MAKE='echo foo.c:1:2: Fehler: nosuch; exit 2'\n"), BUILD, 10, ["foo.c:1:2: Fehler: nosuch", "explain foo/1.0 -k {k}"], 6),
    Row("modpost", source(extra="MAKE='echo FATAL: modpost: missing MODULE_LICENSE in foo.o; exit 2'\n"), BUILD, 10, ["First error: FATAL: modpost", "explain"], 6),
    Row("network", source(extra="MAKE='echo curl: Could not resolve host: example.org; exit 6'\n"), BUILD, 10, ["example.org", "no network", "sandbox=off to /etc/dkms/foo.conf"], 6),
    Row("read-only", source(extra="MAKE='touch /usr/x'\n"), BUILD, 10, ["touch: cannot touch '/usr/x'", "sandbox=off to /etc/dkms/foo.conf"], 6),
    Row("silent", source(extra="MAKE='exit 2'\n"), BUILD, 10, ["printed nothing", "explain foo/1.0 -k {k}"], 6),
    Row("module that is not made", conf("BUILT_MODULE_NAME[1]=other\nDEST_MODULE_LOCATION[1]=/extra\n"), BUILD, 7, ["other.ko was not built", "BUILT_MODULE_NAME", CONF + ":5"], 6),
    Row("dependency", source(extra="BUILD_DEPENDS[0]='one two'\n"), BUILD, 13, ["one two", "dkms install <module> -k {k}", "--force"]),
    Row("left-over directory", both(ADDED, shell("mkdir -p $tree/foo/1.0/$K/$(uname -m)")), BUILD, 3, ["foo/1.0/{k}", "dkms build --force foo/1.0 -k {k}"]),
    Row("built module that is missing", both(BUILT, shell("rm -r $tree/foo/1.0/$K/*/module/*")), "install foo/1.0 -k {k}", 6, ["foo.ko is missing", "dkms build --force foo/1.0 -k {k}"]),
]

ROWS = [(f"{group}: {row.name}", row) for group, rows in (
    ("command line", COMMAND_LINE), ("files", FILES), ("names", NAMES), ("kernels", KERNELS), ("settings", SETTINGS), ("recipes", RECIPES), ("builds", BUILDS)) for row in rows]


def judge(root, row, result, values):
    lines = [line for line in result.err.splitlines() if line]
    assert result.rc == row.rc, result
    assert "Error!" not in re.sub(r"^\{.*", "", result.out) and "Usage:" not in result.out, result
    assert (result.rc == 0) == ("Error!" not in result.err) or row.rc in (0, 77), result
    assert 0 < len(lines) <= row.lines, result
    assert not INTERNAL.search(result.err), result
    for text in row.says:
        assert text.format(**values) in result.err, (text.format(**values), result)
    for text in row.hides:
        assert text not in result.err, (text, result)


@pytest.mark.parametrize("row", [row for _, row in ROWS], ids=[name for name, _ in ROWS])
def test_a_mistake(root, row):
    if row.setup is not None:
        row.setup(root)
    values = {"k": K1, "k2": K2, "root": root.path, "src": root.src, "modules": root.modules, "tree": root.tree, "up": root.path.parent}
    words = shlex.split(row.words.format(**values))
    judge(root, row, root(*words, cwd=root.path.parent), values)


def test_the_table_is_large():
    assert len(ROWS) >= 149 and len({name for name, _ in ROWS}) == len(ROWS)


# ---- places that cannot be written to ----

@contextlib.contextmanager
def read_only(path):
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", path, path], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", path], check=True)
        yield
    finally:
        subprocess.run(["umount", path], check=True)


@pytest.mark.parametrize("setup, words, place, says", [
    (shell("cp -r $src mine"), "add mine/foo-1.0", "usr/src", ["Cannot copy {up}/mine/foo-1.0 to {root}/usr/src/foo-1.0: Read-only file system", "--sourcetree"]),
    (None, "add foo/1.0", "var/lib/dkms", ["{root}/var/lib/dkms: Read-only file system", "--dkmstree"]),
    (dkms("add foo/1.0"), BUILD, "var/lib/dkms", ["{root}/var/lib/dkms: Read-only file system", "--dkmstree"]),
    (dkms("add foo/1.0"), "remove foo --all", "var/lib/dkms", ["{root}/var/lib/dkms: Read-only file system", "--dkmstree"]),
    (dkms(BUILD), "install foo/1.0 -k {k}", "lib/modules", ["/lib/modules/{k}/updates: Read-only file system", "--installtree"]),
    (dkms("install foo/1.0 -k {k}"), "uninstall foo/1.0 -k {k}", "lib/modules", ["/lib/modules/{k}/updates/dkms/foo.ko: Read-only file system", "--installtree"])])
def test_a_read_only_place(root, setup, words, place, says):
    root.source()
    if setup is not None:
        setup(root)
    if "mine" in words:
        shutil.rmtree(root.src / "foo-1.0")
    values = {"k": K1, "root": root.path, "up": root.path.parent}
    with read_only(root.path / place):
        result = root(*words.format(**values).split(), cwd=root.path.parent)
    judge(root, Row("", None, "", result.rc or 1, says, 2, hides=["as root"]), result, values)


@pytest.mark.parametrize("words, place, says", [
    (BUILD, "var/lib/dkms", "Cannot copy foo.c of {root}/usr/src/foo-1.0 to {root}/var/lib/dkms: No space left on device"),
    ("add {up}/mine", "usr/src", "Cannot copy foo.c of {up}/mine to {root}/usr/src/foo-1.0: No space left on device"),
    ("install foo/1.0 -k {k}", "lib/modules/{k}/updates", "/module/foo.ko to /lib/modules/{k}/updates/dkms: No space left on device")])
def test_a_full_place(root, words, place, says):
    values = {"k": K1, "root": root.path, "up": root.path.parent}
    source = root.source(files={"foo.c": "x" * 300_000})
    if "mine" in words:
        source.rename(root.path.parent / "mine")
    if "install" in words:
        root.ok("build", "foo/1.0", "-k", K1)
    with mounted(root.path / place.format(**values), "size=64k"):
        result = root(*words.format(**values).split())
    judge(root, Row("", None, "", result.rc or 1, [says, "Free some space"], 2), result, values)


@pytest.mark.parametrize("words, says", [
    ("add foo/1.0", ["/var/lib/dkms", "--dkmstree"]), ("install foo/1.0", ["dkms install needs root", "sudo"]), ("autoinstall", ["dkms autoinstall needs root", "sudo"]),
    ("kernel_prerm -k x", ["dkms kernel_prerm needs root", "sudo"]), ("match --templatekernel x -k y", ["dkms match needs root", "sudo"])])
def test_without_root(root, words, says):
    result = as_nobody(root, *words.split(), host=True)
    judge(root, Row("", None, "", 1, says, 2), result, {})


# ---- several at once ----

def test_equal_errors_are_one_block(root):
    for name in "abcdefg":
        root.source(name)
        root.register(name)
    for kernel in (BARE, "6.6.0-bare"):
        root.kernel(kernel, headers=False)
    result = root("autoinstall", "-k", BARE, "-k", "6.6.0-bare")
    assert result.rc == 11 and result.err.count("Error!") == 3, result
    assert f"could not be installed for kernels {BARE}, 6.6.0-bare.\n" in result.err and result.out.count("g(21)") == 2
    result = root("autoinstall", "-k", BARE)
    assert result.err.count("Error!") == 1 and f"apt install linux-headers-{BARE}" in result.err, result


def test_two_kernels_name_two_logs(root):
    root.source(extra="MAKE='exit 2'\n")
    result = root("build", "foo/1.0", "-k", K1, "-k", K2)
    logs = re.findall(r"The whole log: (\S+)", result.err)
    assert len(logs) == 2 and all(any(kernel in log for log in logs) for kernel in (K1, K2)) and all(map(os.path.isfile, logs)), result


def test_output_that_is_lost(root):
    with open("/dev/full", "w") as full:
        process = subprocess.run([DKMS, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert process.returncode == 1 and "standard output" in process.stderr and len(process.stderr.split("\n")) <= 4


def test_status_of_an_unknown_module(root):
    """Programs ask for modules that are not registered, and get no output; a person gets an answer."""
    root.source()
    root.ok("add", "foo/1.0")
    command = [DKMS, "--root", root.path, "status", "nvidia"]
    assert root("status", "nvidia").err == root("status", "foo/2.0").err == root("status", "n*").err == ""
    ours, theirs = pty.openpty()
    process = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, check=True, env=dict(os.environ, LC_ALL="C"))
    os.close(ours)
    os.close(theirs)
    assert process.stderr == "Warning: nvidia is not registered.\n"


ANSWERS = ["status", "explain", "log", "cache why", "doctor", "verify -k 6.1.0-1-test", "status --matrix", "report"]


@pytest.mark.parametrize("verb", ANSWERS)
def test_a_directory_is_its_module(root, verb, tmp_path):
    """Verbs that answer about modules take a directory for the module in its dkms.conf, and not for all modules."""
    for name in ("foo", "bar"):
        root.ok("add", root.source(name))
    words = [*verb.split(), *(["-o", tmp_path / "report"] if verb == "report" else [])]
    named, given = root(*words, "foo/1.0"), root(*words, root.src / "foo-1.0")
    assert (given.rc, given.out, given.err) == (named.rc, named.out, named.err) and "bar" not in given.out, given
    archive = tmp_path / "foo.tar.gz"
    archive.write_bytes(b"x")
    refused = root(*words, archive)
    assert refused.rc == 1 and "does not read archives" in refused.err and not refused.out, refused
