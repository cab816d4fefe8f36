"""A file that cannot be read is an error, and is not treated like a missing file.

tests/crash/point.c makes each call fail that reads a certain file or a file below it, as a broken disk does."""
import errno
import fcntl
import os

import pytest

from conftest import ARCH, K1, K2, as_nobody

INSTALLED = f"foo/1.0, {K1}, {ARCH}: installed"
OTHER = f"bar/1.0, {K1}, {ARCH}: installed"


@pytest.fixture
def two(root):
    """foo/1.0 and bar/1.0, installed for K1."""
    for name in ("foo", "bar"):
        root.source(name)
        root.ok("install", f"{name}/1.0", "-k", K1)
    return root


# ---- status ----

@pytest.mark.parametrize("part", ["", "1.0", f"1.0/{K1}", f"1.0/{K1}/{ARCH}", f"1.0/{K1}/{ARCH}/module", f"kernel-{K1}-{ARCH}", "1.0/source"])
def test_status_names_what_it_cannot_read(two, broken, part):
    path = two.tree / "foo" / part
    result = broken(path, "status")
    assert result.rc == 1 and os.strerror(errno.EIO) in result.err and str(two.tree / "foo") in result.err, result
    assert result.out.splitlines() in ([OTHER], [OTHER, INSTALLED]), result
    only = broken(path, "status", "bar/1.0")
    assert (only.rc, only.out.splitlines(), only.err) == (0, [OTHER], ""), only


def test_status_without_the_tree_fails(two, broken):
    result = broken(two.tree, "status")
    assert result.rc == 1 and str(two.tree) in result.err and result.out == "", result


def test_status_names_records_and_modules_that_it_cannot_read(two, broken):
    for path in (two.tree / f"foo/1.0/{K1}/{ARCH}/.record.json", two.modules / K1 / "updates/dkms/foo.ko"):
        result = broken(path, "status")
        assert result.rc == 1 and str(path) in result.err, result
        assert result.out.splitlines() == [OTHER, INSTALLED], result


def test_status_of_a_user_names_what_he_may_not_read(two):
    (two.tree / "foo/1.0").chmod(0o700)
    result = as_nobody(two, "status")
    assert result.rc == 1 and "Permission denied" in result.err and str(two.tree / "foo/1.0") in result.err, result
    assert result.out.splitlines() == [OTHER], result


@pytest.mark.parametrize("part", ["", "1.0", f"1.0/{K1}", f"1.0/{K1}/{ARCH}", f"1.0/{K1}/{ARCH}/module", f"1.0/{K1}/{ARCH}/.record.json",
                                  f"1.0/{K1}/{ARCH}/module/foo.ko"])
def test_status_follows_links_inside_the_root(two, part):
    """The administrator may have moved any part of the tree. The fast scan does not follow links."""
    (two.path / "elsewhere").mkdir()
    built = two.tree / f"foo/1.0/{K1}/{ARCH}/module/foo.ko"
    base = two.tree / "foo" / part
    places = {"file": two.modules / K1 / "updates/dkms/foo.ko", "updates": two.modules / K1 / "updates", "part": base}
    for name, path in places.items():
        path.rename(two.path / "elsewhere" / name)
        relative = part.endswith((ARCH, "module")) # absolute links are followed for parts that are opened
        path.symlink_to(os.path.relpath(two.path / "elsewhere" / name, path.parent) if relative else f"/elsewhere/{name}")
    if built.is_relative_to(base):
        built = two.path / "elsewhere/part" / built.relative_to(base)
    assert two.status() == [OTHER, INSTALLED]
    (two.path / "elsewhere/file").write_text("changed")
    assert two.status() == [OTHER, f"{INSTALLED} (Differences between built and installed modules)"]
    built.unlink()
    assert two.status() == [OTHER, f"{INSTALLED} (Built modules are missing in the kernel modules folder)"]


def test_records_of_a_module_that_is_left_out_belong_to_no_other(two, broken):
    """Versions that cannot be read are removed after records of their builds were read."""
    (two.tree / f"bar/1.0/{K1}/{ARCH}/module/bar.ko").write_text("changed")
    for name in ("aaa", "abc", "bbb"):
        two.source(name)
        two.ok("install", f"{name}/1.0", "-k", K1)
    result = broken(two.tree / f"abc/kernel-{K1}-{ARCH}", "status")
    assert result.rc == 1 and [line.split("/")[0] for line in result.out.splitlines()] == ["aaa", "bar", "bbb", "foo"], result
    assert [line for line in result.out.splitlines() if "Differences" in line] == [f"{OTHER} (Differences between built and installed modules)"]


# ---- changes ----

@pytest.mark.parametrize("verb", ["uninstall", "unbuild", "remove"])
@pytest.mark.parametrize("part", [f"var/lib/dkms/foo/kernel-{K1}-{ARCH}", f"var/lib/dkms/foo/1.0/{K1}", "var/lib/dkms/foo/1.0", "var/lib/dkms/foo",
                                  f"lib/modules/{K1}/updates", f"lib/modules/{K1}/updates/dkms/foo.ko", f"lib/modules/{K1}"])
def test_no_build_goes_while_its_module_stays(two, broken, verb, part):
    before = two.snapshot()
    result = broken(two.path / part, verb, "foo/1.0", *(["--all"] if verb == "remove" else ["-k", K1]))
    assert result.rc != 0 and os.strerror(errno.EIO) in result.err and str(two.path / part) in result.err, result
    assert two.snapshot() == before
    two.ok(verb, "foo/1.0", *(["--all"] if verb == "remove" else ["-k", K1]))
    assert not (two.modules / K1 / "updates/dkms/foo.ko").exists()


def test_originals_that_cannot_be_read_are_not_forgotten(root, broken):
    original = root.modules / K1 / "kernel/drivers/misc/foo.ko"
    original.parent.mkdir(parents=True)
    original.write_text("the original\n")
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, "--force")
    before = root.snapshot()
    for part in ("", f"{K1}/{ARCH}", f"{K1}/{ARCH}/foo.ko", f"{K1}/{ARCH}/foo.ko.origin"):
        result = broken(root.tree / "foo/original_module" / part, "uninstall", "foo/1.0", "-k", K1)
        assert result.rc != 0 and root.snapshot() == before, (part, result)
    root.ok("uninstall", "foo/1.0", "-k", K1)
    assert original.read_text() == "the original\n"


def test_originals_that_cannot_be_found_are_not_replaced(root, broken):
    original = root.modules / K1 / "kernel/drivers/misc/foo.ko"
    original.parent.mkdir(parents=True)
    original.write_text("the original\n")
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    before = root.snapshot()
    for path in (original, original.parent, root.modules / K1 / "kernel"):
        result = broken(path, "install", "foo/1.0", "-k", K1, "--force")
        assert result.rc != 0 and str(path) in result.err and root.snapshot() == before, result


def test_autoinstall_goes_on_without_a_module_that_it_cannot_read(root, broken):
    for name in ("foo", "bar"):
        root.source(name)
        root.register(name)
    result = broken(root.tree / "foo/1.0", "autoinstall", "-k", K1)
    assert result.rc == 11 and f"foo: Cannot read {root.tree}/foo/1.0: Input/output error" in result.err, result
    assert root.status() == [OTHER, "foo/1.0: added"]
    # With only a part of the versions, an older one would be installed.
    root.source("foo", "2.0")
    root.ok("add", "foo/2.0")
    assert broken(root.tree / "foo/2.0", "autoinstall", "-k", K1).rc == 11
    assert root.status() == [OTHER, "foo/1.0: added", "foo/2.0: added"]


def test_autoinstall_goes_on_without_a_module_whose_dependencies_it_cannot_read(two, broken):
    two.source("needs", extra="BUILD_DEPENDS=foo\nBUILD_DEPENDS_REBUILD=yes\n")
    two.ok("install", "needs/1.0", "-k", K1)
    two.source("late")
    two.ok("add", "late/1.0")
    file = two.tree / f"needs/1.0/{K1}/{ARCH}/.dep_foo"
    assert file.exists()
    result = broken(file, "autoinstall", "-k", K1)
    assert result.rc == 11 and f"needs: Cannot read {file}" in result.err and result.err.count("needs: ") == 1, result
    assert f"late/1.0, {K1}, {ARCH}: installed" in two.status()


def test_install_goes_on_without_another_module(two, broken):
    two.source("foo", "2.0")
    result = broken(two.tree / "bar/1.0", "install", "foo/2.0", "-k", K1)
    assert result.rc == 0 and "dkms does not know whether bar must be rebuilt" in result.err, result
    assert f"foo/2.0, {K1}, {ARCH}: installed" in two.status()


def test_match_needs_all_modules(two, broken):
    result = broken(two.tree / "bar/1.0", "match", "--templatekernel", K1, "-k", K2)
    assert result.rc == 1 and str(two.tree / "bar/1.0") in result.err, result
    assert K2 not in " ".join(two.status())


def test_kernel_prerm_says_what_it_could_not_take_away(two, broken):
    result = broken(two.tree / "foo", "kernel_prerm", "-k", K1)
    assert result.rc == 14 and "foo: Cannot" in result.err and "Input/output error" in result.err, result
    assert two.status() == ["bar/1.0: added", INSTALLED]


@pytest.mark.parametrize("path", ["etc/dkms/framework.conf", "etc/dkms/framework.conf.d", "etc/dkms/no-autoinstall", "etc/dkms/foo.conf"])
def test_settings_that_cannot_be_read_are_not_the_defaults(root, broken, path):
    root.source()
    root.ok("add", "foo/1.0")
    file = root.path / path
    file.mkdir() if path.endswith(".d") else file.write_text("# nothing\n")
    result = broken(file, "autoinstall", "-k", K1)
    assert result.rc != 0 and str(file) in result.err and "Input/output error" in result.err, result
    assert root.status() == ["foo/1.0: added"]


def test_scratch_of_a_living_run_is_not_swept_because_it_cannot_be_opened(root, broken):
    root.source()
    root.ok("add", "foo/1.0")
    work = root.tree / ".dkms/work/0a0b0c0d"
    work.mkdir(parents=True)
    (work / "file").write_text("x")
    lock = os.open(work, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    for number in range(1, 6):
        assert broken(work, "build", "foo/1.0", "-k", K1, "--force", number=number).rc == 0
        assert (work / "file").exists(), number
    os.close(lock)
    root.ok("build", "foo/1.0", "-k", K1, "--force")
    assert not work.exists()


# ---- scripts ----

@pytest.mark.parametrize("verb,directive,what", [("install", "POST_INSTALL", "installed"), ("uninstall", "POST_REMOVE", "uninstalled")])
def test_a_script_that_cannot_be_read_is_an_error(root, broken, verb, directive, what):
    """The change is complete, but the command must not report success without the script."""
    source = root.source(extra=f"{directive}=mark.sh\n", files={"foo.c": "x", "mark.sh": "#!/bin/sh\ntrue\n"})
    root.ok("build" if verb == "install" else "install", "foo/1.0", "-k", K1)
    result = broken(source / "mark.sh", verb, "foo/1.0", "-k", K1)
    assert result.rc == 1 and f"source/mark.sh: Input/output error. The modules are {what} nevertheless" in result.err, result
    assert root.status() == ([INSTALLED] if verb == "install" else [INSTALLED.replace("installed", "built")])
