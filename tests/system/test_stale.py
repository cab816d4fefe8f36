"""Which changes of inputs cause a rebuild."""
import json
import os
import shutil
import time

import pytest

from conftest import ARCH, K1, as_nobody, strace
from test_loadable import HOST_CONFIG, module

CONF = ('PACKAGE_NAME="foo"\nPACKAGE_VERSION="1.0"\nBUILT_MODULE_NAME[0]="foo"\nDEST_MODULE_LOCATION[0]="/kernel/drivers/misc"\n'
        'STRIP="no"\nAUTOINSTALL="yes"\nPRE_BUILD="pre.sh"\nPATCH[0]="p.patch"\n')
PATCH = "--- a/note\n+++ b/note\n@@ -1 +1 @@\n-old\n+new\n"
FILES = {"note": "old\n", "pre.sh": "#!/bin/sh\ntrue\n", "patches/p.patch": PATCH}


@pytest.fixture
def installed(root):
    """foo/1.0, installed, with all kinds of inputs."""
    headers = root.modules / K1 / "build"
    (headers / "Module.symvers").write_text("0x1\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n")
    (headers / "include/generated").mkdir()
    (headers / "include/generated/utsrelease.h").write_text(f'#define UTS_RELEASE "{K1}"\n')
    (headers / "include/config/auto.conf").write_text(HOST_CONFIG + "CONFIG_MODULES=y\nCONFIG_DEBUG_INFO_BTF_MODULES=y\n")
    (headers / "vmlinux").write_bytes(elf(b"types"))
    (root.path / "etc/dkms/foo.conf").write_text("# about foo\nPOST_BUILD=''\n")
    source = root.source(conf=CONF, files=FILES)
    (source / "foo.c").write_bytes(module())
    root.ok("add", source)
    root.ok("install", "foo/1.0", "-k", K1)
    assert json.loads((root.tree / f"foo/1.0/{K1}/{ARCH}/.attempt.json").read_text())["inputs"]["btf"] not in ("-", None)
    return root


def elf(types):
    """A vmlinux with only a section .BTF."""
    names = b"\0.BTF\0.shstrtab\0"
    head = b"\x7fELF\2\1\1" + bytes(9) + (2).to_bytes(2, "little") + (62).to_bytes(2, "little") + (1).to_bytes(4, "little") + bytes(16)
    table = 64 + len(names) + len(types)
    head += table.to_bytes(8, "little") + bytes(4) + b"".join(n.to_bytes(2, "little") for n in (64, 0, 0, 64, 3, 2))
    def section(name, offset, size):
        return name.to_bytes(4, "little") + (1).to_bytes(4, "little") + bytes(16) + offset.to_bytes(8, "little") + size.to_bytes(8, "little") + bytes(24)
    return head + names + types + section(0, 0, 0) + section(1, 64 + len(names), len(types)) + section(6, 64, len(names))


def long_status(root):
    return root.ok("status", "--long").out.splitlines()


def autoinstall(root, **keywords):
    """Returns: whether foo was rebuilt"""
    result = root.ok("autoinstall", "-k", K1, **keywords)
    assert ("Rebuilding foo/1.0 because of changes since its build: " in result.out) == ("Building foo/1.0" in result.out), result
    return "Building foo/1.0" in result.out


def append(path, text):
    path.write_text(path.read_text() + text)


H, S = "build", "foo-1.0"
CHANGES = {
    "symvers": ("headers", lambda r: append(r.modules / K1 / H / "Module.symvers", "0x2\tother\tvmlinux\tEXPORT_SYMBOL\t\n")),
    "config": ("headers", lambda r: append(r.modules / K1 / H / "include/config/auto.conf", "CONFIG_X=y\n")),
    "btf": ("headers", lambda r: (r.modules / K1 / H / "vmlinux").write_bytes(elf(b"typeS"))),
    "source": ("source", lambda r: (r.src / S / "foo.c").write_bytes(module(info={"author": "another"}))),
    "new file": ("source", lambda r: (r.src / S / "more.h").write_text("")),
    "execute bit": ("source", lambda r: (r.src / S / "note").chmod(0o755)),
    "recipe": ("source", lambda r: append(r.src / S / "dkms.conf", "MAKE='make -C $kernel_source_dir M=$dkms_tree/foo/1.0/build V=1'\n")),
    "script": ("source", lambda r: append(r.src / S / "pre.sh", "true\n")),
    "override": ("source", lambda r: append(r.path / "etc/dkms/foo.conf", "STRIP=yes\n")),
    "patch of the admin": ("source", lambda r: ((r.path / "etc/dkms/foo/patches").mkdir(parents=True),
                                              (r.path / "etc/dkms/foo/patches/p.patch").write_text(PATCH))),
}
KEPT = {
    "touch": lambda r: [os.utime(path) for path in (r.src / S).rglob("*")],
    "written again": lambda r: (r.src / S / "foo.c").write_bytes(module()),
    "headers replaced by equal ones": lambda r: replace_headers(r.modules / K1 / H),
    "headers that are gone": lambda r: (shutil.rmtree(r.modules / K1 / H), (r.modules / K1 / "modules.order").touch()),
    "comment in the recipe": lambda r: append(r.src / S / "dkms.conf", "# nothing\n"),
    "the default, written out": lambda r: append(r.src / S / "dkms.conf", "MAKE='make -C $kernel_source_dir M=$dkms_tree/foo/1.0/build'\n"),
    "comment of the admin": lambda r: append(r.path / "etc/dkms/foo.conf", "\n  # nothing\n"),
    "setting that no build depends on": lambda r: append(r.src / S / "dkms.conf", "REMAKE_INITRD=yes\n"),
    "version control": lambda r: ((r.src / S / ".git").mkdir(), (r.src / S / ".git/HEAD").write_text("x")),
    "another vmlinux with the same types": lambda r: append_bytes(r.modules / K1 / H / "vmlinux"),
}


def replace_headers(path):
    shutil.copytree(path, path.parent / "new")
    shutil.rmtree(path)
    (path.parent / "new").rename(path)


def append_bytes(path):
    path.write_bytes(path.read_bytes() + b"something else")


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_built_again(installed, change):
    words, act = CHANGES[change]
    assert not autoinstall(installed)
    before = (installed.modules / K1 / "updates/dkms/foo.ko").stat().st_ino
    act(installed)
    assert long_status(installed) == [f"foo/1.0, {K1}, {ARCH}: installed (stale: {words})"]
    assert installed.status() == [f"foo/1.0, {K1}, {ARCH}: installed"], "without --long the output is that of the reference"
    assert autoinstall(installed) and (installed.modules / K1 / "updates/dkms/foo.ko").stat().st_ino != before
    assert long_status(installed) == [f"foo/1.0, {K1}, {ARCH}: installed"] and not autoinstall(installed)


@pytest.mark.parametrize("change", KEPT)
def test_what_is_not(installed, change):
    KEPT[change](installed)
    assert long_status(installed) == [f"foo/1.0, {K1}, {ARCH}: installed"] and not autoinstall(installed)


def test_the_old_module_stays_if_the_new_one_fails(installed):
    (installed.src / "foo-1.0/pre.sh").write_text("#!/bin/sh\nexit 3\n")
    before = (installed.modules / K1 / "updates/dkms/foo.ko").read_bytes()
    for _ in range(2):
        result = installed("autoinstall", "-k", K1)
        assert result.rc == 11 and "Rebuilding foo/1.0" in result.out
    assert (installed.modules / K1 / "updates/dkms/foo.ko").read_bytes() == before
    assert long_status(installed) == [f"foo/1.0, {K1}, {ARCH}: installed (stale: source)"]


def test_kernel_hook(installed):
    append(installed.modules / K1 / "build/Module.symvers", "0x2\tother\tvmlinux\tEXPORT_SYMBOL\t\n")
    result = installed.ok("kernel_postinst", "-k", K1)
    assert "Rebuilding foo/1.0 because of changes since its build: headers" in result.out


@pytest.mark.parametrize("setting", ["rebuild=no\n", 'rebuild="no"\nrebuild_on_compiler=yes\n'])
def test_rebuild_no(installed, setting):
    installed.framework(setting)
    CHANGES["symvers"][1](installed)
    assert not autoinstall(installed) and "(stale: headers)" in long_status(installed)[0]


def test_without_autoinstall(installed):
    conf = installed.src / "foo-1.0/dkms.conf"
    conf.write_text(conf.read_text().replace('AUTOINSTALL="yes"', 'AUTOINSTALL="no"'))
    CHANGES["source"][1](installed)
    assert not autoinstall(installed)
    bar = installed.source("bar", extra='BUILD_DEPENDS[0]="foo"\n')
    (bar / "bar.c").write_bytes(module(info={"name": "bar"}))
    installed.ok("add", bar)
    assert not autoinstall(installed) and f"bar/1.0, {K1}, {ARCH}: installed" in installed.status(), "it is installed for its dependents"


def compiler(root, version):
    """Puts a gcc of that version first in PATH. Returns: the environment"""
    tool = root.path.parent / "tools/gcc"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f"#!/bin/sh\necho 'gcc (Distribution {version}-1) {version}'\n")
    tool.chmod(0o755)
    return {"PATH": f"{tool.parent}:{os.environ['PATH']}"}


def test_compiler(root):
    root.ok("add", root.source())
    root.ok("install", "foo/1.0", "-k", K1, env=compiler(root, "12.2.0"))
    env = compiler(root, "12.3.0")
    assert not autoinstall(root, env=env) and "stale" not in root.ok("status", "--long", env=env).out, "the major version counts"
    env = compiler(root, "14.1.0")
    assert "(stale: compiler)" in root.ok("status", "--long", env=env).out and not autoinstall(root, env=env)
    root.framework("rebuild_on_compiler=yes\n")
    assert autoinstall(root, env=env) and not autoinstall(root, env=env)


def test_environment(installed):
    env = {"KCFLAGS": "-DX"}
    assert "(stale: environment)" in installed.ok("status", "--long", env=env).out
    assert not autoinstall(installed, env=env)


def test_dependencies(root):
    """A module is rebuilt when its dependency exports other symbols. Versions, as in the reference, do not count."""
    exports = "#!/bin/sh\nfor f in *.c; do cp $f ${f%.c}.ko; done\nprintf '0x1\\tbar\\t/some/path\\tEXPORT_SYMBOL\\t\\n' >Module.symvers\n"
    root.ok("add", root.source("bar", extra="MAKE=./make.sh\n", files={"bar.c": "x", "make.sh": exports}))
    root.ok("add", root.source("foo", extra='BUILD_DEPENDS[0]="bar"\n'))
    root.ok("autoinstall", "-k", K1)
    assert not autoinstall(root)
    make = root.src / "bar-1.0/make.sh"
    make.write_text(exports.replace("/some/path", "/other/path"))
    result = root.ok("autoinstall", "-k", K1)
    assert "Rebuilding bar/1.0" in result.out and "Building foo" not in result.out and not autoinstall(root)
    make.write_text(exports.replace("0x1", "0x2"))
    root.ok("autoinstall", "-k", K1)
    assert "(stale: depends)" in "".join(long_status(root))
    assert autoinstall(root) and not autoinstall(root)


def test_what_other_programs_built_is_never_stale(installed):
    (installed.tree / f"foo/1.0/{K1}/{ARCH}/.attempt.json").unlink()
    CHANGES["source"][1](installed)
    assert not autoinstall(installed) and long_status(installed) == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_json(installed):
    build = json.loads(installed.ok("status", "--long", "--json").out)["modules"][0]["builds"][0]
    assert build["stale"] == [] and build["built_at"].endswith("Z") and build["seconds"] > 0
    CHANGES["source"][1](installed)
    CHANGES["config"][1](installed)
    build = json.loads(installed.ok("status", "--long", "--json").out)["modules"][0]["builds"][0]
    assert build["stale"] == ["headers", "source"]
    assert "stale" not in json.loads(installed.ok("status", "--json").out)["modules"][0]["builds"][0]


def test_users_see_it_too(installed):
    CHANGES["source"][1](installed)
    assert as_nobody(installed, "status", "--long").out.splitlines() == long_status(installed)


def test_no_shell_and_no_second_reading(installed):
    """If nothing has changed, no recipe is evaluated, no compiler is run, and no content is read."""
    time.sleep(2.1) # files that were changed just now are not remembered
    installed.ok("autoinstall", "-k", K1)
    trace = strace("-e", "trace=execve,openat,openat2", *installed.command(), "autoinstall", "-k", K1, check=True).stderr
    assert trace.count("execve(") == 1, trace
    assert '"foo.c"' not in trace and "digests" in trace


def test_an_unreadable_source_is_not_a_changed_one(installed, broken):
    assert broken(installed.src / "foo-1.0/foo.c", "status", "--long").out.splitlines() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_a_kernel_is_looked_at_once_in_a_run(root):
    """The files, the compiler and the environment of a kernel are read once for all modules."""
    for name in ("foo", "bar", "baz"):
        root.source(name)
        root.ok("install", f"{name}/1.0", "-k", K1)
    calls = strace("-e", "trace=open,openat,openat2", *root.command(), "autoinstall", "-k", K1, check=True).stderr
    assert calls.count("include/generated/utsrelease.h") == 1 and calls.count("baz/1.0/source") > 0
