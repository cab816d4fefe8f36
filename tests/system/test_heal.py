"""Damage is repaired, and files that do not belong to dkms are not deleted."""
import os
import shutil
import subprocess

import pytest
from conftest import ARCH, DKMS, K1, K2, mounted, as_nobody

RECORDS = (".record.json", ".recipe.json")
INSTALLED = f"foo/1.0, {K1}, {ARCH}: installed"


def install(root, name="foo", version="1.0", kernel=K1, **keywords):
    root.source(name, version, **keywords)
    root.ok("install", f"{name}/{version}", "-k", kernel)
    return root.modules / kernel / f"updates/dkms/{name}.ko"


def build_dir(root, name="foo", version="1.0", kernel=K1):
    return root.tree / f"{name}/{version}/{kernel}/{ARCH}"


def forget_record(root, **keywords):
    """Builds of the reference have no records."""
    for name in RECORDS:
        (build_dir(root, **keywords) / name).unlink()


def index(root, tmp_path, kernel=K1, listed=("kernel/other.ko",)):
    """Creates an index of the kernel, and a depmod that lists all modules in it and counts its calls."""
    (root.modules / kernel / "modules.dep").write_text("".join(f"{path}: kernel/base.ko\n" for path in listed))
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir(exist_ok=True)
    (bin_dir / "depmod").write_text(f'#!/bin/sh\nfor k; do :; done\ncd {root.modules}/$k && find . -name "*.ko*" | '
                                    f"sed 's,^./,,; s/$/:/' >new; rm -f modules.*; mv new modules.dep; echo $k >>{root.path}/depmods\n")
    (bin_dir / "depmod").chmod(0o755)
    return {"PATH": f"{bin_dir}:{os.environ['PATH']}"}


def calls(tmp_path):
    path = tmp_path / "root/depmods"
    return path.read_text().split() if path.exists() else []


# ---- incomplete builds ----

@pytest.mark.parametrize("verb", ["autoinstall", "kernel_postinst"])
@pytest.mark.parametrize("damage", ["module file", "empty file", "no module directory", "empty module directory", "log alone"])
@pytest.mark.parametrize("record", [True, False])
def test_incomplete_build_is_made_again(root, verb, damage, record):
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    directory = build_dir(root)
    if not record:
        forget_record(root)
    if damage == "module file":
        (directory / "module/foo.ko").unlink()
    elif damage == "empty file":
        (directory / "module/foo.ko").write_text("")
    elif damage == "empty module directory":
        shutil.rmtree(directory / "module")
        (directory / "module").mkdir()
    elif damage == "no module directory":
        shutil.rmtree(directory / "module")
    else:
        shutil.rmtree(directory)
        (directory / "log").mkdir(parents=True)
    result = root.ok(verb, "-k", K1)
    assert root.status() == [INSTALLED] and "is incomplete" in result.out
    assert (root.modules / K1 / "updates/dkms/foo.ko").read_text() == "foo 1.0\n"


def test_build_of_an_empty_module_directory(root):
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    shutil.rmtree(build_dir(root) / "module")
    (build_dir(root) / "module").mkdir()
    root.ok("build", "foo/1.0", "-k", K1)
    assert (build_dir(root) / "module/foo.ko").is_file()


def test_match_mends(root):
    install(root)
    root.ok("build", "foo/1.0", "-k", K2)
    (build_dir(root, kernel=K2) / "module/foo.ko").unlink()
    root.ok("match", "--templatekernel", K1, "-k", K2)
    assert root.status("-k", K2) == [f"foo/1.0, {K2}, {ARCH}: installed"]


@pytest.mark.parametrize("record", [True, False])
def test_package_without_modules_is_complete(root, record):
    root.source(conf="PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nAUTOINSTALL=yes\n")
    root.ok("install", "foo/1.0", "-k", K1)
    if not record:
        forget_record(root)
    before = root.snapshot()
    assert root.ok("autoinstall", "-k", K1).out == "" and root.snapshot() == before


def test_recipe_that_has_one_more_module_than_the_build(root):
    root.source(files={"foo.c": "f", "bar.c": "b"})
    root.ok("build", "foo/1.0", "-k", K1)
    conf = root.src / "foo-1.0/dkms.conf"
    conf.write_text(conf.read_text() + "BUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION[1]=/extra\nSTRIP[1]=no\n")
    root.ok("autoinstall", "-k", K1)
    assert root.status() == [INSTALLED] and (root.modules / K1 / "updates/dkms/bar.ko").read_text() == "b"


def test_record_of_a_module_that_the_recipe_no_longer_has(root):
    two = "BUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION[1]=/extra\nSTRIP[1]=no\n"
    install(root, extra=two, files={"foo.c": "f", "bar.c": "b"})
    root.framework("rebuild=no\n")
    conf = root.src / "foo-1.0/dkms.conf"
    conf.write_text(conf.read_text().replace(two, ""))
    assert root.ok("autoinstall", "-k", K1).out == ""
    root.ok("remove", "foo/1.0", "--all")
    assert not (root.modules / K1 / "updates").exists() and not (root.tree / "foo").exists()


# ---- missing installed files ----

@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("arguments", [["autoinstall"], ["kernel_postinst"], ["install", "foo/1.0"]])
def test_installed_file_that_is_gone_comes_back(root, arguments, record):
    module = install(root)
    if not record:
        forget_record(root)
    shutil.rmtree(module.parent)
    result = root.ok(*arguments, "-k", K1)
    assert module.read_text() == "foo 1.0\n" and "Building" not in result.out
    assert root.status() == [INSTALLED]
    again = root.ok(*arguments, "-k", K1)
    assert "Installing" not in again.out
    root.ok("remove", "foo/1.0", "--all")
    assert not module.exists() and not (root.tree / "foo").exists(), "it does not count as an original"


def test_gone_from_both_places(root):
    module = install(root)
    module.unlink()
    (build_dir(root) / "module/foo.ko").unlink()
    root.ok("autoinstall", "-k", K1)
    assert module.read_text() == "foo 1.0\n" and root.status() == [INSTALLED]


def test_gone_but_not_to_be_installed_by_itself(root):
    module = install(root, conf="PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\n")
    module.unlink()
    assert root.ok("autoinstall", "-k", K1).out == "" and not module.exists()


def test_replaced_file_is_not_ours_to_mend(root):
    module = install(root)
    module.unlink()
    module.write_text("somebody else's\n")
    assert root.ok("autoinstall", "-k", K1).out == "" and module.read_text() == "somebody else's\n"


def test_module_that_the_kernel_has_newer_is_not_mended(real):
    source = '#include <linux/module.h>\nMODULE_LICENSE("GPL");\nMODULE_VERSION("%s");\n'
    conf = ('PACKAGE_NAME=hello\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME[0]=hello\nBUILT_MODULE_NAME[1]=other\n'
            'DEST_MODULE_LOCATION[0]=/extra\nDEST_MODULE_LOCATION[1]=/extra\nAUTOINSTALL=yes\n')
    files = {"hello.c": source % "2.0", "other.c": source % "1.0", "Makefile": "obj-m := hello.o other.o\n"}
    real.source("hello", "1.0", conf=conf, files=files)
    real.ok("build", "hello/1.0", "-k", real.release)
    own = real.modules / real.release / "kernel/hello.ko"
    own.parent.mkdir()
    shutil.copy(build_dir(real, "hello", kernel=real.release) / "module/hello.ko", own)
    (real.src / "hello-1.0/hello.c").write_text(source % "1.0")
    real.ok("build", "hello/1.0", "-k", real.release, "--force")
    assert "newer" in real.ok("install", "hello/1.0", "-k", real.release).err
    for record in (True, False):
        if not record:
            forget_record(real, name="hello", kernel=real.release)
        assert real.ok("autoinstall", "-k", real.release).out == "", record
        assert [path.name for path in (real.modules / real.release / "updates/dkms").iterdir()] == ["other.ko"], record


def test_kernel_that_is_gone_needs_no_mending(root):
    install(root)
    shutil.rmtree(root.modules / K1)
    assert root.ok("autoinstall", "-k", K1).out == ""


# ---- the index ----

@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("arguments", [["autoinstall"], ["kernel_postinst"], ["install", "foo/1.0"]])
def test_index_that_lacks_a_module_is_made_anew(root, tmp_path, arguments, record):
    env = index(root, tmp_path)
    install(root)
    if not record:
        forget_record(root)
    index(root, tmp_path, listed=("kernel/other.ko", "kernel/updates/dkms/foo.ko"))
    (root.path / "depmods").unlink(missing_ok=True)
    result = root.ok(*arguments, "-k", K1, env=env)
    assert calls(tmp_path) == [K1] and "updates/dkms/foo.ko:" in (root.modules / K1 / "modules.dep").read_text()
    assert "Autoinstall" not in result.out
    assert "depmod" not in root.ok(*arguments, "-k", K1, env=env).out and calls(tmp_path) == [K1]


def test_index_of_a_module_that_is_off(root, tmp_path):
    env = index(root, tmp_path)
    install(root, conf="PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\n")
    index(root, tmp_path)
    (root.path / "depmods").unlink(missing_ok=True)
    root.ok("autoinstall", "-k", K1, env=env)
    assert calls(tmp_path) == [K1]


def test_no_index_where_there_was_none(root, tmp_path):
    env = index(root, tmp_path)
    (root.modules / K1 / "modules.dep").unlink()
    install(root)
    root.ok("autoinstall", "-k", K1, env=env)
    assert calls(tmp_path) == [] and not (root.modules / K1 / "modules.dep").exists()


def test_depmod_can_be_left_out(root, tmp_path):
    install(root)
    env = index(root, tmp_path)
    root.ok("autoinstall", "-k", K1, "--no-depmod", env=env)
    assert calls(tmp_path) == []


# ---- missing sources ----

def lose_source(root, how, name="foo"):
    if how == "directory":
        shutil.rmtree(root.src / f"{name}-1.0")
    else:
        (root.tree / f"{name}/1.0/source").unlink()
    assert root.status(name)[0] == f"{name}/1.0: broken"


@pytest.mark.parametrize("how", ["directory", "link"])
@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("verb", ["remove", "unbuild", "uninstall"])
@pytest.mark.parametrize("selection", [["-k", K1], ["--all"]])
def test_taken_away_without_its_source(root, verb, how, record, selection):
    module = install(root, extra='POST_REMOVE="post.sh"\n', files={"foo.c": "foo 1.0\n", "post.sh": "#!/bin/sh\necho ran\n"})
    if not record:
        forget_record(root)
    lose_source(root, how)
    result = root.ok(verb, "foo/1.0", *selection)
    assert not module.exists() and not (root.modules / K1 / "updates").exists()
    assert result.err.count("The source of foo/1.0 does not exist. Its scripts are not run.") == 1
    assert "missing or not executable" not in result.err and "ran" not in result.out
    assert (root.tree / "foo").exists() == (verb != "remove")
    assert not (root.tree / f"foo/kernel-{K1}-{ARCH}").is_symlink()
    if verb == "remove":
        assert root.status() == []
    else:
        assert build_dir(root).exists() == (verb == "uninstall")


@pytest.mark.parametrize("record", [True, False])
def test_original_comes_back_without_the_source(root, record):
    original = root.modules / K1 / "kernel/foo.ko"
    original.parent.mkdir()
    original.write_text("original\n")
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, "--force")
    if not record:
        forget_record(root)
    lose_source(root, "directory")
    root.ok("remove", "foo/1.0", "--all")
    assert original.read_text() == "original\n" and not (root.tree / "foo").exists()


def test_file_of_others_stays_when_the_source_is_gone(root):
    module = install(root)
    forget_record(root)
    module.unlink()
    module.write_text("somebody else's\n")
    lose_source(root, "directory")
    root.ok("remove", "foo/1.0", "--all")
    assert module.read_text() == "somebody else's\n" and root.status() == []


def test_added_module_without_its_source(root):
    root.source()
    root.ok("add", "foo/1.0")
    lose_source(root, "directory")
    result = root("remove", "foo/1.0", "-k", K1)
    assert result.rc == 4 and "dkms remove foo/1.0 --all" in result.err
    assert "dkms remove foo/1.0 --all" in root.ok("status").err
    result = root.ok("remove", "foo/1.0", "--all")
    assert "Removed foo/1.0 from the tree." in result.out and root.status() == []
    assert not (root.tree / "foo").exists()


@pytest.mark.parametrize("record", [True, False])
def test_prerm_without_source(root, record):
    module = install(root)
    if not record:
        forget_record(root)
    lose_source(root, "directory")
    root.ok("kernel_prerm", "-k", K1)
    assert not module.exists() and not build_dir(root).exists()


def test_autoinstall_goes_on_without_a_broken_one(root):
    install(root)
    lose_source(root, "directory")
    root.source("bar")
    root.ok("add", "bar/1.0")
    assert "foo/1.0 is broken" in root.ok("autoinstall", "-k", K1).err
    assert root.status("bar") == [f"bar/1.0, {K1}, {ARCH}: installed"]


# ---- incomplete installations ----

def test_build_that_lost_its_modules_is_taken_away_by_its_record(root):
    module = install(root)
    shutil.rmtree(build_dir(root) / "module")
    root.ok("remove", "foo/1.0", "--all")
    assert not module.exists() and not (root.tree / "foo").exists()


def test_prerm_takes_half_a_build(root):
    module = install(root)
    shutil.rmtree(build_dir(root) / "module")
    root.ok("kernel_prerm", "-k", K1)
    assert not module.exists() and root.status() == ["foo/1.0: added"] and not build_dir(root).exists()


def test_link_to_a_build_that_is_gone(root):
    module = install(root)
    shutil.rmtree(build_dir(root).parent)
    assert root.status() == ["foo/1.0: added"]
    root.ok("autoinstall", "-k", K1)
    assert root.status() == [INSTALLED] and not (root.tree / "foo/original_module").exists()
    shutil.rmtree(build_dir(root).parent)
    module.unlink()
    root.ok("install", "foo/1.0", "-k", K1)
    assert module.read_text() == "foo 1.0\n", "the link alone is not an installation"
    shutil.rmtree(build_dir(root).parent)
    root.ok("remove", "foo/1.0", "--all")
    assert not (root.tree / "foo").exists()
    assert module.exists(), "without the record, the module is not known to be ours"


def test_only_built_over_a_link_that_was_left(root):
    module = install(root)
    shutil.rmtree(build_dir(root).parent)
    module.unlink()
    root.ok("build", "foo/1.0", "-k", K1)
    root.ok("autoinstall", "-k", K1)
    assert module.read_text() == "foo 1.0\n" and root.status() == [INSTALLED]


def test_old_module_of_dkms_is_not_an_original(root):
    """A version that was deleted by hand leaves its link, which identifies the installed module."""
    install(root)
    shutil.rmtree(root.tree / "foo/1.0")
    module = install(root, version="2.0")
    assert not (root.tree / "foo/original_module").exists()
    assert root.status() == [f"foo/2.0, {K1}, {ARCH}: installed"]
    root.ok("remove", "foo/2.0", "--all")
    assert not module.exists() and not (root.tree / "foo").exists()


@pytest.mark.parametrize("record", [True, False])
def test_remove_for_a_kernel_that_is_gone(root, record):
    install(root)
    root.ok("install", "foo/1.0", "-k", K2)
    if not record:
        forget_record(root)
    shutil.rmtree(root.modules / K1)
    result = root.ok("remove", "foo/1.0", "--all")
    assert root.status() == [] and not (root.tree / "foo").exists() and not (root.modules / K1).exists()
    assert f"The kernel directory /lib/modules/{K1} no longer exists" in result.out


def test_original_of_a_kernel_that_is_gone_is_forgotten(root):
    original = root.modules / K1 / "kernel/foo.ko"
    original.parent.mkdir()
    original.write_text("original\n")
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, "--force")
    shutil.rmtree(root.modules / K1)
    root.ok("remove", "foo/1.0", "--all")
    assert not (root.tree / "foo").exists() and not (root.modules / K1).exists()


def test_original_outlives_kernels_that_are_out_of_reach(root):
    """If all of /lib/modules is empty, a missing mount is more likely than removed kernels."""
    original = root.modules / K1 / "kernel/foo.ko"
    original.parent.mkdir()
    original.write_text("original\n")
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, "--force")
    root.modules.rename(root.path / "away")
    root.modules.mkdir()
    root.ok("uninstall", "foo/1.0", "-k", K1)
    assert original.read_text() == "original\n"


def test_two_arches_share_a_file(root):
    module = install(root)
    root.ok("install", "foo/1.0", "-k", f"{K1}/riscv64", "--force")
    root.ok("remove", "foo/1.0", "-k", f"{K1}/riscv64")
    root.ok("autoinstall", "-k", K1)
    assert module.read_text() == "foo 1.0\n" and root.status() == [INSTALLED]


# ---- names of parts of the tree ----

@pytest.mark.parametrize("name", ["source", "build", "tarball"])
@pytest.mark.parametrize("verb", ["build", "install"])
def test_kernel_named_like_a_part_of_the_tree(root, name, verb):
    """A script may use each name in the tree as a kernel; the directory of the user must not be deleted."""
    root.kernel(name)
    source = root.source()
    own = source / ARCH
    (own / "keep").mkdir(parents=True)
    root.ok("add", "foo/1.0")
    before = root.snapshot()
    result = root(verb, "foo/1.0", "-k", name, "--force")
    assert result.rc == 1 and f'"{name}" cannot be a kernel release' in result.err
    for verb_of_all in ("autoinstall", "kernel_postinst", "kernel_prerm"):
        root(verb_of_all, "-k", name)
    for taking in ("uninstall", "unbuild"):
        root.ok(taking, "foo/1.0", "-k", name)
    after = root.snapshot()
    assert (own / "keep").is_dir() and {k: v for k, v in after.items() if not k.startswith(f"lib/modules/{name}")} == {
        k: v for k, v in before.items() if not k.startswith(f"lib/modules/{name}")}


def test_build_follows_no_link_in_the_place_of_a_kernel(root):
    root.source()
    root.ok("add", "foo/1.0")
    elsewhere = root.path / "elsewhere" / ARCH
    (elsewhere / "module").mkdir(parents=True)
    (elsewhere / "module/keep").write_text("mine\n")
    (root.tree / "foo/1.0" / K1).symlink_to("/elsewhere")
    result = root("build", "foo/1.0", "-k", K1, "--force")
    assert result.rc == 3 and "symbolic link" in result.err
    root.ok("unbuild", "foo/1.0", "-k", K1)
    assert (elsewhere / "module/keep").read_text() == "mine\n" and not (root.tree / "foo/1.0" / K1).is_symlink()


@pytest.mark.parametrize("version", ["original_module", "build", "source", f"kernel-{K1}-{ARCH}"])
def test_version_named_like_a_part_of_the_tree(root, version, tmp_path):
    source = root.source(version=version)
    for verb in ("add", "build", "install"):
        result = root(verb, f"foo/{version}", "-k", K1)
        assert result.rc == 2 and f'"{version}" cannot be a module version' in result.err, result
    outside = tmp_path / "work"
    source.rename(outside)
    result = root("add", outside)
    assert result.rc == 8 and "cannot be a module version" in result.err
    assert not (root.tree / "foo").exists() and not source.exists()


def test_module_named_like_a_file_of_the_tree(root):
    root.source("mok.key")
    assert root("add", "mok.key/1.0").rc == 2 and not (root.tree / "mok.key").exists()


def test_version_that_only_begins_like_a_link(root):
    root.source(version="kernel-5")
    root.ok("install", "foo/kernel-5", "-k", K1)
    assert root.status() == [f"foo/kernel-5, {K1}, {ARCH}: installed"]


def test_archive_with_a_kernel_named_source(root, tmp_path):
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    (root.tree / "foo/1.0" / K1).rename(root.tree / "foo/1.0/evil")
    root.ok("mktarball", "foo/1.0", "-k", "evil", "--archive", tmp_path / "a.tar")
    work = tmp_path / "work"
    work.mkdir()
    subprocess.run(["tar", "-C", work, "-xf", tmp_path / "a.tar"], check=True)
    (work / "dkms_main_tree/evil").rename(work / "dkms_main_tree/source")
    subprocess.run(["tar", "-C", work, "-cf", tmp_path / "b.tar", "."], check=True)
    root.ok("remove", "foo/1.0", "--all")
    shutil.rmtree(root.src / "foo-1.0")
    result = root("ldtarball", tmp_path / "b.tar")
    assert result.rc != 0 and "kernel release" in result.err and not (root.src / "foo-1.0").exists()


# ---- links ----

def test_linked_module_directory_is_seen(root):
    install(root)
    (root.path / "mnt").mkdir()
    (root.tree / "foo").rename(root.path / "mnt/foo")
    (root.tree / "foo").symlink_to("../../../mnt/foo")
    assert root.status() == [INSTALLED]
    root.ok("install", "foo/1.0", "-k", K2)
    assert len(root.status()) == 2 and (root.path / f"mnt/foo/1.0/{K2}/{ARCH}/module/foo.ko").is_file()


def test_linked_module_directory_on_another_file_system(root):
    with mounted(root.path / "mnt"):
        (root.path / "mnt/foo").mkdir()
        root.tree.mkdir(parents=True)
        (root.tree / "foo").symlink_to("../../../mnt/foo")
        install(root)
        assert root.status() == [INSTALLED] and (root.path / f"mnt/foo/1.0/{K1}").is_dir()
        root.ok("build", "foo/1.0", "-k", K1, "--force")
        root.ok("remove", "foo/1.0", "--all")
        assert root.status() == []


# ---- headers ----

def test_what_is_built_is_installed_before_headers_are_missed(root):
    for name in ("a", "b", "c"):
        root.source(name)
        root.register(name)
    for name in ("a", "c"):
        root.ok("build", f"{name}/1.0", "-k", K1)
    shutil.rmtree(root.modules / K1 / "build")
    result = root("autoinstall", "-k", K1)
    assert result.rc == 21 and "headers" in result.err
    assert root.status() == [f"a/1.0, {K1}, {ARCH}: installed", "b/1.0: added", f"c/1.0, {K1}, {ARCH}: built"]
    assert root("autoinstall", "-k", K1).rc == 21


# ---- status of unprivileged users ----

@pytest.mark.parametrize("record", [True, False])
def test_unreadable_kernels_are_not_differences(root, record):
    install(root)
    root.source("bar")
    root.ok("install", "bar/1.0", "-k", K1)
    if not record:
        forget_record(root)
        forget_record(root, name="bar")
    expected = root.status()
    root.modules.chmod(0o700)
    result = as_nobody(root, "status")
    assert result.rc == 0 and result.out.splitlines() == expected, result
    assert result.err.count("Warning:") == 1 and "Permission denied" in result.err and "root" in result.err
    root.modules.chmod(0o755)
    (root.modules / K1 / "updates/dkms/foo.ko").write_text("tampered\n")
    assert "Differences" in as_nobody(root, "status").out


# ---- rpm ----

def test_rpm_safe_upgrade_still_needs_what_it_depends_on(root):
    root.source(extra="BUILD_DEPENDS=missing\n")
    assert root("install", "foo/1.0", "-k", K1, "--rpm_safe_upgrade").rc == 13
    root.ok("install", "foo/1.0", "-k", K1, "--rpm_safe_upgrade", "--force")


# ---- messages ----

@pytest.mark.parametrize("why", ["exit 7", "rm foo.c; exit 0", "printf x >Makefile; exit 0"])
def test_error_names_a_log_that_a_later_success_leaves(root, why):
    root.source(extra='PRE_BUILD="pre.sh"\n', files={"foo.c": "x", "pre.sh": f"#!/bin/sh\n[ $kernelver = {K1} ] || exit 0\n{why}\n"})
    if "Makefile" in why:
        (root.modules / K1 / "build/Makefile").write_text("all:\n\tfalse\n")
    result = root("build", "foo/1.0", "-k", K1, "-k", K2)
    assert result.rc != 0 and root.status() == [f"foo/1.0, {K2}, {ARCH}: built"]
    paths = [word.strip(".,:;") for word in result.err.split() if word.startswith("/")]
    assert any("make.log" in path for path in paths), result
    for path in paths:
        assert os.path.exists(path) or (root.path / path.lstrip("/")).exists(), f"{path} is gone:\n{result.err}"
