"""States of a tree that doctor finds: each function of STATES makes one in a root with two installed modules."""
import json
import os
import pathlib
import shutil
import subprocess
import time

import modules
from conftest import ARCH, K1, K2, key_pair

GONE = "5.10.0-9-gone"

# ---- the sound root ----


def sound(root):
    """Makes a root in which doctor finds nothing: bar is installed for both kernels, foo for the first, with an index."""
    hook = root.path / "etc/kernel/postinst.d/dkms"
    hook.parent.mkdir(parents=True, exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    root.source("foo")
    root.source("bar")
    root.ok("install", "foo/1.0", "-k", K1)
    root.ok("install", "bar/1.0", "-k", K1, "-k", K2)
    return root


def build(root, name="foo", version="1.0", kernel=K1):
    return root.tree / name / version / kernel / ARCH


def link(root, name="foo", kernel=K1):
    return root.tree / name / f"kernel-{kernel}-{ARCH}"


def installed(root, name="foo", kernel=K1):
    return root.modules / kernel / f"updates/dkms/{name}.ko"


def forget(root, *names, name="foo"):
    for each in names or (".record.json", ".recipe.json", ".attempt.json"):
        (build(root, name) / each).unlink(missing_ok=True)


def record(root, change, name="foo"):
    path = build(root, name) / ".record.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def long_ago(path):
    old = time.time() - 100 * 60 * 60
    os.utime(path, (old, old))


def build_for(root, kernel, name="foo"):
    """A finished build for another kernel, which is not installed: a copy of that for the first kernel."""
    directory = build(root, name, kernel=kernel)
    shutil.copytree(build(root, name), directory)
    (directory / ".record.json").unlink()
    (directory / ".attempt.json").unlink()
    return directory


def without_source(root):
    """A registered version without a build."""
    root.source("late")
    root.register("late")
    return root.src / "late-1.0"


def original(root, name="foo.ko", origin="kernel/drivers/misc/foo.ko", kernel=K1, module="foo"):
    directory = root.tree / module / "original_module" / kernel / ARCH
    directory.mkdir(parents=True)
    (directory / name).write_text("original\n")
    if origin:
        (directory / f"{name}.origin").write_text(f"/lib/modules/{kernel}/{origin}\n")
    return directory


def package(root, path, name="linux-image", md5="0" * 32):
    """dpkg knows that @path belongs to a package."""
    info = root.path / "var/lib/dpkg/info"
    info.mkdir(parents=True, exist_ok=True)
    (root.path / "var/lib/dpkg/status").write_text(f"Package: {name}\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n"
                                                   "Maintainer: x\nDescription: x\n")
    (info / f"{name}.list").write_text(f"/.\n{path}\n")
    (info / f"{name}.md5sums").write_text(f"{md5}  {path[1:]}\n")


def real_module(root, release, name="foo", path=None):
    """Replaces a built module, and the installed one, by an ELF file for another release. No record is left."""
    content = modules.module(name, info=(f"vermagic={release} SMP", "license=GPL"))
    (build(root) / "module/foo.ko").write_bytes(content)
    installed(root).write_bytes(content)
    forget(root)


# ---- the states ----

STATES = {}


def state(name, **kind):
    """@kind: left: dkms cannot repair it; consent: the repair needs consent for this item; undo: whether it can be taken back;
    more: the repair leads to another fault, whose repair writes records."""

    def take(function):
        STATES[function.__name__] = (name, function, kind)
        return function
    return take


@state("journal", undo=False)
def journal(root):
    path = root.tree / ".dkms/journal/12345678.json"
    (root.tree / "left").mkdir()
    path.write_text(json.dumps({"format": 1, "ops": [["prune", "/var/lib/dkms/left", "/var/lib/dkms", ""]]}))


@state("journal", left=True)
def journal_of_a_newer_dkms(root):
    (root.tree / ".dkms/journal/12345678.json").write_text('{"format": 99}')


@state("depmod-due", undo=False)
def depmod_due(root):
    path = root.tree / f".dkms/depmod/12345678.{K1}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")


@state("build-left", undo=False)
def work_left(root):
    path = root.tree / ".dkms/work/12345678"
    path.mkdir(parents=True)
    long_ago(path)


@state("build-left")
def build_left(root):
    path = root.tree / "foo/1.0/build"
    path.mkdir(exist_ok=True)
    (path / "make.log").write_text("x\n")
    long_ago(path)


@state("source-gone")
def source_gone(root):
    shutil.rmtree(root.src / "foo-1.0")


@state("source-gone")
def source_moved(root):
    (root.src / "foo-1.0").rename(root.src / "foo-1.0-debian1")


@state("source-gone")
def source_gone_without_builds(root):
    shutil.rmtree(without_source(root))


@state("source-gone", more=True)
def source_gone_of_dkms3(root):
    shutil.rmtree(root.src / "foo-1.0")
    forget(root)


@state("source-other", consent=True)
def source_other(root):
    (root.tree / "foo/1.0/source").unlink()
    (root.tree / "foo/1.0/source").symlink_to("/usr/src/other-2.0")
    root.source("other", "2.0", files={"foo.c": "foo 1.0\n"})
    forget(root, ".attempt.json")


@state("source-other", left=True)
def source_other_alone(root):
    conf = root.src / "foo-1.0/dkms.conf"
    conf.write_text(conf.read_text().replace('VERSION="1.0"', 'VERSION="1.1"'))
    forget(root, ".attempt.json")


@state("no-conf")
def no_conf(root):
    (root.src / "foo-1.0/dkms.conf").unlink()


@state("no-conf")
def no_conf_without_builds(root):
    (without_source(root) / "dkms.conf").unlink()


@state("empty-module")
def empty_module(root):
    (root.tree / "nothing").mkdir()


@state("empty-module", consent=True)
def module_with_files(root):
    (root.tree / "nothing").mkdir()
    (root.tree / "nothing/notes").write_text("x\n")


@state("orphan-version")
def orphan_version(root):
    (root.tree / "nothing/1.0/build").mkdir(parents=True)


@state("orphan-version", consent=True)
def orphan_version_with_files(root):
    (root.tree / "nothing/1.0").mkdir(parents=True)
    (root.tree / "nothing/1.0/notes").write_text("x\n")


@state("stale-build")
def stale_build(root):
    path = build(root, "bar", kernel="6.13.0-3-test")
    root.kernel("6.13.0-3-test")
    (path / "log").mkdir(parents=True)
    (path / "log/make.log").write_text("x\n")


@state("stale-build", consent=True)
def stale_build_with_files(root):
    path = build(root, "bar", kernel="6.13.0-3-test")
    root.kernel("6.13.0-3-test")
    path.mkdir(parents=True)
    (path / "notes").write_text("x\n")


@state("link-dangling")
def link_dangling(root):
    link(root, "foo", K2).symlink_to(f"1.0/{K2}/{ARCH}")


@state("link-dangling", more=True)
def link_to_another_version(root):
    link(root).unlink()
    link(root).symlink_to(f"0.9/{K1}/{ARCH}")


@state("link-absent", more=True)
def link_absent(root):
    link(root).unlink()


@state("file-lost", undo=False)
def file_lost(root):
    installed(root).unlink()


@state("file-changed", consent=True)
def file_changed(root):
    installed(root).write_text("by hand\n")


@state("file-twice")
def file_twice(root):
    path = root.modules / K1 / "extra/foo.ko"
    path.parent.mkdir()
    shutil.copy(installed(root), path)


@state("file-twice", consent=True)
def file_twice_compressed(root):
    (root.modules / K1 / "updates/dkms/foo.ko.xz").write_text("by another\n")


@state("file-foreign", consent=True)
def file_foreign(root):
    (root.modules / K1 / "updates/dkms/alien.ko").write_text("alien\n")


@state("original-lost", left=True)
def original_lost(root):
    (original(root) / "foo.ko").unlink()


@state("original-stray")
def original_stray(root):
    original(root, kernel=K2)


@state("original-stray")
def original_stray_and_there(root):
    original(root, kernel=K2)
    path = root.modules / K2 / "kernel/drivers/misc/foo.ko"
    path.parent.mkdir(parents=True)
    path.write_text("new\n")


@state("original-stray", left=True)
def original_stray_anywhere(root):
    original(root, origin=None, kernel=K2, name="unknown.ko")


@state("original-outdated", consent=True)
def original_outdated(root):
    original(root)
    package(root, f"/lib/modules/{K1}/kernel/drivers/misc/foo.ko")


@state("kernel-gone")
def kernel_gone(root):
    shutil.rmtree(root.modules / K2)


@state("kernel-husk")
def kernel_husk(root):
    shutil.rmtree(root.modules / K2 / "build")
    subprocess.run(["depmod", "-b", root.path, K2], check=True, capture_output=True)


@state("weak-dangling")
def weak_dangling(root):
    path = root.modules / K2 / "weak-updates/foo.ko"
    path.parent.mkdir()
    path.symlink_to("/lib/modules/5.0/extra/foo.ko")


@state("weak-dangling", left=True)
def weak_partial(root):
    """Of the two modules of a build for another kernel, only one is linked to."""
    root.source("pair", files={"a.c": "a\n", "b.c": "b\n"}, conf='PACKAGE_NAME=pair\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME[0]=a\n'
                'BUILT_MODULE_NAME[1]=b\nDEST_MODULE_LOCATION[0]=/extra\nDEST_MODULE_LOCATION[1]=/extra\nSTRIP=no\n')
    root.ok("install", "pair/1.0", "-k", K1)
    (path,) = (root.modules / K1).rglob("a.ko")
    link = root.modules / K2 / "weak-updates/a.ko"
    link.parent.mkdir()
    link.symlink_to("/" + str(path.relative_to(root.path)))


@state("headers-dangling", left=True)
def headers_dangling(root):
    shutil.rmtree(root.kernel("6.13.0-3-test") / "build")
    (root.modules / "6.13.0-3-test/build").symlink_to("/usr/src/linux-headers-6.13.0-3-test")


@state("headers-dangling", left=True)
def headers_incomplete(root):
    (root.kernel("6.13.0-3-test") / "build/scripts").symlink_to("/usr/lib/linux-kbuild-6.13/scripts")


@state("headers-dangling", left=True)
def headers_of_another(root):
    (root.kernel("6.13.0-3-test") / "build/include/config/kernel.release").write_text("6.13.0-4-test\n")


@state("headers-dangling", left=True)
def headers_of_another_build(root):
    include = root.kernel("6.13.0-3-test") / "build/include"
    (include / "generated").mkdir()
    (include / "generated/utsrelease.h").write_text('#define UTS_RELEASE "6.13.0-4-test"\n')
    (include / "config/kernel.release").write_text("6.13.0-3-test\n")


@state("record-bad", undo=False)
def record_bad(root):
    (build(root) / ".record.json").write_text("{")


@state("record-bad", left=True)
def record_of_a_newer_dkms(root):
    (build(root) / ".record.json").write_text('{"format": 99}')


@state("record-bad", undo=False)
def record_wrong(root):
    (build(root) / "module/foo.ko").write_text("other\n")
    installed(root).write_text("other\n")


@state("record-bad", undo=False)
def record_lacks(root):
    (build(root) / "module/foo.ko").unlink()


@state("record-none", undo=False)
def record_none(root):
    forget(root)


@state("fork-mix", undo=False)
def fork_mix(root):
    content = installed(root).read_text()
    installed(root).unlink()
    installed(root).write_text(content)
    text = os.readlink(link(root))
    link(root).unlink()
    link(root).symlink_to(text)


@state("stale", undo=False)
def stale(root):
    (root.src / "foo-1.0/foo.c").write_text("foo 1.0, changed\n")


@state("rights", consent=True)
def rights_of_the_tree(root):
    root.tree.chmod(0o777)


@state("rights", consent=True)
def rights_of_the_key(root):
    root.keys()
    (root.tree / "mok.key").chmod(0o644)


@state("rights", consent=True)
def rights_of_the_settings(root):
    path = root.path / "etc/dkms/framework.conf"
    path.write_text("# nothing\n")
    path.chmod(0o666)


@state("hook-absent", left=True)
def hook_absent(root):
    (root.path / "etc/kernel/postinst.d/dkms").unlink()


@state("hook-absent", left=True)
def hook_not_executable(root):
    (root.path / "etc/kernel/postinst.d/dkms").chmod(0o644)


@state("hook-absent", left=True)
def autoinstall_off(root):
    (root.path / "etc/dkms/no-autoinstall").write_text("")


@state("conf-old", left=True)
def conf_deprecated(root):
    root.source("late", extra='REMAKE_INITRD="yes"\n')
    root.register("late")


@state("conf-old", left=True)
def conf_not_latest(root):
    root.source("foo", "2.0", conf='PACKAGE_NAME="foo"\nPACKAGE_VERSION="2.0"\nBUILT_MODULE_NAME[0]="foo"\n'
                'DEST_MODULE_LOCATION[0]="/kernel/drivers/misc"\n')
    root.register("foo", "2.0")


def found(result):
    """The names of the faults in the answer of doctor --json."""
    return sorted(finding["id"] for finding in json.loads(result.out)["findings"])
