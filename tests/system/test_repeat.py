"""'dkms add|build|install ./my-driver' can be repeated. A changed source is reported, and replaced with --force."""
import os
import shutil
import subprocess

import pytest
from conftest import ARCH, DKMS, K1, K2, as_nobody

CONF = ('PACKAGE_NAME=hello\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=hello\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\nAUTOINSTALL=yes\n')


class Driver:
    """A directory of a user, given as a directory or as an archive."""

    def __init__(self, path, kind):
        self.path, self.kind = path / "my-driver", kind
        self.path.mkdir()
        self.write("dkms.conf", CONF)
        self.write("hello.c", "first\n")

    def write(self, name, text):
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def word(self):
        if self.kind == "conf":
            return self.path / "dkms.conf"
        if self.kind == "archive":
            archive = self.path.parent / "my-driver.tar.gz"
            subprocess.run(["tar", "-C", self.path.parent, "-czf", archive, self.path.name], check=True)
            return archive
        return self.path


@pytest.fixture(params=["directory", "conf", "archive"])
def driver(request, tmp_path):
    return Driver(tmp_path, request.param)


@pytest.fixture
def plain(tmp_path):
    return Driver(tmp_path, "directory")


def module(root, kernel=K1):
    return (root.modules / kernel / "updates/dkms/hello.ko").read_text()


@pytest.mark.parametrize("verb", ["build", "install"])
def test_the_same_source_goes_on(root, driver, verb):
    state = {"build": "built", "install": "installed"}[verb]
    root.ok(verb, driver.word(), "-k", K1)
    for arguments, kernels in ((["-k", K1], [K1]), (["-k", K1, "-k", K2], [K1, K2]), (["-k", K1, "--force"], [K1, K2])):
        result = root.ok(verb, driver.word(), *arguments)
        assert "hello/1.0 is already registered, from the same source." in result.out and result.err == "", result
        assert root.status() == [f"hello/1.0, {k}, {ARCH}: {state}" for k in kernels]


def test_add_of_the_same_source_keeps_its_code(root, driver):
    root.ok("add", driver.word())
    before = root.snapshot()
    result = root("add", driver.word())
    assert result.rc == 3 and "hello/1.0 is already registered, from the same source" in result.err
    root.ok("add", driver.word(), "--force")
    assert root.snapshot() == before
    assert root("add", "hello/1.0").rc == root("add", "hello/1.0", "--force").rc == 3


def test_first_try_without_headers(root, driver):
    (root.modules / K1 / "build").rename(root.path / "headers")
    assert root("install", driver.word(), "-k", K1).rc == 21
    assert root.status() == ["hello/1.0: added"]
    (root.path / "headers").rename(root.modules / K1 / "build")
    root.ok("install", driver.word(), "-k", K1)
    assert root.status() == [f"hello/1.0, {K1}, {ARCH}: installed"]


def test_edit_compile_retry(root, plain):
    plain.write("hello.c", "broken\n")
    plain.write("dkms.conf", CONF + 'MAKE="grep -v broken hello.c > hello.ko"\n')
    assert root("install", plain.word(), "-k", K1).rc == 10
    plain.write("hello.c", "good\n")
    assert root("install", plain.word(), "-k", K1).rc == 3
    root.ok("install", plain.word(), "-k", K1, "--force")
    assert module(root) == "good\n"


@pytest.mark.parametrize("verb", ["add", "build", "install"])
def test_another_source_is_named(root, driver, verb):
    root.ok("install", driver.word(), "-k", K1)
    driver.write("hello.c", "second\n")
    driver.write("new/deep.h", "x\n")
    before = root.snapshot()
    result = root(verb, driver.word(), "-k", K1)
    assert result.rc == 3 and "hello/1.0 is already registered, from other sources: hello.c, new and new/deep.h differ" in result.err, result
    assert f"Use --force to replace them by {driver.path if driver.kind == 'conf' else driver.word()}" in result.err
    assert root.snapshot() == before


def test_what_counts_as_a_difference(root, plain):
    names = [f"f{i}" for i in range(6)]
    for name in names:
        plain.write(name, "x\n")
    (plain.path / "link").symlink_to("f0")
    root.ok("add", plain.word())
    registered = root.src / "hello-1.0"

    def says():
        return root("build", plain.word(), "-k", K1).err

    (plain.path / ".git").mkdir()
    plain.write(".git/HEAD", "x\n")
    plain.write("sub/.hg/x", "x\n")
    (plain.path / "sub/.hg/x").unlink()
    shutil.rmtree(plain.path / "sub")
    assert says() == "", "files of version control systems are ignored"
    root.ok("unbuild", "hello/1.0", "-k", K1)
    os.utime(plain.path / "f0", (1, 1))
    assert says() == "", "times are ignored"
    (plain.path / "f0").chmod(0o755)
    assert "other sources: f0 differs" in says()
    (plain.path / "f0").chmod(0o644)
    (plain.path / "link").unlink()
    (plain.path / "link").symlink_to("f1")
    assert "link differs" in says()
    (plain.path / "link").unlink()
    assert "link differs" in says()
    (plain.path / "link").mkdir()
    assert "link differs" in says()
    (registered / "only-there").write_text("x\n")
    assert "link and only-there differ" in says()
    for name in names:
        plain.write(name, "y\n")
    assert "f0, f1, f2 and 5 more differ" in says()


def test_force_replaces_the_registered_source(root, driver):
    driver.write("gone.c", "gone\n")
    root.ok("install", driver.word(), "-k", K1, "-k", K2)
    (driver.path / "gone.c").unlink()
    driver.write("hello.c", "second\n")
    result = root.ok("install", driver.word(), "-k", K1, "--force")
    assert "Replaced hello/1.0" in result.out and f"Still built from the earlier source for: {K2}" in result.out, result
    assert sorted(p.name for p in (root.src / "hello-1.0").iterdir()) == ["dkms.conf", "hello.c"]
    assert module(root, K1) == "second\n" and module(root, K2) == "first\n"
    assert root.status() == [f"hello/1.0, {k}, {ARCH}: installed" for k in (K1, K2)]
    # Builds of the earlier source do not count as builds of the new one.
    result = root.ok("install", driver.word(), "-k", K2)
    assert "already installed, from an earlier source; --force replaces it" in result.out and module(root, K2) == "first\n"
    root.ok("install", driver.word(), "-k", K2, "--force")
    assert module(root, K2) == "second\n"
    assert "earlier source" not in root.ok("install", driver.word(), "-k", K2).out


@pytest.mark.parametrize("verb", ["build", "install", "autoinstall", "match"])
def test_stale_builds_are_made_anew(root, plain, verb):
    root.ok("build", plain.word(), "-k", K1)
    root.ok("install", plain.word(), "-k", K2)
    plain.write("hello.c", "second\n")
    assert f"for: {K1} {K2}" in root.ok("add", plain.word(), "--force").out
    if verb == "match":
        root.ok("match", "--templatekernel", K2, "-k", K1)
    else:
        root.ok(verb, *([] if verb == "autoinstall" else ["hello/1.0"]), "-k", K1)
    assert (root.tree / f"hello/1.0/{K1}/{ARCH}/module/hello.ko").read_text() == "second\n"
    assert module(root, K2) == "first\n"


def test_failed_build_of_a_replacement_keeps_what_is_installed(root, plain):
    root.ok("install", plain.word(), "-k", K1)
    plain.write("dkms.conf", CONF + "MAKE=false\n")
    assert root("install", plain.word(), "-k", K1, "--force").rc == 10
    assert module(root) == "first\n" and root.status() == [f"hello/1.0, {K1}, {ARCH}: installed"]
    plain.write("dkms.conf", CONF)
    root.ok("install", plain.word(), "-k", K1, "--force")


def test_invalid_source_replaces_nothing(root, plain):
    root.ok("install", plain.word(), "-k", K1)
    before = root.snapshot()
    plain.write("dkms.conf", CONF + "AUTOINSTALL=perhaps\n")
    assert root("install", plain.word(), "-k", K1, "--force").rc == 8
    assert root.snapshot() == before


def test_source_that_is_the_registered_one(root):
    """A directory in the source tree, or a link there to a checkout, is the registered source with any content."""
    plain = Driver(root.path, "directory")
    (root.src / "hello-1.0").symlink_to("../../my-driver")
    root.ok("install", plain.word(), "-k", K1)
    plain.write("hello.c", "second\n")
    assert "same source" in root.ok("install", plain.word(), "-k", K1).out
    root.ok("build", plain.word(), "-k", K1, "--force")
    root.ok("install", plain.word(), "-k", K1, "--force")
    assert module(root) == "second\n" and (root.src / "hello-1.0").is_symlink()


def test_source_mends_a_broken_version(root, driver):
    root.ok("install", driver.word(), "-k", K1)
    shutil.rmtree(root.src / "hello-1.0")
    assert root.status() == ["hello/1.0: broken"]
    assert root("install", "hello/1.0", "-k", K1).rc == 4
    root.ok("install", driver.word(), "-k", K1)
    assert root.status() == [f"hello/1.0, {K1}, {ARCH}: installed"]


def test_source_that_was_left_by_remove(root, plain):
    """As in the reference, new files replace existing ones; a message says so, and --force deletes the old directory first."""
    plain.write("old.c", "x\n")
    root.ok("add", plain.word())
    root.ok("remove", "hello/1.0", "--all")
    before = (root.src / "hello-1.0").stat().st_ino
    assert root.ok("add", plain.word()).err == "" and (root.src / "hello-1.0").stat().st_ino == before, "nothing to copy"
    root.ok("remove", "hello/1.0", "--all")
    (plain.path / "old.c").unlink()
    plain.write("hello.c", "second\n")
    result = root.ok("add", plain.word())
    assert result.err == f"Warning: {root.src}/hello-1.0 already exists: hello.c and old.c differ.\n"
    assert (root.src / "hello-1.0/hello.c").read_text() == "second\n" and (root.src / "hello-1.0/old.c").exists()
    root.ok("remove", "hello/1.0", "--all")
    root.ok("add", plain.word(), "--force")
    assert not (root.src / "hello-1.0/old.c").exists()


def packaged(root):
    """A dpkg database in which /usr/src/hello-1.0 belongs to a package."""
    (root.path / "var/lib/dpkg/info").mkdir(parents=True)
    (root.path / "var/lib/dpkg/status").write_text(
        "Package: hello-dkms\nStatus: install ok installed\nMaintainer: x <x@x>\nArchitecture: all\nVersion: 1.0\nDescription: x\n")
    (root.path / "var/lib/dpkg/info/format").write_text("1\n")
    (root.path / "var/lib/dpkg/info/hello-dkms.list").write_text("/.\n/usr\n/usr/src\n/usr/src/hello-1.0\n/usr/src/hello-1.0/dkms.conf\n/usr/src/hello-1.0/hello.c\n")
    root.source("hello", conf=CONF, files={"hello.c": "packaged\n"})


@pytest.mark.parametrize("registered", [False, True])
def test_files_of_a_package(root, plain, registered):
    packaged(root)
    root.tree.mkdir()
    if registered:
        root.ok("install", "hello/1.0", "-k", K1)
    before = root.snapshot()
    result = root("install", plain.word(), "-k", K1)
    assert result.rc == (3 if registered else 8) and root.snapshot() == before, result
    assert registered or f"{root.src}/hello-1.0 belongs to the package hello-dkms: hello.c differs" in result.err
    result = root.ok("install", plain.word(), "-k", K1, "--force")
    assert "belongs to the package hello-dkms. Its files are replaced because of --force" in result.err
    assert module(root) == "first\n"


def test_dry_run(root, plain):
    root.ok("install", plain.word(), "-k", K1)
    plain.write("hello.c", "second\n")
    before = root.snapshot()
    lines = root.ok("install", plain.word(), "-k", K1, "--force", "--dry-run").out.splitlines()
    assert [line.split()[0] for line in lines] == ["replace", "rebuild", "reinstall", "depmod"] and root.snapshot() == before


@pytest.mark.parametrize("where", ["registered", "removed"])
def test_archives_of_mktarball(root, plain, tmp_path, where):
    root.ok("build", plain.word(), "-k", K1)
    root.ok("mktarball", "hello/1.0", "-k", K1, "--archive", tmp_path / "x.tar.gz")
    if where == "removed":
        root.ok("remove", "hello/1.0", "--all")
    for _ in range(2):
        root.ok("install", tmp_path / "x.tar.gz", "-k", K1)
        assert root.status() == [f"hello/1.0, {K1}, {ARCH}: installed"]
    assert root("ldtarball", tmp_path / "x.tar.gz").rc == root("add", tmp_path / "x.tar.gz").rc == 8, "the exit codes of these do not change"
    (root.src / "hello-1.0/hello.c").write_text("edited\n")
    result = root("install", tmp_path / "x.tar.gz", "-k", K1)
    assert result.rc == 8 and "hello.c differs" in result.err
    assert (root.src / "hello-1.0/hello.c").read_text() == "edited\n"


def test_without_root_in_trees_of_ones_own(root, plain, tmp_path):
    """Without --root, with own trees."""
    (tmp_path / "own").mkdir()
    subprocess.run(["chown", "-R", "nobody", tmp_path / "own", plain.path], check=True)
    options = ["--dkmstree", tmp_path / "own/t", "--sourcetree", tmp_path / "own/s", "--installtree", root.modules, "-k", K1]
    for _ in range(2):
        result = as_nobody(root, "build", plain.word(), *options, host=True)
        assert result.rc == 0, result
    lines = subprocess.run([DKMS, "status", *map(str, options[:2])], capture_output=True, text=True, check=True).stdout
    assert lines == f"hello/1.0, {K1}, {ARCH}: built\n"
    result = as_nobody(root, "add", plain.word(), "--dkmstree", tmp_path / "own/t2", host=True)
    assert result.rc == 1 and "Cannot copy the source to /usr/src" in result.err and "--sourcetree" in result.err, result
