"""Builds that really fail in different ways, and what dkms explain prints about them."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from conftest import ARCH, K1, K2, as_nobody

HEADERS = sorted(pathlib.Path("/usr/src").glob("linux-headers-*/scripts/mod/modpost"))


def cause(result):
    """The name of the cause in an answer of dkms explain."""
    found = re.search(r"^Cause: (.*)$", result.out, re.M)
    return found[1] if found else None


def source(root, recipe="", files=None, extra="", name="foo"):
    """foo/1.0 with a makefile m.mk, whose only rule is @recipe."""
    lines = "".join(f"\t{line}\n" for line in recipe.splitlines())
    root.source(name, extra=f"MAKE='make -f m.mk'\n{extra}", files={"foo.c": "x", "m.mk": f"all:\n{lines}", **(files or {})})


def fail(root, recipe="", files=None, extra="", env=None, explain=True):
    """Runs a build that fails. Returns: the output of the build, and of dkms explain"""
    source(root, recipe, files, extra)
    result = root("build", "foo/1.0", "-k", K1, env=env)
    assert result.rc not in (0, 77), result
    return result, root("explain", "foo/1.0", "-k", K1) if explain else None


def c(text, flags=""):
    """A recipe that compiles a source file."""
    return {"recipe": f"gcc {flags} -c bad.c -o bad.o", "files": {"bad.c": text}}


STRUCT = "struct s { int a; };\n"
BREAKS = {
    "api-removed": c("int f(char *a) { strlcpy(a); return 0; }\n", "-Werror=implicit-function-declaration"),
    "api-arguments": c("int g(int); int f(void) { return g(1, 2); }\n"),
    "api-arguments macro": c("#define M(a, b) a\nint x = M(1);\n"),
    "api-member": c(STRUCT + "int f(struct s *p) { return p->gone; }\n"),
    "api-type": c("int f(int *); int g(char *p) { return f(p); }\n", "-Werror=incompatible-pointer-types"),
    "api-name": c("int f(void) { return QUEUE_FLAG_GONE; }\n"),
    "api-added": c("int f(int); void f(char *a) { }\n"),
    "header-moved": c("#include <linux/no_such_header.h>\n"),
    "own-header": c("#include \"fw_config.h\"\n"),
    "user-header": c("#include <bits/no_such_header.h>\n"),
    "werror": c("int f(void) { int x; return 0; }\n", "-Werror=unused-variable"),
    "compile": c("int f(void) { return 0 }\n"),
    "import-ns": c('#define MODULE_IMPORT_NS(ns) static const char q[] = "import_ns=" ns\nMODULE_IMPORT_NS(DMA_BUF);\n'),
    "compiler-old": c("int x;\n", "-fno-such-option-of-a-kernel"),
    "user-library": {"recipe": "gcc good.c -o good -lno-such-library", "files": {"good.c": "int main(void) { return 0; }\n"}},
    "tool": {"recipe": "no-such-tool --version"},
    "tool shell": {"recipe": "true && no-such-tool --version"},
    "no-compiler": {"recipe": "x86_64-linux-gnu-gcc-99 -c foo.c"},
    "pahole": {"recipe": "true; pahole --no-such-option"},
    "not-executable": {"recipe": "./gen.sh", "files": {"gen.sh": "exit 0\n"}},
    "no-rule": {"files": {"m.mk": "all: gone.h\n\ttrue\n"}},
    "missing-separator": {"recipe": "", "files": {"m.mk": "all:\n  true\n"}},
    "makefile": {"recipe": "", "files": {"m.mk": "$(error this driver needs Linux 7)\n"}},
    "no-headers": {"recipe": "$(MAKE) -C /lib/modules/5.5.5-gone/build"},
    "headers-config": {"recipe": "gcc -include include/generated/autoconf.h -c foo.c"},
    "headers-tools": {"recipe": "scripts/basic/fixdep x"},
    "headers-tools shell": {"recipe": "true; scripts/mod/modpost x"},
    "objtool-missing": {"recipe": "true; ./tools/objtool/objtool x"},
    "headers-arch": {"recipe": "chmod +x scripts/basic/fixdep; ./scripts/basic/fixdep",
                     "files": {"scripts/basic/fixdep": "\x7fELF\x01\x01\x01" + "\0" * 60}},
    "other-kernel": {"recipe": "@echo make -C /lib/modules/5.5.5-other/build\ngcc -c bad.c", "files": {"bad.c": "int x = Y;\n"}},
    "python-module": {"recipe": "python3 -c 'import no_such_module'"},
    "compiler-crash": {"recipe": "sh -c 'kill -SEGV $$$$'; exit 1"},
    "memory": {"recipe": "sh -c 'kill -KILL $$$$'"},
    "memory shell": {"recipe": "sh -c 'kill -KILL $$$$'; exit 137"},
    "disk-full": {"recipe": "cp foo.c /dev/full"},
    "size-limit": {"recipe": "ulimit -f 1; head -c 100000 /dev/zero > big"},
    "open-files": {"recipe": "ulimit -n 6; for i in 3 4 5 6 7; do eval \"exec $$i<foo.c\"; done; cat foo.c foo.c", "extra": ""},
    "read-only": {"recipe": "touch /usr/no-such-file"},
    "network": {"recipe": "bash -c 'exec 3<>/dev/tcp/192.0.2.1/80'"},
    "privileges": {"recipe": "mknod x c 1 3"},
    "clock": {"files": {"m.mk": "all: late\n\t@exit 1\n", "late": "", "x.sh": "#!/bin/sh\ntouch -d '+1 day' late\n"}, "extra": "PRE_BUILD=x.sh\n"},
    "missing-file": {"recipe": "cp gone there"},
    "patch": {"extra": "PATCH[0]=fix.patch\n", "files": {"patches/fix.patch": "--- a/foo.c\n+++ b/foo.c\n@@ -1 +1 @@\n-two\n+three\n"}},
    "script": {"extra": "PRE_BUILD=x.sh\n", "files": {"x.sh": "#!/bin/sh\necho odd words\nexit 5\n"}},
    "configure": {"extra": "PRE_BUILD=x.sh\n", "files": {"x.sh": "#!/bin/sh\necho 'configure: error: no acceptable C compiler'\nexit 1\n"}},
    "not-made": {"recipe": "true", "files": {"m.mk": "all:\n\ttrue\n"}},
    "undefined": {"recipe": f"gcc -c good.c -o good.o\n{HEADERS[0] if HEADERS else 'modpost'} -o Module.symvers good.o",
                  "files": {"good.c": '__attribute__((section(".modinfo"))) char l[] = "license=GPL"; int g(void); int f(void) { return g(); }\n'}},
    "no-license": {"recipe": f"gcc -c good.c -o good.o\n{HEADERS[0] if HEADERS else 'modpost'} -o Module.symvers good.o",
                   "files": {"good.c": "int f(void) { return 0; }\n"}},
}

@pytest.mark.parametrize("name", BREAKS)
def test_causes(root, name):
    built, explained = fail(root, **BREAKS[name])
    expected = name.split()[0]
    assert cause(explained) == expected and explained.rc == 0, explained
    assert "\nWhat to do: " in explained.out and "{" not in explained.out, explained
    assert f"Explanation: dkms explain foo/1.0 -k {K1}" in built.err, built
    # A cause is described without any module.
    page = root.ok("explain", expected)
    assert page.out.startswith(f"{expected} (") and "What to do: " in page.out, page


def test_headers_that_are_not_there_say_nothing(root):
    _, explained = fail(root, **BREAKS["api-removed"])
    assert "headers of" not in explained.out and "was removed or moved" in explained.out, explained


def test_for_programs(root):
    fail(root, **BREAKS["tool"])
    found = json.loads(root.ok("explain", "--json").out)
    events = {event["event"]: event for event in found["events"]}
    sentence = events["explain-sentence"]
    assert (sentence["name"], sentence["module"], sentence["version"], sentence["kernel"]) == ("tool", "foo", "1.0", K1)
    assert events["explain-next"]["name"] == "the package of your distribution with no-such-tool"
    assert pathlib.Path(events["explain-log"]["path"]).read_text().startswith("DKMS (")


def test_unknown_cause(root):
    _, explained = fail(root, "@echo odd words; exit 1")
    assert explained.rc == 31 and cause(explained) == "unknown" and "  odd words\n" in explained.out, explained
    assert "The cause of the failed build of foo/1.0" in explained.err


@pytest.mark.parametrize("name", ["api-removed", "tool", "no-rule", "missing-file", "disk-full", "patch"])
@pytest.mark.parametrize("env", [{"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "LANGUAGE": "de:fr"},
                                 {"LC_MESSAGES": "fr_FR.UTF-8", "LC_ALL": "", "LANG": "fr_FR.UTF-8", "LANGUAGE": ""}])
def test_locales(root, name, env):
    """Tools in a build print English messages in any locale of the caller."""
    _, explained = fail(root, env=env, **BREAKS[name])
    assert cause(explained) == name, explained


def test_parallel_output(root):
    """The cause does not depend on the order of the output of make -j8."""
    bad = ["int f(char *a) { strlcpy(a); return 0; }", "int f(void) { return GONE; }", "int f(void) { return 0 }",
           "struct s { int a; }; int f(struct s *p) { return p->gone; }", "int f(void) { int x; return 0; }"]
    files = {f"b{i}.c": bad[i % len(bad)] + "\n" for i in range(10)}
    files["m.mk"] = ("all: " + " ".join(f"b{i}.o" for i in range(10)) + "\n%.o: %.c\n"
                     "\t@sleep 0.0$$(od -An -N1 -tu1 /dev/urandom | tr -d ' ')\n\tgcc -Wall -Werror -c $< -o $@\n")
    files["foo.c"] = "x"
    root.source(extra="MAKE='make -k -j8 -f m.mk'\n", files=files)
    seen = set()
    for _ in range(4):
        assert root("build", "foo/1.0", "-k", K1, "--force").rc == 10
        seen.add(cause(root("explain")))
    assert seen == {"api-removed"}


# ---- failures and harmless messages ----

def test_nothing_failed(root):
    root.source()
    assert root.ok("explain").out == "No log of a failed build exists.\n"
    root.ok("build", "foo/1.0", "-k", K1)
    text = root.ok("explain", "foo").out
    assert re.fullmatch(rf"The last build of foo/1\.0 for kernel {K1} \(20\d\d-\d\d-\d\d \d\d:\d\d\) succeeded\.\n", text), text


def test_a_later_success_counts(root):
    fail(root, "exit 1")
    (root.src / "foo-1.0/m.mk").write_text("all:\n\tcp foo.c foo.ko\n")
    root.ok("build", "foo/1.0", "-k", K1)
    assert "succeeded" in root.ok("explain", "foo").out and cause(root.ok("explain")) is None


def test_newest_and_others(root):
    source(root, "no-such-tool")
    for kernel in (K1, K2):
        assert root("build", "foo/1.0", "-k", kernel).rc == 10
    result = root.ok("explain", "foo")
    assert f"Another build that failed: dkms explain foo/1.0 -k {K1}\n" in result.out, result
    assert f"log foo/1.0 -k {K2} " in result.out
    assert "Another build" not in root.ok("explain", "foo", "-k", K1).out
    assert "Another build" not in root.ok("explain", "foo", "-k", K1, "-a", ARCH).out


def test_names(root):
    fail(root, "exit 1")
    result = root("explain", "fooo")
    assert result.rc == 3 and "Did you mean 'foo'?" in result.err, result
    result = root("explain", "paholle")
    assert result.rc == 3 and "Did you mean 'pahole'?" in result.err, result
    assert root("explain", "foo/2.0").rc == 3
    for word in ("..", "foo/../..", "-m.", "a b"):
        assert root("explain", word).rc in (1, 2, 3) and root("log", "-m", word).rc in (1, 2, 3)
    assert root("log", "bar").rc == 3


def test_a_module_named_like_a_cause(root):
    root.source("memory", extra="MAKE='false'\n")
    assert root("build", "memory/1.0", "-k", K1).rc == 10
    assert root("explain", "memory").out.startswith("No known cause"), "the module comes first"
    assert root.ok("explain", "disk-full").out.startswith("disk-full (system)\n")


def test_missing_headers(root):
    root.source()
    root.ok("add", "foo/1.0")
    root.kernel("6.9-bare", headers=False)
    result = root.ok("explain", "foo", "-k", "6.9-bare")
    assert cause(result) == "no-headers" and "Install linux-headers-6.9-bare (apt install linux-headers-6.9-bare)." in result.out, result


def test_looks_into_the_headers(root):
    """The identifier is in the headers of a kernel that the version is built for, and not in those of this kernel."""
    for release, text in (K1, "size_t strlcpy(char *, const char *, size_t);\n"), (K2, "ssize_t strscpy(char *, const char *, size_t);\n"):
        directory = root.kernel(release) / "build/include/linux"
        directory.mkdir()
        (directory / "module.h").touch()
        (directory / "string.h").write_text(text)
    root.source(extra="MAKE=./make.sh\n", files={
        "foo.c": "x", "make.sh": "#!/bin/sh\necho \"v.c:7:2: error: implicit declaration of function 'strlcpy'\"\nexit 1\n"})
    assert root("build", "foo/1.0", "-k", K2).rc == 10
    alone = root.ok("explain", "foo")
    assert f"  'strlcpy' is not in the headers of {K2}.\n" in alone.out, alone
    module = root.tree / f"foo/1.0/{K1}/{ARCH}/module/foo.ko"
    module.parent.mkdir(parents=True)
    module.write_text("x")
    result = root.ok("explain", "foo", "-k", K2)
    assert result.out.startswith(f"foo/1.0 is too old for kernel {K2}: 'strlcpy' is gone.\n"), result
    assert f"'strlcpy' is in the headers of {K1}, for which foo/1.0 is built, and not in those of {K2}." in result.out
    assert f"or keep booting {K1}." in result.out


def test_looks_into_real_headers(real):
    """The headers of Debian are in a directory that the makefile in the build directory includes."""
    real.source(extra="MAKE=./make.sh\n", files={
        "foo.c": "x", "make.sh": "#!/bin/sh\necho \"v.c:7:2: error: implicit declaration of function '$(cat word)'\"\nexit 1\n",
        "word": "no_such_word"})
    for word in "no_such_word", "strscpy":
        (real.src / "foo-1.0/word").write_text(word)
        assert real("build", "foo/1.0", "-k", real.release, "--force").rc == 10
        result = real.ok("explain", "foo")
        assert (f"  'no_such_word' is not in the headers of {real.release}.\n" in result.out) == (word == "no_such_word"), result


COMMANDS = {"debian": "apt install", "ubuntu": "apt install", "fedora": "dnf install", "opensuse": "zypper install", "arch": "pacman -S",
            "alpine": "apk add"}


def to_install(distribution, package):
    """Lines that name a package and, if both are known, the command that installs it."""
    return f"{package} ({COMMANDS[distribution]} {package})" if distribution in COMMANDS else package


@pytest.mark.parametrize("distribution,package", [
    ("debian", "pahole"), ("ubuntu", "pahole"), ("fedora", "dwarves"), ("opensuse", "dwarves"), ("arch", "pahole"),
    ("slackware", "the package of your distribution with pahole")])
def test_packages(root, distribution, package):
    root.os_release(distribution)
    assert f"What to do: Install {to_install(distribution, package)}.\n" in root.ok("explain", "pahole").out


@pytest.mark.parametrize("distribution,release,package", [
    ("debian", "6.1.0-5-amd64", "linux-headers-6.1.0-5-amd64"), ("fedora", "6.9.1-200.fc40.x86_64", "kernel-devel-6.9.1-200.fc40.x86_64"),
    ("opensuse", "6.4.0-21-rt", "kernel-rt-devel"), ("opensuse", "6.4.0", "kernel-default-devel"), ("arch", "6.9.1-arch1-1", "linux-headers"),
    ("arch", "6.6.30-1-lts", "linux-lts-headers"), ("alpine", "6.6.30-0-virt", "linux-virt-dev"), ("slackware", "6.6", "the header package of that kernel")])
def test_header_packages(root, distribution, release, package):
    root.os_release(distribution)
    root.source()
    root.ok("add", "foo/1.0")
    root.kernel(release, headers=False)
    assert f"What to do: Install {to_install(distribution, package)}.\n" in root.ok("explain", "foo", "-k", release).out
    assert f"Install {to_install(distribution, package)}, or name the directory" in root("build", "foo/1.0", "-k", release).err


def test_a_command_for_several_packages(root):
    root.os_release("debian")
    assert "Install clang, lld and llvm (apt install clang lld llvm), and add LLVM=1" in root.ok("explain", "compiler-clang").out


# ---- places where failures are reported ----

def test_autoinstall_names_the_cause(root):
    source(root, "no-such-tool")
    root.ok("add", "foo/1.0")
    result = root("autoinstall", "-k", K1)
    assert result.rc == 11, result
    assert (f"Autoinstall on {K1} failed for: foo(10)\n  The program no-such-tool is not installed.\n"
            f"  dkms explain foo/1.0 -k {K1}\n") in result.out, result


def test_the_log_says_why_the_sandbox_ended_it(root):
    root.framework("build_timeout=1\n")
    built, explained = fail(root, "sleep 30")
    log = root.log().read_text()
    assert re.search(r"^dkms-sandbox: it wrote nothing for 1 s and was killed", log, re.M), log
    assert cause(explained) == "timeout" and "printed nothing for a long time" in built.err, explained


# ---- the log ----

def test_log(root):
    fail(root, "@printf 'wide \\303\\244, red \\033[31m, bell \\007\\n'; exit 1", explain=False)
    result = root.ok("log", "foo")
    assert result.out == root.log().read_text()
    assert root.ok("log").out == result.out == root.ok("log", "foo/1.0", "-k", K1).out
    root.source("bar")
    root.ok("build", "bar/1.0", "-k", K2)
    assert "make.log for bar/1.0" in root.ok("log").out, "the newest of all"
    assert "make.log for foo/1.0" in root.ok("log", "foo").out
    result = root("log", "foo", "-k", K2)
    assert result.rc == 3 and "No log of a build of foo for that kernel exists." in result.err, result
    assert as_nobody(root, "log", "foo").out == root.ok("log", "foo").out
    (root.tree / ".dkms/logs/foo").chmod(0o700)
    for verb in ("log", "explain"):
        result = as_nobody(root, verb, "foo")
        assert result.rc == 1 and "Permission denied" in result.err, "a log that cannot be read is not missing"


def on_terminal(root, *arguments, **env):
    """Runs dkms on a terminal. Returns: the output"""
    command = " ".join([*root.command(), *arguments])
    environment = {name: value for name, value in os.environ.items() if name not in ("PAGER", "DKMS_PAGER", "SUDO_UID")}
    return subprocess.run(["script", "-qec", command, "/dev/null"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                          env={**environment, "TERM": "xterm", "LC_ALL": "C.UTF-8", **env}, timeout=60).stdout


def test_pager(root, tmp_path):
    fail(root, "@printf 'wide \\303\\244, red \\033[31m, bell \\007\\n'; exit 1", explain=False)
    seen = tmp_path / "seen"
    pager = tmp_path / "pager"
    pager.write_text(f'#!/bin/sh\necho "arguments: $*, $LESSSECURE" > {seen}\ncat >> {seen}\n')
    pager.chmod(0o755)
    on_terminal(root, "log", "foo", DKMS_PAGER=f"{pager} -x '; touch {tmp_path}/injected'", PAGER="false")
    text = seen.read_text()
    assert text.startswith(f"arguments: -x ; touch {tmp_path}/injected, 1\n") and not (tmp_path / "injected").exists(), text
    assert "wide ä, red \\x1b[31m, bell \\x07\n" in text and text.endswith("-\n")
    seen.unlink()
    on_terminal(root, "log", "foo", PAGER=str(pager))
    assert seen.exists()
    seen.unlink()
    # A user whom sudo allows to run dkms only must not be able to run another program through the pager.
    on_terminal(root, "log", "foo", PAGER=str(pager), DKMS_PAGER=str(pager), SUDO_UID="1000")
    assert not seen.exists()
    text = on_terminal(root, "log", "foo", DKMS_PAGER="cat")
    assert "red \\x1b[31m" in text and "\x1b[31m" not in text
    assert "wide" in root.ok("log", "foo", env={"DKMS_PAGER": str(pager)}).out and not seen.exists(), "not without a terminal"
