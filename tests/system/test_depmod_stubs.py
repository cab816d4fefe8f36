"""dkms-depmod: depmod on stubs writes byte for byte the indexes that depmod writes."""
import contextlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys

import pytest
from conftest import DKMS, K1, Crowd, eventually, family

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import depmods  # noqa: E402
from modules import module, pack  # noqa: E402

HELPER = pathlib.Path(DKMS).resolve().parent / "helpers/dkms-depmod"


@pytest.fixture
def machine(tmp_path):
    """A kernel with 60 modules of all kinds."""
    made = depmods.Machine(tmp_path, HELPER, K1)
    suffixes = [".ko", ".ko.xz", ".ko.zst"]
    for i in range(60):
        needs = [f"s{i - 1}", f"s{i // 2}", "printk"] if i > 0 else ["printk"]
        info = [f"alias=pci:v0000{i:04X}d*", f"alias=of:N*T*Cvendor,part{i}"] if i % 3 == 0 else []
        if i % 7 == 0:
            info += [f"softdep=pre: m{(i + 9) % 60} post: m-{i}"]
        if i % 11 == 0:
            info += [f"weakdep=m{(i + 5) % 60}", "devname=dev/test" + str(i), f"alias=char-major-{10 + i}-*"]
        made.put(f"kernel/drivers/d{i % 5}/m{i}", module(f"m{i}", [f"s{i}", f"t-{i}"], needs, ["weak"], info, versions=i % 4 != 0,
                                                         crc_values=i % 8 == 1), suffixes[i % 3])
    made.order(random.Random(1))
    return made


@pytest.mark.parametrize("name", depmods.STATES)
def test_states(machine, name):
    """Each state is compared cold, warm after the change, and warm without a change."""
    machine.check()
    machine.store_all()
    depmods.STATES[name](machine)
    machine.check()
    machine.check()
    machine.forget()
    machine.check()


def test_only_changed_modules_are_read(machine):
    machine.check()
    machine.store_all()
    machine.put("kernel/m5", module("m5", ["s5"], ["s4"]), ".ko")
    read = machine.modules_read()
    assert read == {"kernel/m5.ko"}, read


def test_same_time_other_content(machine):
    """The time of the change is restored; the time of the inode change differs."""
    machine.check()
    machine.store_all()
    path = machine.dir / "kernel/drivers/d0/m0.ko"
    old = path.read_bytes()
    new = old.replace(b"alias=of:N*T*Cvendor,part0", b"alias=of:N*T*Cvendor,party")
    assert new != old and len(new) == len(old)
    times = path.stat()
    with open(path, "r+b") as f:
        f.write(new)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    machine.check()
    assert "party" in (machine.dir / "modules.alias").read_text()


@pytest.mark.parametrize("damage", ["empty", "cut", "header", "index", "stubs", "mode", "link", "directory", "garbage"])
def test_damaged_store(machine, damage):
    machine.check()
    machine.store_all()
    store = machine.store / K1
    content = store.read_bytes()
    if damage == "empty":
        store.write_bytes(b"")
    elif damage == "cut":
        store.write_bytes(content[:-5])
    elif damage == "header":
        store.write_bytes(content[:20] + b"\xff" + content[21:])
    elif damage == "index":
        store.write_bytes(content[:-9] + b"\xff" + content[-8:])
    elif damage == "stubs":
        store.write_bytes(content[:len(content) // 2] + bytes(4000) + content[len(content) // 2 + 4000:])
    elif damage == "mode":  # its stubs could come from another user
        store.write_bytes(content.replace(b"alias=pci", b"alias=usb"))
        store.chmod(0o622)
    elif damage == "link":
        store.rename(machine.store / "elsewhere")
        store.symlink_to("elsewhere")
    elif damage == "directory":
        store.unlink()
        store.mkdir()
    else:
        store.write_bytes(os.urandom(5000))
    machine.check()
    if damage == "directory":
        store.rmdir()
    machine.check()
    assert store.stat().st_mode & 0o777 == 0o600 and not store.is_symlink()


@pytest.mark.parametrize("case", ["fails", "dies", "writes nothing", "other", "leaves", "missing"])
def test_other_depmod(machine, case, tmp_path):
    """A depmod that does not do what is expected: no indexes, and the caller runs depmod itself."""
    scripts = {"fails": "exit 1", "dies": "kill -9 $$", "writes nothing": "exit 0", "missing": "",
               "leaves": 'real "$@"; : >"$2/lib/modules/$4/modules.dep.12.34.56"',
               "other": 'real "$@"; find "$2/" -type f -name "m*.ko*" | xargs sha256sum >"$2/lib/modules/$4/modules.dep"'}
    real = shutil.which("depmod", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "find", "xargs", "sha256sum", "kill", "chmod"):
        (programs / name).symlink_to(shutil.which(name))
    if case != "missing":
        (programs / "depmod").write_text(f"#!/bin/sh\nreal () {{ {real} \"$@\"; }}\n{scripts[case]}\n")
        (programs / "depmod").chmod(0o755)
    for _ in range(2):
        out, result = machine.helper(path=str(programs))
        assert result.returncode == 3, result
        assert not list(out.iterdir()) or case == "leaves"
    machine.check()  # with the real depmod


def test_few_compressed_modules(machine):
    assert machine.helper("--least", "41")[1].returncode == 3
    assert not list(machine.store.iterdir())
    assert machine.helper("--least", "40")[1].returncode == 0


def test_worker_is_unprivileged(machine):
    """A process that reads a module is nobody."""
    trace = machine.trace("--trace=openat,setresuid,mmap,fork,clone,write")
    children = {line.split()[0] for line in trace if re.search(r"setresuid\(65534, 65534, 65534\) *= 0", line)}
    assert children
    main = trace[0].split()[0]
    assert main not in children
    for line in trace:
        assert not (line.split()[0] in children and "openat" in line and ".ko" in line), line


@pytest.mark.parametrize("tokens", [b"", b"a", b"xyz"])
def test_tokens(machine, tokens):
    """Workers take tokens from a job server, and return the same."""
    ends = os.pipe2(os.O_NONBLOCK)
    os.write(ends[1], tokens) if tokens else None
    pipe = os.open(f"/proc/self/fd/{ends[0]}", os.O_RDWR | os.O_NONBLOCK)
    out, result = machine.helper("--tokens", str(pipe), fds=[pipe])
    assert result.returncode == 0, result
    assert depmods.indexes(out) == machine.plain()
    left = os.read(ends[0], 10) if tokens else b""
    assert sorted(left) == sorted(tokens)
    with pytest.raises(BlockingIOError):
        os.read(ends[0], 1)
    for fd in (*ends, pipe):
        os.close(fd)


def test_without_memory_filesystem(machine, tmp_path):
    """Where nothing can be mounted, the private directory is among the results."""
    before = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]
    out, result = machine.helper(before=before)
    assert result.returncode == 0, result
    assert depmods.indexes(out) == machine.plain()
    assert (out / "view0").is_dir() and not list(machine.store.glob("*.new"))
    out, result = machine.helper(before=before)
    assert result.returncode == 0 and depmods.indexes(out) == machine.plain(), result


@pytest.mark.parametrize("in_memory", [True, False])
def test_private_directory(machine, tmp_path, in_memory):
    """A directory in memory is preferred to the results; one on a disk is not used."""
    private = tmp_path / "private" if in_memory else pathlib.Path("/etc")
    private.mkdir(exist_ok=True)
    with depmods.small_filesystem(private, 4096) if in_memory else contextlib.nullcontext():
        out, result = machine.helper("--private", str(private), before=["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"])
        assert result.returncode == 0, result
        assert (private / "view0").exists() == in_memory and (out / "view0").exists() != in_memory
    assert depmods.indexes(out) == machine.plain()


def test_no_space(machine):
    """The store cannot be written: the indexes are right."""
    machine.store.rmdir()
    machine.store.mkdir()
    with depmods.small_filesystem(machine.store, 16):
        machine.check()
        machine.check()


# ---- through dkms ----

def stub_root(root, setting="yes"):
    root.framework(f"depmod_stubs={setting}\n")
    place = root.modules / K1 / "kernel"
    place.mkdir(exist_ok=True)
    for i in range(5):
        (place / f"m{i}.ko.xz").write_bytes(pack(module(f"m{i}", [f"s{i}"], [f"s{i - 1}"]), ".ko.xz"))
    (root.modules / K1 / "modules.order").write_text("kernel/m3.ko\nkernel/m1.ko\n")
    (root.modules / K1 / "modules.builtin").write_text("")
    subprocess.run(["depmod", "-b", root.path, "-a", K1], check=True, capture_output=True)
    for version, symbol in (("1.0", "s1"), ("2.0", "s2")):
        files = {"README": version}
        root.source("foo", version, files=files)
        (root.src / f"foo-{version}/foo.ko.in").write_bytes(module("foo", [f"foo{version}"], [symbol], info=[f"version={version}"]))
    (root.modules / K1 / "build/Makefile").write_text("all:\n\t@cp $(M)/foo.ko.in $(M)/foo.ko\n")


def same_as_plain(root):
    found = depmods.indexes(root.modules / K1)
    subprocess.run(["depmod", "-b", root.path, "-a", K1], check=True, capture_output=True)
    assert found == depmods.indexes(root.modules / K1)


def test_life(root):
    """Installation, upgrade, removal, an archived original."""
    stub_root(root)
    original = root.modules / K1 / "kernel/drivers/misc/foo.ko"
    original.parent.mkdir(parents=True)
    original.write_bytes(module("foo", [], ["s3"]))
    for words in (["install", "foo/1.0", "-k", K1], ["install", "foo/2.0", "-k", K1, "--force"], ["install", "--force", "foo/2.0", "-k", K1],
                  ["uninstall", "foo/2.0", "-k", K1], ["install", "foo/2.0", "-k", K1], ["remove", "foo/2.0", "-k", K1], ["remove", "foo/1.0", "--all"]):
        result = root.ok(*words, "--verbose")
        assert "without stubs" not in result.out + result.err, result
        assert (root.tree / ".dkms/stubs" / K1).exists()
        same_as_plain(root)
    assert original.read_bytes() == module("foo", [], ["s3"])


@pytest.mark.parametrize("setting, used", [("yes", True), ("no", False), ("auto", False)])
def test_setting(root, setting, used):
    """docs/compatibility.md: depmod_stubs. A kernel with few compressed modules has no stubs by default."""
    stub_root(root, setting)
    root.ok("install", "foo/1.0", "-k", K1)
    assert (root.tree / ".dkms/stubs" / K1).exists() == used
    same_as_plain(root)


def test_setting_is_checked(root):
    root.framework("depmod_stubs=maybe\n")
    result = root("status")
    assert result.rc == 2 and "depmod_stubs=maybe" in result.err and "Use auto, yes or no." in result.err, result


def test_default_is_quick_for_many_modules(root):
    stub_root(root, "auto")
    for i in range(5, 70):
        (root.modules / K1 / f"kernel/m{i}.ko.xz").write_bytes(pack(module(f"m{i}", [f"s{i}"], [f"s{i - 1}"]), ".ko.xz"))
    root.ok("install", "foo/1.0", "-k", K1)
    assert (root.tree / ".dkms/stubs" / K1).exists()
    same_as_plain(root)


@pytest.mark.parametrize("jobs, prepared", [("2", True), ("0", True), ("1", False)])
def test_stubs_are_made_during_the_build(root, jobs, prepared):
    """A free slot is used. With one slot, depmod makes the stubs after the build."""
    stub_root(root)
    source = root.src / "foo-1.0"
    (source / "wait.sh").write_text(f"#!/bin/sh\nsleep {Crowd.SECONDS} || true\n")
    (source / "wait.sh").chmod(0o755)
    with (source / "dkms.conf").open("a") as conf:
        conf.write('PRE_BUILD="wait.sh"\n')
    store = root.tree / ".dkms/stubs" / K1
    with subprocess.Popen([*root.command(), "install", "foo/1.0", "-k", K1, "-j", jobs], stdout=subprocess.PIPE, text=True) as install:
        Crowd().wait(1, install)
        if prepared:
            eventually(store.exists)
        else:
            eventually(lambda: len(family(install.pid)) > 2)
            assert not store.exists()
        Crowd().release()
        assert install.communicate(timeout=60)[0].count("Running depmod") == 1 and install.returncode == 0
    same_as_plain(root)


def test_a_failed_build_ends_the_preparation(root, tmp_path):
    """depmod will not run, so nothing waits for the stubs, and no process is left."""
    stub_root(root)
    (root.src / "foo-1.0/Makefile").write_text("all:\n\tfalse\n")
    with (root.src / "foo-1.0/dkms.conf").open("a") as conf:
        conf.write('PRE_BUILD="fail.sh"\n')
    fifo = root.modules / K1 / "kernel/m0.ko.xz"
    fail = root.src / "foo-1.0/fail.sh"
    fail.write_text(f"#!/bin/sh\nsleep {Crowd.SECONDS}\nexit 3\n")
    fail.chmod(0o755)
    with subprocess.Popen([*root.command(), "install", "foo/1.0", "-k", K1, "-j", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as install:
        Crowd().wait(1, install)
        Crowd().release()
        assert "fail.sh" in install.communicate(timeout=60)[1] and install.returncode != 0
    root.settle()
    assert fifo.exists() and root.status() == ["foo/1.0: added"]


def test_stubs_of_a_removed_kernel_are_deleted(root):
    stub_root(root)
    root.ok("install", "foo/1.0", "-k", K1)
    other = root.tree / ".dkms/stubs/9.9.9-gone"
    other.write_text("")
    root.ok("install", "--force", "foo/1.0", "-k", K1)
    assert os.listdir(root.tree / ".dkms/stubs") == [K1] and (root.tree / ".dkms/stubs").stat().st_mode & 0o777 == 0o700


def test_stubs_are_deleted_when_they_are_not_wanted(root):
    stub_root(root)
    root.ok("install", "foo/1.0", "-k", K1)
    assert os.listdir(root.tree / ".dkms/stubs") == [K1]
    root.framework("depmod_stubs=no\n")
    root.ok("install", "--force", "foo/1.0", "-k", K1)
    assert os.listdir(root.tree / ".dkms/stubs") == []
    same_as_plain(root)


def test_silent_unless_verbose(root, tmp_path):
    """When depmod runs on the modules themselves, only --verbose prints why."""
    stub_root(root)
    (root.modules / K1 / "kernel/m9.ko.lz4").write_text("")
    result = root.ok("install", "foo/1.0", "-k", K1)
    assert "stubs" not in result.out + result.err
    result = root.ok("install", "foo/1.0", "-k", K1, "--force", "--verbose")
    assert "running depmod without stubs: a module has an unknown compression" in result.out + result.err, result
    same_as_plain(root)
