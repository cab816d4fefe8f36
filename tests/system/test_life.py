"""The main use: add, build, install, status, remove."""
import contextlib
import os
import re
import subprocess

import pytest
from conftest import ARCH, K1, K2, mounted


def test_whole_life(root):
    root.source()
    root.ok("add", "foo/1.0")
    assert root.status() == ["foo/1.0: added"]
    root.ok("build", "foo/1.0", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built"]
    assert not (root.tree / "foo/1.0/build").exists()
    root.ok("install", "foo/1.0", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    installed = root.modules / K1 / "updates/dkms/foo.ko"
    assert installed.read_text() == "foo 1.0\n"
    assert os.readlink(root.tree / f"foo/kernel-{K1}-{ARCH}") == f"1.0/{K1}/{ARCH}"
    root.ok("uninstall", "foo/1.0", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built"]
    assert not (root.modules / K1 / "updates").exists(), "empty directories go too"
    root.ok("unbuild", "foo/1.0", "-k", K1)
    assert root.status() == ["foo/1.0: added"]
    root.ok("remove", "foo/1.0", "-k", K1)
    assert root.status() == []
    assert (root.src / "foo-1.0/foo.c").exists()
    assert not (root.tree / "foo").exists()


def test_add_from_directory_and_conf_path(root, tmp_path):
    directory = root.source("bar", "2")
    outside = tmp_path / "work"
    directory.rename(outside)
    root.ok("add", outside)
    assert (root.src / "bar-2/bar.c").exists()
    assert os.readlink(root.tree / "bar/2/source") == "/usr/src/bar-2"
    root.ok("remove", "bar/2", "--all")
    root.ok("add", outside / "dkms.conf")
    assert root.status() == ["bar/2: added"]


def test_install_does_all_for_several_kernels(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, "-k", K2)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed", f"foo/1.0, {K2}, {ARCH}: installed"]
    root.ok("remove", "foo/1.0", "--all")
    assert root.status() == []


def test_remove_of_one_kernel_keeps_the_other(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, "-k", K2)
    root.ok("remove", "foo/1.0", "-k", K1)
    assert root.status() == [f"foo/1.0, {K2}, {ARCH}: installed"]


def test_done_already_is_success(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    before = root.snapshot()
    root.ok("build", "foo/1.0", "-k", K1)
    root.ok("install", "foo/1.0", "-k", K1)
    root.ok("uninstall", "foo/1.0", "-k", K2)
    assert root.snapshot() == before


def test_force(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    (root.src / "foo-1.0/foo.c").write_text("foo changed\n")
    root.ok("build", "foo/1.0", "-k", K1, "--force")
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed (Differences between built and installed modules)"]
    result = root.ok("install", "foo/1.0", "-k", K1, "--force")
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"] and "Uninstalling" not in result.out
    assert (root.modules / K1 / "updates/dkms/foo.ko").read_text() == "foo changed\n"


def test_original_is_archived_and_restored(root):
    root.source()
    original = root.modules / K1 / "kernel/drivers/misc/foo.ko"
    original.parent.mkdir(parents=True)
    original.write_text("the distribution's own\n")
    root.ok("install", "foo/1.0", "-k", K1, "--force")
    backup = root.tree / f"foo/original_module/{K1}/{ARCH}"
    assert (backup / "foo.ko").read_text() == "the distribution's own\n"
    assert (backup / "foo.ko.origin").read_text().splitlines() == [f"/lib/modules/{K1}/kernel/drivers/misc/foo.ko"]
    assert not original.exists()
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed (Original modules exist)"]
    root.ok("uninstall", "foo/1.0", "-k", K1)
    assert original.read_text() == "the distribution's own\n"
    assert not (root.tree / "foo/original_module").exists()


@pytest.mark.parametrize("place", ["kernel/drivers/misc", "updates/dkms"])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["same file system", "another file system"])
def test_original_comes_back_with_mode_and_time(root, place, elsewhere):
    root.source()
    original = root.modules / K1 / place / "foo.ko"
    original.parent.mkdir(parents=True)
    original.write_text("the distribution's own\n")
    original.chmod(0o600)
    os.utime(original, ns=(1_000_000_000_000_000_001, 1_000_000_000_000_000_002))
    before = original.stat()
    with mounted(root.tree) if elsewhere else contextlib.nullcontext():
        root.ok("install", "foo/1.0", "-k", K1, "--force")
        assert (root.tree / f"foo/original_module/{K1}/{ARCH}/foo.ko").stat().st_mtime_ns == before.st_mtime_ns
        root.ok("remove", "foo/1.0", "--all")
    after = original.stat()
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)


def test_original_in_the_place_of_the_module(root):
    root.source()
    original = root.modules / K1 / "updates/dkms/foo.ko"
    original.parent.mkdir(parents=True)
    original.write_text("here before\n")
    root.ok("install", "foo/1.0", "-k", K1, "--force")
    assert original.read_text() == "foo 1.0\n"
    root.ok("remove", "foo/1.0", "--all")
    assert original.read_text() == "here before\n"


def test_collisions_of_older_versions_are_restored(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    place = root.tree / f"foo/original_module/{K1}/{ARCH}/collisions/kernel/net"
    place.mkdir(parents=True)
    (place / "foo.ko").write_text("collided\n")
    (place / "foo.ko").chmod(0o600)
    (place / "foo.ko.origin").write_text(f"/lib/modules/{K1}/kernel/net/foo.ko\n")
    root.ok("uninstall", "foo/1.0", "-k", K1)
    back = root.modules / K1 / "kernel/net/foo.ko"
    assert back.read_text() == "collided\n" and back.stat().st_mode & 0o777 == 0o600
    assert not (root.tree / "foo/original_module").exists()


def test_archive_that_names_a_place_outside_is_left_alone(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    place = root.tree / f"foo/original_module/{K1}/{ARCH}"
    place.mkdir(parents=True)
    (place / "foo.ko").write_text("x")
    (place / "foo.ko.origin").write_text(f"/lib/modules/{K1}/../../../etc/evil\n")
    assert "stays in the archive" in root.ok("uninstall", "foo/1.0", "-k", K1).err
    assert not (root.path / "etc/evil").exists() and (place / "foo.ko").exists()


def test_upgrade_keeps_original_and_drops_old_files(root):
    conf = 'PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nSTRIP=no\n' + "".join(
        f'BUILT_MODULE_NAME[{i}]={n}\nDEST_MODULE_LOCATION[{i}]=/kernel/x\n' for i, n in enumerate(("foo", "extra")))
    root.source("foo", "1.0", conf=conf, files={"foo.c": "1", "extra.c": "1"})
    root.source("foo", "2.0")
    root.ok("install", "foo/1.0", "-k", K1)
    root.ok("install", "foo/2.0", "-k", K1, "--force")
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built", f"foo/2.0, {K1}, {ARCH}: installed"]
    assert not (root.modules / K1 / "updates/dkms/extra.ko").exists()


def test_symlink_modules(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, "--symlink-modules")
    link = root.modules / K1 / "updates/dkms/foo.ko"
    assert os.readlink(link) == f"/var/lib/dkms/foo/1.0/{K1}/{ARCH}/module/foo.ko"
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    root.ok("uninstall", "foo/1.0", "-k", K1)
    assert not link.is_symlink()


def test_status_suffixes(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    (root.modules / K1 / "updates/dkms/foo.ko").write_text("tampered\n")
    assert root.status()[0].endswith(": installed (Differences between built and installed modules)")
    root.ok("install", "foo/1.0", "-k", K1, "--force")
    assert root.status()[0].endswith(": installed")
    (root.tree / f"foo/1.0/{K1}/{ARCH}/module/foo.ko").write_text("tampered\n")
    assert root.status()[0].endswith(": installed (Differences between built and installed modules)")
    (root.tree / f"foo/1.0/{K1}/{ARCH}/module/foo.ko").unlink()
    assert root.status()[0].endswith(": installed (Built modules are missing in the kernel modules folder)")


def test_status_filters(root):
    root.source()
    root.source("bar")
    root.ok("build", "foo/1.0", "-k", K1)
    root.ok("add", "bar/1.0")
    assert root.status("-m", "foo") == [f"foo/1.0, {K1}, {ARCH}: built"]
    assert root.status("-k", K2) == ["bar/1.0: added", "foo/1.0: added"]
    assert root.status("nothing/1") == []


def test_status_without_records_reads_recipes(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    for hidden in (".record.json", ".recipe.json"):
        (root.tree / f"foo/1.0/{K1}/{ARCH}" / hidden).unlink()
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    (root.modules / K1 / "updates/dkms/foo.ko").write_text("tampered\n")
    assert root.status()[0].endswith("(Differences between built and installed modules)")
    root.ok("remove", "foo/1.0", "--all")


def test_broken(root):
    root.source()
    root.ok("add", "foo/1.0")
    (root.src / "foo-1.0").rename(root.src / "away")
    result = root.ok("status")
    assert result.out == "foo/1.0: broken\n" and "source" in result.err
    for verb in ("build", "install", "uninstall", "unbuild", "remove"):
        assert root(verb, "foo/1.0", "-k", K1).rc == 4
    (root.src / "away").rename(root.src / "foo-1.0")
    (root.tree / "foo/1.0/source").unlink()
    assert root.status() == ["foo/1.0: broken"]
    root.ok("add", "foo/1.0")
    assert root.status() == ["foo/1.0: added"]


def test_conf_file_option_and_implicit_names(root, tmp_path):
    directory = root.source(conf="PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\n")
    other = tmp_path / "other.conf"
    other.write_text((directory / "dkms.conf").read_text() + "DEST_MODULE_NAME=other\n")
    root.ok("install", "foo/1.0", "-k", K1, "-c", other)
    assert (root.modules / K1 / "updates/dkms/other.ko").exists()
    root.ok("install", "foo/1.0", "-k", K2)
    assert (root.modules / K2 / "updates/dkms/foo.ko").exists()


def test_other_trees(root):
    root.source()
    options = ["--dkmstree", "/home/tree", "--sourcetree", "/usr/src", "-k", K1]
    (root.path / "home/tree").mkdir(parents=True)
    root.ok("build", "foo/1.0", *options)
    assert root.status("--dkmstree", "/home/tree") == [f"foo/1.0, {K1}, {ARCH}: built"]
    root.modules.rename(root.path / "kernels")
    root.ok("install", "foo/1.0", *options, "--installtree=/kernels")
    assert (root.path / f"kernels/{K1}/updates/dkms/foo.ko").exists() and not root.modules.exists()


def test_directive_from_the_environment(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, env={"DKMS_DIRECTIVE_A": "DEST_MODULE_NAME=from env", "DKMS_DIRECTIVE_B": "PATH=/nowhere"})
    assert (root.modules / K1 / "updates/dkms/from env.ko").exists()


def test_dry_run_touches_nothing(root):
    root.source()
    before = root.snapshot()
    plan = root.ok("install", "foo/1.0", "-k", K1, "--dry-run").out.splitlines()
    assert plan == ["add foo/1.0", f"build foo/1.0 {K1} {ARCH}", f"install foo/1.0 {K1} {ARCH}", f"depmod {K1}"]
    assert root.snapshot() == before
    root.ok("install", "foo/1.0", "-k", K1)
    before = root.snapshot()
    assert "unregister foo/1.0" in root.ok("remove", "foo/1.0", "--all", "--dry-run").out
    root.ok("autoinstall", "-k", K2, "--dry-run")
    assert root.snapshot() == before


def test_compression_follows_the_kernel(root):
    for suffix, tool in ((".xz", ["xz", "-dc"]), (".gz", ["gzip", "-dc"]), (".zst", ["zstd", "-dcq"])):
        kernel = f"6.1.0-3{suffix.strip('.')}"
        other = root.kernel(kernel) / f"kernel/net/other.ko{suffix}"
        other.parent.mkdir(parents=True)
        other.write_bytes(b"x")
        root.source()
        root.ok("install", "foo/1.0", "-k", kernel)
        module = root.modules / kernel / f"updates/dkms/foo.ko{suffix}"
        assert subprocess.run([*tool, module], capture_output=True, check=True).stdout == b"foo 1.0\n"
        # The same bytes as the specified tool and options produce. gzip uses another deflate implementation. Newer releases of xz
        # use threads by default, and then write sizes to the header of each block.
        plain = root.path / "plain.ko"
        plain.write_text("foo 1.0\n")
        if suffix != ".gz":
            options = ["--threads=1", "--check=crc32", "--lzma2=dict=1MiB"] if suffix == ".xz" else ["-q", "-T0"]
            made = subprocess.run([tool[0], *options, "-c", plain], capture_output=True, check=True).stdout
            assert module.read_bytes() == made
        if suffix == ".xz":
            listing = subprocess.run(["xz", "--robot", "-lvv", module], capture_output=True, text=True, check=True).stdout
            assert "CRC32" in listing and "dict=1MiB" in listing


def test_old_log_kept_per_kernel_when_a_build_fails(root):
    root.source(extra='PRE_BUILD="pre.sh"\n', files={"foo.c": "x", "pre.sh": "#!/bin/sh\necho $kernelver\nexit 7\n"})
    for kernel in (K1, K2):
        assert root("build", "foo/1.0", "-k", kernel).rc == 7
        assert kernel in root.log(kernel=kernel).read_text()
    assert (root.tree / "foo/1.0/build/make.log").exists()


def test_make_log_shape(root):
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    lines = (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text().splitlines()
    assert lines[0] == f"DKMS (dkms-4.0.0~dev) make.log for foo/1.0 for kernel {K1} ({ARCH})"
    assert lines[2:4] == ["", "Building module(s)"]
    assert lines[4].startswith("# command: make -j") and f" KERNELRELEASE={K1} -C " in lines[4]
    assert lines[-4] == "" and lines[-3] == "# exit code: 0"
    assert re.fullmatch(r"# elapsed time: 00:\d\d:\d\d", lines[-2]) and lines[-1] == "-" * 64


def test_real_module_and_version_check(real):
    name = "hello"
    source = "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\nMODULE_VERSION(\"%s\");\n"
    for version in ("1.0", "2.0"):
        real.source(name, version, files={"hello.c": source % version, "Makefile": "obj-m := hello.o\n"})
    real.ok("install", "hello/2.0", "-k", real.release)
    result = real("install", "hello/1.0", "-k", real.release)
    assert result.rc == 6 and "--force" in result.err
    assert f"hello/2.0, {real.release}, {ARCH}: installed" in real.status()
    real.ok("install", "hello/1.0", "-k", real.release, "--force")
    real.ok("install", "hello/2.0", "-k", real.release)
    assert real("install", "hello/1.0", "-k", real.release).rc == 6
    real.ok("install", "hello/1.0", "-k", real.release, "--force-version-override")
    real.ok("install", "hello/2.0", "-k", real.release)
    assert f"hello/2.0, {real.release}, {ARCH}: installed" in real.status()


def test_first_error_is_printed(real):
    real.source("bad", files={"bad.c": "#include <linux/module.h>\nint f(void) { return nothing; }\n", "Makefile": "obj-m := bad.o\n"})
    result = real("install", "bad/1.0", "-k", real.release)
    assert result.rc == 10
    assert "bad.c:2" in result.err and "error:" in result.err and "make.log" in result.err
