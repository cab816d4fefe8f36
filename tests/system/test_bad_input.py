"""Bad input: the spec's exit code, a message that names file and remedy, an unchanged tree."""
import os
import shutil
import subprocess

import pytest
from conftest import ARCH, DKMS, K1, K2, mounted

ID = "PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\n"
ONE = ID + "BUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\n"


@pytest.mark.parametrize("conf, code, says", [
    (None, 4, "dkms.conf"),
    ("", 8, "PACKAGE_NAME is missing"),
    (b"\x7fELF\0\0\1", 8, "not a text file"),
    (ID + "BUILT_MODULE_NAME=foo\n", 8, "no DEST_MODULE_LOCATION"),
    (ONE + "BUILT_MODULE_NAME[1]=foo\nDEST_MODULE_LOCATION[1]=/extra\n", 8, "listed twice"),
    (ONE + "AUTOINSTALL=perhaps\n", 8, "must be yes or no"),
    (ID + "BUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/updates/../../../etc\n", 8, "leads out"),
    (ONE + "exit 0\n", 8, "ended its shell"),
    (ONE + "exec true\n", 8, "ended its shell"),
    (ONE + "while :; do sleep 1; done\n", 8, "took more than"),
], ids=["absent", "empty", "binary", "missing", "duplicate", "boolean", "dotdot", "exit", "exec", "hang"])
def test_bad_conf(root, conf, code, says):
    directory = root.source(conf=conf if conf is not None else "")
    (root.path / "etc/dkms/framework.conf").write_text("recipe_timeout=1\n")
    if conf is None:
        (directory / "dkms.conf").unlink()
    before = root.snapshot()
    result = root("add", "foo/1.0", "-k", K1)
    assert result.rc == code and says in result.err and "dkms.conf" in result.err, result
    after = root.snapshot()
    after = {k: v for k, v in after.items() if k not in ("var", "var/lib", "var/lib/dkms")}
    assert after == before


@pytest.mark.parametrize("line", ["echo noise; echo more noise >&2", "set -e; false", "unset IFS", "IFS=,",
                                  "echo() { exit 3; }; printf() { exit 3; }; eval() { exit 3; }; unset() { exit 3; }",
                                  "trap 'exit 9' EXIT", "cd /nowhere", "shopt -s nullglob", "set -u; set -f", "local x"])
def test_rude_recipes_work(root, line):
    root.source(conf=ONE + line + "\n")
    root.ok("install", "foo/1.0", "-k", K1)


def test_a_bad_recipe_harms_only_itself(root):
    root.source("bad", conf="PACKAGE_NAME=bad\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=b\nDEST_MODULE_LOCATION=/extra\nAUTOINSTALL=yes\n")
    root.source("good")
    root.ok("add", "bad/1.0")
    root.ok("add", "good/1.0")
    (root.src / "bad-1.0/dkms.conf").write_text("exit 5\n")
    result = root("autoinstall", "-k", K1)
    assert result.rc == 11 and "bad/1.0" in result.err
    assert f"good/1.0, {K1}, {ARCH}: installed" in root.status()


def test_crlf(root):
    conf = ONE + "\nif [ -n \"$kernelver\" ]; then\n  AUTOINSTALL=yes\nfi\nPRE_BUILD=pre.sh\n"
    root.source(conf=conf.replace("\n", "\r\n"), files={"foo.c": "x", "pre.sh": "#!/bin/sh\ntouch done-$kernelver.c\n"})
    root.ok("add", "foo/1.0")
    root.ok("autoinstall", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


@pytest.mark.parametrize("arguments, code", [
    (["add", "nothing/1"], 2), (["add", "foo"], 1), (["add"], 1), (["build"], 1), (["remove", "nothing/1"], 3),
    (["uninstall", "foo/9"], 3), (["--nonsense"], 2), (["status", "-k"], 2), (["add", "build"], 4), ([], 2),
    (["add", "foo/1.0", "--all"], 5), (["remove", "foo/1.0", "--all", "-k", K1], 2), (["remove", "foo/1.0", "--all", "-a", "x"], 3),
    (["build", "foo/1.0", "-k", K1, "-a", "x", "-a", "y"], 1), (["kernel_postinst", "-k", K1, "-k", K2], 4),
    (["status", "--binaries-only", "--source-only"], 8), (["build", "foo/1.0", "-k", ""], 16), (["build", "foo/1.0", "-a", ""], 16),
    (["add", "/no/such/place"], 1), (["install", "foo/1.0", "-k", "9.9.9"], 21), (["-m", "foo", "-v", "a/b", "add"], 2),
    (["add", "-m", "a b", "-v", "1"], 2), (["remove", "-m", "-x", "-v", "1"], 3), (["add", "-m", "..", "-v", "1"], 2),
    (["build", "foo/1.0", "-k", "../../etc"], 2),
])
def test_exit_codes(root, arguments, code):
    root.source()
    before = root.snapshot()
    result = root(*arguments)
    assert result.rc == code, result
    assert result.err.strip(), "an error says something"
    left = {k: v for k, v in root.snapshot().items() if not k.startswith("var")}
    assert left == {k: v for k, v in before.items() if not k.startswith("var")}


def test_missing_headers_name_the_package(root):
    root.kernel("6.5.0-bare", headers=False)
    root.source()
    result = root("build", "foo/1.0", "-k", "6.5.0-bare")
    assert result.rc == 21 and "linux-headers-6.5.0-bare" in result.err


def test_no_os_release(root):
    (root.path / "etc/os-release").unlink()
    assert root("--version").rc == 4
    (root.path / "usr/lib").mkdir(parents=True)
    (root.path / "usr/lib/os-release").write_text("ID=fedora\n")
    assert root.ok("--version").out == "dkms-4.0.0~dev\n"


@pytest.mark.parametrize("patch, code", [("gone.patch", 5), ("../../x", 5), ("bad.patch", 6)])
def test_patches_that_fail(root, patch, code):
    root.source(extra=f'PATCH[0]="{patch}"\n', files={"foo.c": "x\n", "patches/bad.patch": "--- a/foo.c\n+++ b/foo.c\n@@ -1 +1 @@\n-nope\n+y\n"})
    assert root("build", "foo/1.0", "-k", K1).rc == code
    assert root.status() == ["foo/1.0: added"]


def test_scripts_that_fail(root):
    root.source("a", extra='PRE_BUILD="s.sh 1"\n', files={"a.c": "x", "s.sh": "#!/bin/sh\nexit 42\n"})
    assert root("install", "a/1.0", "-k", K1).rc == 42
    root.source("b", extra="POST_BUILD=s.sh\n", files={"b.c": "x", "s.sh": "#!/bin/sh\nexit 43\n"})
    assert root("install", "b/1.0", "-k", K1).rc == 43
    root.source("c", extra="PRE_INSTALL=s.sh\n", files={"c.c": "x", "s.sh": "#!/bin/sh\nexit 44\n"})
    assert root("install", "c/1.0", "-k", K1).rc == 101
    root.source("d", extra="POST_ADD=s.sh\n", files={"d.c": "x", "s.sh": "#!/bin/sh\nexit 45\n"})
    assert root("add", "d/1.0").rc == 45
    assert root.status() == ["a/1.0: added", "b/1.0: added", f"c/1.0, {K1}, {ARCH}: built", "d/1.0: added"]
    root.ok("install", "c/1.0", "-k", K1, "--force")


def test_make_that_does_not_build_the_module(root):
    root.source(extra="BUILT_MODULE_NAME[1]=other\nDEST_MODULE_LOCATION[1]=/extra\n")
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 7 and "other.ko" in result.err


def test_exclusive_is_skipped(root):
    root.source(extra="BUILD_EXCLUSIVE_KERNEL_MIN=6.5\n")
    assert root("build", "foo/1.0", "-k", K1).rc == 77
    root.ok("build", "foo/1.0", "-k", K2)


def test_missing_dependency(root):
    root.source(extra='BUILD_DEPENDS[0]="one two"\n')
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 13 and "one two" in result.err
    root.ok("build", "foo/1.0", "-k", K1, "--force")


def test_left_over_build_directory(root):
    root.source()
    root.ok("add", "foo/1.0")
    (root.tree / f"foo/1.0/{K1}/{ARCH}").mkdir(parents=True)
    assert root("build", "foo/1.0", "-k", K1).rc == 3
    root.ok("build", "foo/1.0", "-k", K1, "--force")


def as_nobody(root, *arguments):
    return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", DKMS, *map(str, arguments)],
                          capture_output=True, text=True, check=False, cwd="/")


def test_without_privilege(root, tmp_path):
    if os.geteuid() != 0:
        pytest.fail("run the system tier as root: sudo make check")
    with_helpers = tmp_path / "bin"
    assert shutil.which("setpriv")
    with_helpers.mkdir()
    result = as_nobody(root, "add", "foo/1.0", "--dkmstree", root.tree, "--sourcetree", root.src)
    if result.returncode == 126 or "Permission denied" in result.stderr and "setpriv" in result.stderr:
        pytest.fail("the binary is in a place that others cannot reach")
    assert result.returncode == 1 and "--dkmstree" in result.stderr
    assert as_nobody(root, "install", "foo/1.0").returncode == 1


def test_read_only_tree(root):
    root.source()
    with mounted(root.tree, "ro"):
        result = root("add", "foo/1.0")
        assert result.rc == 1 and "/var/lib/dkms" in result.err


def test_disk_full_at_build(root):
    root.source(files={"foo.c": "x" * 300_000})
    with mounted(root.tree, "size=512k"):
        result = root("build", "foo/1.0", "-k", K1)
        assert result.rc != 0 and "No space left" in result.err
        assert root.status() == ["foo/1.0: added"]


def test_disk_full_at_install(root):
    root.source(files={"foo.c": "x" * 300_000})
    root.ok("build", "foo/1.0", "-k", K1)
    old = root.modules / K1 / "updates"
    with mounted(old, "size=64k"):
        (old / "dkms").mkdir()
        (old / "dkms/foo.ko").write_text("old\n")
        result = root("install", "foo/1.0", "-k", K1, "--force")
        assert result.rc == 6 and "No space left" in result.err
        assert [p.name for p in old.rglob("*")] == ["dkms", "foo.ko"]
        assert (old / "dkms/foo.ko").read_text() == "old\n"
        assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built"]
