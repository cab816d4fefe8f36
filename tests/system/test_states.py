"""States of modules and lines of status. docs/compatibility.md lists the Q-numbers."""
import pytest
from conftest import ARCH, K1, K2

CONF = 'PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\nAUTOINSTALL=yes\n'


def test_tree_reached_through_a_link(root):
    (root.path / "real").mkdir()
    (root.path / "link").symlink_to("real")
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, "--dkmstree", "/link")
    assert root.status("--dkmstree", "/link") == root.status("--dkmstree", "/real") == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_kernel_of_any_name(root):
    root.kernel("fake")
    root.source()
    root.ok("build", "foo/1.0", "-k", "fake")
    assert root.status() == [f"foo/1.0, fake, {ARCH}: built"]
    root.ok("remove", "foo/1.0", "--all")
    assert root.status() == [] and not (root.tree / "foo").exists()


def test_link_and_source_both_gone_is_broken(root):
    root.source()
    root.ok("add", "foo/1.0")
    (root.tree / "foo/1.0/source").unlink()
    (root.src / "foo-1.0").rename(root.src / "away")
    assert root.status() == ["foo/1.0: broken"]


def test_originals_are_no_module(root):
    (root.modules / K1 / "kernel").mkdir()
    (root.modules / K1 / "kernel/foo.ko").write_text("original\n")
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed (Original modules exist)"]


@pytest.mark.parametrize("name", ["kdeb", "mybuild"])
def test_kernels_whose_names_end_like_other_directories(root, name):
    root.kernel(name)
    root.source()
    root.ok("build", "foo/1.0", "-k", name)
    root.ok("remove", "foo/1.0", "-k", K1)
    assert root.status() == [f"foo/1.0, {name}, {ARCH}: built"]


def test_compression_is_decided_per_kernel(root):
    (root.modules / K1 / "kernel").mkdir()
    (root.modules / K1 / "kernel/x.ko.zst").touch()
    (root.modules / K1 / "kernel/x.ko.gz").touch()
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, "-k", K2)
    assert (root.modules / K1 / "updates/dkms/foo.ko.zst").exists() and (root.modules / K2 / "updates/dkms/foo.ko").exists()


def test_other_compressions_of_a_module_go(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    (root.modules / K1 / "kernel").mkdir()
    (root.modules / K1 / "kernel/x.ko.xz").touch()
    root.ok("uninstall", "foo/1.0", "-k", K1)
    (root.modules / K1 / "updates/dkms").mkdir(parents=True)
    (root.modules / K1 / "updates/dkms/foo.ko.gz").write_text("stale")
    root.ok("build", "foo/1.0", "-k", K1, "--force")
    root.ok("install", "foo/1.0", "-k", K1, "--force")
    assert [p.name for p in (root.modules / K1 / "updates/dkms").iterdir()] == ["foo.ko.xz"]


def test_only_module_files_are_deleted(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    keep = root.modules / K1 / "updates/dkms/foo.ko.bak"
    keep.write_text("mine\n")
    root.ok("uninstall", "foo/1.0", "-k", K1)
    assert keep.read_text() == "mine\n"


def test_replaced_file_stays(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    installed = root.modules / K1 / "updates/dkms/foo.ko"
    installed.unlink()
    installed.write_text("somebody else's\n")
    root.ok("uninstall", "foo/1.0", "-k", K1)
    assert installed.read_text() == "somebody else's\n"


def test_failing_install_leaves_nothing(root):
    root.source(conf=CONF + "BUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION[1]=/extra\nSTRIP[1]=no\n", files={"foo.c": "f", "bar.c": "b"})
    root.ok("build", "foo/1.0", "-k", K1)
    (root.tree / f"foo/1.0/{K1}/{ARCH}/module/bar.ko").unlink()
    assert root("install", "foo/1.0", "-k", K1).rc == 6
    assert not (root.modules / K1 / "updates").exists() and not (root.tree / f"foo/kernel-{K1}-{ARCH}").exists()


def test_missing_kernel_directory(root):
    root.source()
    root.ok("build", "foo/1.0", "-k", "6.9-none", "--kernelsourcedir", f"/lib/modules/{K1}/build")
    assert root("install", "foo/1.0", "-k", "6.9-none").rc == 6


def test_all_goes_built_first_in_version_order(root):
    kernels = ["6.1.0-10-x", "6.1.0-9-x", "6.1.0-100-x", "6.1.0-1-x"]
    root.source()
    for kernel in kernels:
        root.kernel(kernel)
        root.ok("build", "foo/1.0", "-k", kernel)
    root.ok("install", "foo/1.0", "-k", "6.1.0-1-x")
    plan = root.ok("unbuild", "foo/1.0", "--all", "--dry-run").out
    assert [line.split()[2] for line in plan.splitlines() if line.startswith("unbuild")] == [
        "6.1.0-9-x", "6.1.0-10-x", "6.1.0-100-x", "6.1.0-1-x"]


def test_empty_source(root):
    root.source(files={})
    (root.src / "foo-1.0/foo.c").unlink(missing_ok=True)
    assert root("build", "foo/1.0", "-k", K1).rc == 8


def test_filters_of_status(root):
    """Shell patterns match as in the reference. Words that cannot be names match nothing."""
    for name, version in (("foo", "1.0"), ("foo", "2.0"), ("fob", "1.0"), ("bar", "1.0")):
        root.source(name, version)
        root.register(name, version)

    def listed(*arguments):
        result = root.ok("status", *arguments)
        assert result.err == ""
        return [line.split(":")[0] for line in result.out.splitlines()]

    assert listed("foo*") == ["foo/1.0", "foo/2.0"] and listed("fo?") == ["fob/1.0", "foo/1.0", "foo/2.0"]
    assert listed("fo[ab]/1*") == ["fob/1.0"] and listed("*/2.0") == ["foo/2.0"] and listed("-m", "b*", "-v", "1.?") == ["bar/1.0"]
    assert listed("-v", "2.0") == ["foo/2.0"] and listed("foo/") == listed("foo") == ["foo/1.0", "foo/2.0"]
    assert listed("foo/1.0/") == ["foo/1.0"]
    for nothing in (["foo/1.0/" + K1], [f"foo/1.0/{K1}/{ARCH}"], ["-v", "1.0 a"], ["nope"], ["foo/9"], ["-m", "../dkms"], ["-m", ".."], ["-m", "-x"],
                    ["foo", "-v", "../foo/1.0"], ["*.dkms*"]):
        assert listed(*nothing) == [], nothing


def test_several_kernels_in_status(root):
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    assert root.status("-k", K1, "-k", K2) == [f"foo/1.0, {K1}, {ARCH}: built", "foo/1.0: added"]
    assert root.status("-a", "nope") == ["foo/1.0: added"] and root.status("--all") == root.status()
