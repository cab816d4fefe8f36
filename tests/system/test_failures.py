"""The message of a failed build: the first error, the cause, the advice, and a log that exists."""
import os
import pathlib
import re
import shutil
import tempfile

import pytest

from conftest import ARCH, K1, K2, mounted

REMEDY = "sandbox=off to /etc/dkms/foo.conf"


def fail(root, script, where="PRE_BUILD", prologue="", kernel=K1, **keywords):
    """Runs a build of foo that ends with @script."""
    extra = f"{where}=x.sh\n" if where != "MAKE" else "MAKE=./x.sh\n"
    root.source(extra=extra, files={"foo.c": "x", "x.sh": f"#!/bin/bash\n{prologue}\n{script}\n"})
    result = root("build", "foo/1.0", "-k", kernel, **keywords)
    assert result.rc != 0, result
    return result


def first_error(result):
    found = re.search(r"^First error: (.*)$", result.err, re.M)
    return found[1] if found else None


# ---- language ----

def test_builds_speak_english(root):
    """Messages are English in any locale. kbuild unsets LC_ALL, so setting LC_ALL alone is not enough."""
    env = {"LANG": "de_DE.UTF-8", "LANGUAGE": "de:fr", "LC_ALL": "de_DE.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8", "LC_NUMERIC": "de_DE.UTF-8"}
    root.source(extra="PRE_BUILD=x.sh\nPOST_INSTALL=post.sh\n",
                files={"foo.c": "x", "x.sh": "#!/bin/sh\nenv\n", "post.sh": "#!/bin/sh\nenv | grep ^LANG\n"})
    result = root("install", "foo/1.0", "-k", K1, env=env)
    assert result.rc == 0, result
    log = (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    seen = dict(line.split("=", 1) for line in log.splitlines() if re.match(r"(LC_\w+|LANG|LANGUAGE)=", line))
    assert seen == {"LANG": "C.UTF-8", "LC_MESSAGES": "C"}
    assert "LANG=de_DE.UTF-8" in result.out, "other scripts have the locale of the caller"


# ---- the first error ----

def test_only_what_ran_last_failed(root):
    root.source(extra="PRE_BUILD=x.sh\nMAKE='make gone'\n", files={"foo.c": "x", "x.sh": "#!/bin/sh\necho 'a.c:1: error: harmless'\n"})
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 10 and "No rule to make target 'gone'" in first_error(result), result


def test_patch(root):
    root.source(extra="PATCH[0]=fix.patch\n", files={"foo.c": "one\n", "patches/fix.patch": "--- a/foo.c\n+++ b/foo.c\n@@ -1 +1 @@\n-two\n+three\n"})
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 6 and first_error(result) == "foo.c: Hunk #1 FAILED at 1.", result
    assert f"Applying patch fix.patch to foo/1.0 for kernel {K1} failed: patch exited with status 1." in result.err


def test_unprepared_headers(real):
    common = sorted(pathlib.Path("/usr/src").glob("linux-headers-*-common"))[0]
    (real.modules / real.release / "build").unlink()
    (real.modules / real.release / "build").symlink_to(common)
    real.source(files={"foo.c": "x", "Makefile": "obj-m := foo.o\n"})
    config = sorted(pathlib.Path("/usr/src").glob("linux-headers-*/.config"))[0]
    (real.path / "config").write_text(config.read_text())
    result = real("build", "foo/1.0", "-k", real.release, "--config", "/config")
    if result.rc == 21:  # detected before the build
        return
    # The makefiles of older kernels check this. With newer ones the message is from make.
    assert re.search(r"^ERROR: Kernel configuration is invalid\.$|include/config/auto\.conf: No such file", first_error(result)), result


def test_colours(root):
    result = fail(root, r"printf '\033[01ma.c:1:\033[m \033[31merror: \033[mno\n' >&2; exit 1")
    assert first_error(result) == "a.c:1: error: no" and "\x1b" not in result.err


def test_end_of_the_log(root):
    """If no line is recognised, the end of the log is printed."""
    result = fail(root, "for i in 1 2 3 4 5 6 7; do echo line $i; done; exit 5")
    assert result.rc == 5
    assert "The log ends with:\n  line 3\n  line 4\n  line 5\n  line 6\n  line 7\n" in result.err


def test_silence(root):
    result = fail(root, "exit 5")
    assert result.rc == 5 and f"PRE_BUILD of foo/1.0 for kernel {K1} failed: x.sh exited with status 5.\nx.sh printed nothing.\n" in result.err


@pytest.mark.parametrize("where,code", [("PRE_BUILD", 3), ("POST_BUILD", 3), ("MAKE", 10)])
def test_exit_status_of_scripts(root, where, code):
    assert fail(root, "cp foo.c foo.ko; exit 3", where=where).rc == code


# ---- confinement ----

@pytest.mark.parametrize("message", [
    "curl: (6) Could not resolve host: git.kernel.org",
    "fatal: unable to access 'https://example.com/x.git/': Could not resolve host: example.com",
    "wget: unable to resolve host address 'git.kernel.org'",
    "E: Failed to fetch http://deb.debian.org/x  Temporary failure resolving 'deb.debian.org'",
    "ping: connect: Network is unreachable"])
@pytest.mark.parametrize("where", ["PRE_BUILD", "MAKE"])
def test_no_network(root, message, where):
    result = fail(root, f"cat <<'M' >&2\n{message}\nM\nexit 6", where=where)
    assert first_error(result) == message and "have no network access" in result.err and REMEDY in result.err, result


@pytest.mark.parametrize("command", ["wget -q https://example.com/x", "curl -sf https://example.com/x", "git clone -q https://example.com/x"])
def test_silent_downloaders(root, command):
    """These commands print nothing, or fail later because a file is missing."""
    tool = command.split()[0]
    for ending in ("exit 4", "make -f gone.mk"):
        result = fail(root, ending, prologue=f"false && {command}")
        assert f"The build runs {tool}, and builds have no network access." in result.err and REMEDY in result.err, result


def test_real_tools_without_network(root):
    for tool, command in {"curl": "curl -sS https://example.invalid/x", "wget": "wget https://example.invalid/x",
                          "git": "git clone https://example.invalid/x"}.items():
        if shutil.which(tool):
            result = fail(root, f"{command} || exit 1")
            assert "have no network access" in result.err and REMEDY in result.err, result


@pytest.fixture
def seen_outside():
    """Files of a user, of root and of everybody in directories that are hidden from builds."""
    made = []

    def make(parent, mode=0o644, owner=0, directory_mode=0o755):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="dkms-test-", dir=parent))
        made.append(directory)
        file = directory / "thing"
        file.write_text("#!/bin/sh\necho ran\n")
        file.chmod(mode)
        os.chown(file, owner, owner)
        os.chown(directory, owner, owner)
        directory.chmod(directory_mode)
        return file
    yield make
    for directory in made:
        shutil.rmtree(directory)


@pytest.mark.parametrize("parent", ["/root", "/home", "/tmp", "/var/tmp"])
@pytest.mark.parametrize("command", ["cat {0}", "{0}", "cp {0} .", "make -f {0}", "sh -c {0}", ". {0}", "gcc -E -include {0} - </dev/null"])
def test_hidden_files(root, seen_outside, parent, command):
    file = seen_outside(parent, mode=0o755)
    result = fail(root, f"{command.format(file)} || exit 1")
    assert f"{file} exists, but builds do not see it" in result.err and REMEDY in result.err, result


@pytest.mark.parametrize("parent, command", [("/root", "touch {0}/new"), ("/home", "cp foo.c {0}/new"), ("/var/tmp", "mkdir {0}/new"),
                                             ("/root", "dash -c 'echo x > {0}/new'")])
def test_files_in_hidden_directories(root, seen_outside, parent, command):
    """For example a ~/.cache that does not exist in the home directory of builds."""
    if command.startswith("dash") and not shutil.which("dash"):
        pytest.skip("dash is not installed")
    directory = seen_outside(parent).parent
    result = fail(root, f"{command.format(directory)} || exit 1")
    assert f"{directory} exists, but builds do not see it" in result.err and REMEDY in result.err, result


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_hidden_tools(root, seen_outside, shell):
    file = seen_outside("/root", mode=0o755)
    result = fail(root, f"{shell} -c thing || exit 1", env={"PATH": f"{os.environ['PATH']}:{file.parent}"})
    assert f"{file} exists, but builds do not see it" in result.err and REMEDY in result.err, result


@pytest.mark.parametrize("parent", ["/opt", "/usr/src"])
def test_private_files(root, seen_outside, parent):
    file = seen_outside(parent, mode=0o600, owner=65534, directory_mode=0o700)
    result = fail(root, f"cat {file} || exit 1")
    assert f"{file} exists, but builds can read only" in result.err and REMEDY in result.err, result


@pytest.mark.parametrize("command,word", [
    ("touch /usr/local/x", "their own directory only"), ("mkdir /usr/lib/x", "their own directory only"),
    ("cp foo.c /var/cache/x", "/var/cache exists, but builds do not see it"), ("mkdir -p /root/.cache/x", "their own directory only"), ("mknod x c 1 3", "no root privileges"),
    ("echo 'error: no address in /proc/kallsyms'; false", "kallsyms")])
def test_other_limits(root, command, word):
    result = fail(root, f"{command} || exit 1", env={"HOME": "/home/somebody"})
    assert word in result.err and REMEDY in result.err, result


@pytest.mark.parametrize("script", ["cat gone", "./foo.c", "make -f gone", "nosuchtool", "/usr/bin/nosuchtool", "cat /nosuch/file",
                                    "touch /nosuch/new", "touch /home/nosuch/new", "cp gone /root/new", "touch nosuch/new"])
def test_no_false_blame(root, script):
    """Failures that would also happen without a sandbox."""
    assert "sandbox=off" not in fail(root, f"{script} || exit 1").err


def test_no_blame_without_confinement(root):
    root.framework("sandbox=off\n")
    result = fail(root, "echo 'curl: (6) Could not resolve host: a.b' >&2; exit 6")
    assert first_error(result) and "sandbox=off" not in result.err


# ---- directories ----

@pytest.mark.parametrize("sandbox", ["auto", "off"])
@pytest.mark.parametrize("where", ["PRE_BUILD", "MAKE"])
def test_noexec(root, sandbox, where):
    root.framework(f"sandbox={sandbox}\n")
    with mounted(root.tree, "noexec,nosuid,nodev"):
        result = fail(root, "cp foo.c foo.ko", where=where)
    assert "noexec" in result.err and "dkms_tree" in result.err and "sandbox=off to" not in result.err, result


@pytest.mark.parametrize("directive,code", [("PRE_INSTALL", 101), ("POST_INSTALL", 0)])
def test_scripts_on_noexec(root, directive, code):
    with mounted(root.src, "noexec"):
        root.source(extra=f"{directive}=x.sh\n", files={"foo.c": "x", "x.sh": "#!/bin/sh\ntrue\n"})
        result = root("install", "foo/1.0", "-k", K1)
        assert result.rc == code and "x.sh cannot be run, because its file system is mounted noexec" in result.err, result


def test_version_that_make_does_not_understand(root):
    version = "#MODULE_VERSION#"
    root.source("foo", version, extra="MAKE='make gone'\n")
    result = root("build", f"foo/{version}", "-k", K1)
    assert result.rc == 10 and "placeholder" in result.err and "contains the character #" in result.err, result


# ---- the log ----

def test_each_kernel_has_its_log(root):
    root.source(extra='PRE_BUILD="x.sh $kernelver"\n', files={"foo.c": "x", "x.sh": "#!/bin/sh\necho only for $1\nexit 1\n"})
    result = root("install", "foo/1.0", "-k", K1, "-k", K2)
    logs = re.findall(r"^The whole log: (.*)$", result.err, re.M)
    assert sorted(logs) == [str(root.log(kernel=kernel)) for kernel in (K1, K2)]
    for log, kernel in zip(sorted(logs), (K1, K2)):
        assert f"only for {kernel}\n" in pathlib.Path(log).read_text()
    assert (root.tree / "foo/1.0/build/make.log").is_file(), "the path of the reference"


def test_missing_module_names_the_log(root):
    root.source(extra="MAKE=true\n")
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 7 and f"The whole log: {root.log()}\n" in result.err, result


@pytest.mark.parametrize("sandbox", ["auto", "off"])
def test_a_log_that_is_not_kept_is_not_named(root, sandbox):
    """On a full disk, every file that the message names exists."""
    root.framework(f"sandbox={sandbox}\n")
    root.source(extra="PRE_BUILD=x.sh\n", files={"foo.c": "x", "x.sh": "#!/bin/sh\nhead -c 150000 /dev/zero | tr '\\0' x\necho\ncp /dev/zero fill\nexit 1\n"})
    for size in ("400k", "600k", "1m"):
        with mounted(root.tree, f"size={size}"):
            result = root("build", "foo/1.0", "-k", K1)
            assert result.rc != 0, result
            for log in re.findall(r"^The whole log: (.*)$", result.err, re.M):
                assert "exit 1" not in log and pathlib.Path(log).read_text().startswith("DKMS ("), result
            assert "The whole log: " in result.err or "could not be kept" in result.err or "No space left" in result.err, result
