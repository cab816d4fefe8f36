"""match, prune, and the verbs of kernel packages: kernel_preinst, kernel_postinst, kernel_prerm."""
import json
import os
import shutil

import pytest
from conftest import ARCH, K1, K2


def installed(root, name, kernel=K1, version="1.0", **keywords):
    root.source(name, version, **keywords)
    root.ok("install", f"{name}/{version}", "-k", kernel)


# ---- match ----

def test_match_follows_the_template(root):
    installed(root, "foo")
    installed(root, "bar", version="2.0")
    root.source("bar", "3.0")
    root.ok("add", "bar/3.0")
    root.source("built")
    root.ok("build", "built/1.0", "-k", K1)
    root.ok("match", "--templatekernel", K1, "-k", K2)
    assert root.status("-k", K2) == [f"bar/2.0, {K2}, {ARCH}: installed", "bar/3.0: added", "built/1.0: added",
                                     f"foo/1.0, {K2}, {ARCH}: installed"]
    again = root.ok("match", "--templatekernel", K1, "-k", K2)
    assert again.out.count("already installed") == 2


def test_match_of_one_module(root):
    installed(root, "foo")
    installed(root, "bar")
    root.ok("match", "foo", "--templatekernel", f"{K1}/{ARCH}", "-k", K2)
    assert root.status("-k", K2) == ["bar/1.0: added", f"foo/1.0, {K2}, {ARCH}: installed"]


def test_match_reports_broken_versions(root):
    installed(root, "foo")
    installed(root, "gone")
    (root.src / "gone-1.0").rename(root.src / "away")
    result = root.ok("match", "--templatekernel", K1, "-k", K2)
    assert "gone/1.0 is broken" in result.err and f"foo/1.0, {K2}, {ARCH}: installed" in root.status("-k", K2)


def test_match_installs_what_is_built(root):
    installed(root, "foo")
    root.ok("build", "foo/1.0", "-k", K2)
    result = root.ok("match", "--templatekernel", K1, "-k", K2)
    assert "Building" not in result.out and root.status("-k", K2)[0].endswith(": installed")


def test_match_goes_on_after_a_failure_and_returns_the_first(root):
    installed(root, "aaa", extra=f'BUILD_EXCLUSIVE_KERNEL="^{K1}"\n')
    installed(root, "bbb", extra='PRE_BUILD="pre.sh"\n', files={"bbb.c": "x", "pre.sh": f"#!/bin/sh\n[ $kernelver = {K1} ] || exit 5\n"})
    installed(root, "ccc")
    result = root("match", "--templatekernel", K1, "-k", K2)
    assert result.rc == 77, "the code of the first failure"
    assert f"ccc/1.0, {K2}, {ARCH}: installed" in root.status("-k", K2)


def test_match_refusals(root):
    installed(root, "foo")
    before = root.snapshot()
    assert root("match", "-k", K2).rc == 1
    assert root("match", "--templatekernel", K1, "-k", K1).rc == 2
    assert root("match", "nothing", "--templatekernel", K1, "-k", K2).rc == 3
    assert root("match", "--templatekernel", K1, "-k", K1, "-k", K2).rc == 4
    assert root("match", "--templatekernel", K1, "--all").rc == 5
    root.kernel("6.1.0-9-bare", headers=False)
    assert root("match", "--templatekernel", K1, "-k", "6.1.0-9-bare").rc == 21
    root.ok("match", "--templatekernel", K2, "-k", K1)
    (root.modules / "6.1.0-9-bare").rmdir()
    assert root.snapshot() == before


# ---- kernel_* ----

@pytest.mark.parametrize("verb", ["kernel_preinst", "kernel_postinst", "kernel_prerm"])
def test_exactly_one_kernel(root, verb):
    assert root(verb).rc == 4
    assert root(verb, "-k", K1, "-k", K2).rc == 4
    assert root(verb, "--all").rc == 5


def test_postinst_is_autoinstall(root):
    root.source()
    root.ok("add", "foo/1.0")
    root.ok("kernel_postinst", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    (root.path / "etc/dkms/no-autoinstall").touch()
    assert "no-autoinstall" in root.ok("kernel_postinst", "-k", K2).out
    assert root.status("-k", K2) == ["foo/1.0: added"]


def test_prerm_takes_all_away(root):
    installed(root, "foo")
    installed(root, "manual", conf='PACKAGE_NAME=manual\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=manual\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\n')
    root.source("built")
    root.ok("build", "built/1.0", "-k", K1)
    root.ok("install", "foo/1.0", "-k", K2)
    (root.path / "etc/dkms/no-autoinstall").touch()
    result = root.ok("kernel_prerm", "-k", K1)
    assert [line for line in result.err.splitlines() if line.startswith("Removing ")] == [
        f"Removing {name}/1.0 for {K1} ({ARCH})" for name in ("built", "foo", "manual")]
    assert root.status() == ["built/1.0: added", f"foo/1.0, {K2}, {ARCH}: installed", "manual/1.0: added"]
    assert not (root.modules / K1 / "updates").exists()
    again = root.ok("kernel_prerm", "-k", K1)
    assert again.out == "" and again.err == "", "the second run is silent"


def test_preinst_leaves_what_would_not_come_back(root):
    installed(root, "foo")
    installed(root, "manual", conf='PACKAGE_NAME=manual\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=manual\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\n')
    root.ok("kernel_preinst", "-k", K1)
    assert root.status() == ["foo/1.0: added", f"manual/1.0, {K1}, {ARCH}: installed"]
    root.ok("kernel_postinst", "-k", K1)
    assert root.status()[0] == f"foo/1.0, {K1}, {ARCH}: installed"


def test_prerm_needs_neither_source_nor_headers(root):
    installed(root, "foo")
    for directory in (root.src / "foo-1.0", root.modules / K1 / "build"):
        os.rename(directory, root.path / f"away-{directory.name}")
    root.ok("kernel_prerm", "-k", K1)
    assert not (root.tree / f"foo/1.0/{K1}").exists() and not (root.tree / f"foo/kernel-{K1}-{ARCH}").exists()
    assert not (root.modules / K1).exists(), "the empty directory of a removed kernel goes too"


def test_prerm_reports_what_it_could_not_take(root):
    installed(root, "bad", extra="")
    installed(root, "good")
    for name in (".record.json", ".recipe.json"):
        (root.tree / f"bad/1.0/{K1}/{ARCH}/{name}").unlink()
    (root.src / "bad-1.0/dkms.conf").write_text("PACKAGE_NAME=bad\n")
    result = root("kernel_prerm", "-k", K1)
    assert result.rc == 14 and "bad/1.0(8)" in result.err
    assert root.status("-m", "good") == ["good/1.0: added"]


def test_prerm_restores_originals_and_runs_depmod_once(root, tmp_path):
    original = root.modules / K1 / "kernel/foo.ko"
    original.parent.mkdir()
    original.write_text("original\n")
    (root.modules / K1 / "modules.dep").write_text("x\n")
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "depmod").write_text(f'#!/bin/sh\necho "$@" >> {root.path}/depmods\n')
    (fake / "depmod").chmod(0o755)
    env = {"PATH": f"{fake}:{os.environ['PATH']}"}
    for name in ("foo", "bar"):
        root.source(name)
        root.ok("install", f"{name}/1.0", "-k", K1, env=env)
    assert not original.exists()
    (root.path / "depmods").unlink()
    root.ok("kernel_prerm", "-k", K1, env=env)
    assert original.read_text() == "original\n"
    assert len((root.path / "depmods").read_text().splitlines()) == 1 and K1 in (root.path / "depmods").read_text()


def test_dry_run_of_all_of_them(root):
    installed(root, "foo")
    before = root.snapshot()
    for line, arguments in ((f"unbuild foo/1.0 {K1} {ARCH}", ["kernel_prerm", "-k", K1]), (f"clean {K1}", ["kernel_preinst", "-k", K1]),
                            (f"build foo/1.0 {K2} {ARCH}", ["kernel_postinst", "-k", K2]),
                            (f"install foo/1.0 {K2} {ARCH}", ["match", "--templatekernel", K1, "-k", K2]),
                            ("pack foo/1.0", ["mktarball", "foo/1.0", "-k", K1])):
        assert line in root.ok(*arguments, "--dry-run").out.splitlines()
    assert root.snapshot() == before


# ---- kernels that are gone ----

@pytest.fixture
def orphaned(root):
    """foo and bar are installed for K1, which is gone, and for K2; baz is built for a kernel of which only modules are left."""
    for name in ("foo", "bar"):
        root.source(name)
        root.ok("install", f"{name}/1.0", "-k", K1, "-k", K2)
    root.source("baz")
    root.kernel("6.6.0-rest")
    root.ok("install", "baz/1.0", "-k", "6.6.0-rest")
    shutil.rmtree(root.modules / "6.6.0-rest/build")
    shutil.rmtree(root.modules / K1)
    return root


def test_prune_deletes_builds_for_kernels_that_are_gone(orphaned):
    before = orphaned.snapshot()
    assert "unbuild baz/1.0 6.6.0-rest" in orphaned.ok("prune", "--dry-run").out
    assert orphaned.snapshot() == before
    result = orphaned.ok("prune")
    assert result.err == "" and f"Deleting the build of foo/1.0 for {K1} ({ARCH})" in result.out
    assert orphaned.status() == [f"bar/1.0, {K2}, {ARCH}: installed", "baz/1.0: added", f"foo/1.0, {K2}, {ARCH}: installed"]
    assert not list(orphaned.modules.rglob("baz.ko")) and not (orphaned.tree / f"foo/kernel-{K1}-{ARCH}").is_symlink()
    assert orphaned.ok("prune").out == "No build is for a kernel that is not installed.\n"


@pytest.mark.parametrize("words, left", [
    (["foo"], {"bar", "baz"}), (["foo/1.0"], {"bar", "baz"}), (["-m", "foo", "-v", "1.0"], {"bar", "baz"}), (["-k", K1], {"baz"}),
    (["-k", K2], {"foo", "bar", "baz"}), (["-k", K1, "-k", "6.6.0-rest"], set()), (["foo", "-k", "6.6.0-rest"], {"foo", "bar", "baz"}), (["-a", "vax"], {"foo", "bar", "baz"})])
def test_prune_of_some(orphaned, words, left):
    """Guards that only builds that pass all filters are deleted."""
    orphaned.ok("prune", *words)
    assert {line.split("/")[0] for line in orphaned.status() if K1 in line or "rest" in line} == left
    assert f"foo/1.0, {K2}, {ARCH}: installed" in orphaned.status()


def test_prune_refusals(orphaned):
    before = orphaned.snapshot()
    for words, rc, says in ((["nix"], 3, "nix is not registered"), (["foo/2.0"], 3, "foo/2.0 is not registered"), (["--all"], 5, "dkms prune"),
                            (["-m", "../../x"], 3, "cannot be a module name"), (["-k", "../x"], 2, "cannot be a kernel release"), (["--dkmstree", "/nope"], 3, "/nope does not exist")):
        result = orphaned("prune", *words)
        assert result.rc == rc and says in result.err and orphaned.snapshot() == before, result
    for kernel in list(orphaned.modules.iterdir()):
        shutil.rmtree(kernel)
    result = orphaned("prune")
    assert result.rc == 21 and f"No kernel is installed in {orphaned.modules}, so all builds would be deleted." in result.err
    assert f"foo/1.0, {K2}, {ARCH}: installed (Differences between built and installed modules)" in orphaned.status()
    orphaned.ok("prune", "-k", K2)
    assert f"foo/1.0, {K1}, {ARCH}" in orphaned.status()[-1]


def test_status_marks_kernels_that_are_gone(orphaned):
    """Guards that the default lines stay as they are."""
    line = f"foo/1.0, {K1}, {ARCH}: installed (Differences between built and installed modules)"
    assert line in orphaned.status() and "gone" not in orphaned.ok("status", "--json").out
    assert line + " (The kernel is not installed)" in orphaned.status("--long")
    assert f"baz/1.0, 6.6.0-rest, {ARCH}: installed (The kernel is not installed)" in orphaned.status("--long")
    assert f"foo/1.0, {K2}, {ARCH}: installed" in orphaned.status("--long")
    document = json.loads(orphaned.ok("status", "foo", "--long", "--json").out)
    assert [build.get("gone") for build in document["modules"][0]["builds"]] == [True, None]
    assert f"prune -k {K1}" in orphaned.ok("status", "foo", "--table").out


def test_prune_of_a_broken_version(orphaned):
    shutil.rmtree(orphaned.src / "foo-1.0")
    result = orphaned.ok("prune")
    assert "Its scripts are not run" in result.err and K1 not in "".join(orphaned.status())
