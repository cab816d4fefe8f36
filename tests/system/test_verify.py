"""dkms verify: whether the kernel that boots next will have its modules, in a small machine with a kernel of a few symbols."""
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from conftest import ARCH, K1, K2, as_nobody, eventually

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
from kernels import bzimage, newc, vmlinux  # noqa: E402
from modules import full_module  # noqa: E402

CONFIG = {"x86_64": "CONFIG_X86_64=y\nCONFIG_64BIT=y\n", "aarch64": "CONFIG_ARM64=y\nCONFIG_64BIT=y\n"}.get(ARCH, "")
OPTIONS = CONFIG + "CONFIG_MODULES=y\nCONFIG_MODVERSIONS=y\nCONFIG_MODULE_FORCE_LOAD=y\n"
SYMBOLS = {"module_layout": 0xaa, "_printk": 0xbb, "gpl_one": 0xcc}
EM = {"x86_64": 62, "aarch64": 183, "i686": 3, "s390x": 22, "ppc64le": 21, "riscv64": 243}


def vermagic(release=K1):
    return f"{release} SMP preempt mod_unload modversions "


def module(name, release=K1, needs=("_printk",), versions=None, info=(), license="GPL", flags=None, **keywords):
    crcs = {"module_layout": SYMBOLS["module_layout"], **{need: SYMBOLS.get(need, 7) for need in needs}, **(versions or {})}
    return full_module(name, versions={k: v for k, v in crcs.items() if v is not None}, needs=needs,
                       info=[f"license={license}", f"vermagic={flags or vermagic(release)}", *info], machine=EM[ARCH], filler=512, **keywords)


class Machine:
    """A root whose kernel is in /boot, with a boot menu, and with modules of its own."""

    def __init__(self, root):
        self.root = root
        for release in (K1, K2):
            self.kernel(release)
        self.menu(K1)
        (root.path / "sys/firmware").mkdir(parents=True) # no EFI

    def kernel(self, release, options=OPTIONS, symbols=None, btf=b"", headers=True):
        """@btf: its type information; @headers: its headers have it, too"""
        root, values = self.root, {**SYMBOLS, **(symbols or {})}
        (root.path / "boot").mkdir(exist_ok=True)
        plain = vmlinux([(name, crc, name.startswith("gpl"), "") for name, crc in values.items()], [f"Linux version {release} (x)", vermagic(release)], btf)
        (root.path / f"boot/vmlinuz-{release}").write_bytes(bzimage(gzip.compress(plain, mtime=0), release, len(plain)))
        (root.path / f"boot/config-{release}").write_text(options)
        (root.path / f"boot/initrd.img-{release}").write_bytes(newc([("init", b"#!/bin/sh\n")]))
        root.kernel(release, config=options)
        build, own = root.modules / release / "build", root.modules / release / "kernel/lib"
        (build / "include/generated").mkdir(parents=True, exist_ok=True)
        (build / "include/generated/utsrelease.h").write_text(f'#define UTS_RELEASE "{release}"\n')
        if btf and headers:
            (build / "vmlinux").write_bytes(plain)
        self.symvers(release, values)
        own.mkdir(parents=True, exist_ok=True)
        (own / "own.ko").write_bytes(module("own", release, info=["intree=Y"]))
        (root.modules / release / "modules.order").write_text("kernel/lib/own.ko\n")
        (root.modules / release / "modules.builtin").write_text("kernel/lib/inside.ko\n")
        self.depmod(release)

    def symvers(self, release, values):
        (self.root.modules / release / "build/Module.symvers").write_text(
            "".join(f"{crc:#010x}\t{name}\tvmlinux\tEXPORT_SYMBOL{'_GPL' if name.startswith('gpl') else ''}\t\n" for name, crc in values.items()))

    def depmod(self, release=K1):
        subprocess.run(["depmod", "-b", self.root.path, release], check=True)

    def menu(self, release, cmdline="root=/dev/sda1 quiet"):
        (self.root.path / "boot/grub").mkdir(parents=True, exist_ok=True)
        (self.root.path / "boot/grub/grub.cfg").write_text(
            f'set default="0"\nmenuentry \'Debian\' {{\n\tlinux /boot/vmlinuz-{release} {cmdline}\n\tinitrd /boot/initrd.img-{release}\n}}\n')

    def source(self, name="foo", content=None, extra="", version="1.0"):
        self.root.source(name, version, extra=extra)
        (self.root.src / f"{name}-{version}/{name}.c").write_bytes(content if content is not None else module(name))

    def install(self, name="foo", content=None, release=K1, extra=""):
        self.source(name, content, extra)
        self.root.ok("install", f"{name}/1.0", "-k", release)

    def file(self, name="foo", release=K1):
        return self.root.modules / release / f"updates/dkms/{name}.ko"

    def verify(self, *words):
        """Returns: the exit status, and the document."""
        result = self.root("verify", "--json", *words)
        return result.rc, json.loads(result.out)

    def answer(self, *words):
        """Returns: the exit status, the verdict, the answer and the codes of the only module."""
        rc, document = self.verify(*words)
        (kernel,) = document["kernels"]
        (found,) = kernel["modules"]
        codes = [finding["code"] for part in [found, *found["files"]] for finding in part["findings"]]
        return rc, found["verdict"], [file["answer"] for file in found["files"]], codes


@pytest.fixture
def machine(root):
    return Machine(root)


# ---- all is well ----

def test_all_load(machine):
    machine.install()
    result = machine.root.ok("verify")
    assert result.out == f"The module loads in {K1}, which boots next (GRUB).\n" and result.err == ""
    machine.install("bar")
    assert machine.root.ok("verify").out == f"2 modules load in {K1}, which boots next (GRUB).\n"
    assert machine.root.ok("verify", "--quiet-if-ok").out == ""
    assert machine.root.ok("verify", "-k", K1, "foo").out == f"The module loads in {K1}, which boots next (GRUB).\n"
    rc, document = machine.verify()
    (kernel,) = document["kernels"]
    assert rc == 0 and kernel["next_boot"] and kernel["verdict"] == "loads" and kernel["boot"]["loader"] == "grub"
    assert kernel["boot"]["initrds"] == [f"/boot/initrd.img-{K1}"] and kernel["policy"]["enforced"] is False
    assert document["summary"] == {"ok": 2, "warnings": 0, "problems": 0, "unknown": 0, "excluded": 0}
    assert [(m["module"], m["files"][0]["answer"], m["files"][0]["taint"]) for m in kernel["modules"]] == [("bar", "loads", "O"), ("foo", "loads", "O")]


def test_nothing_is_expected(machine):
    assert machine.root.ok("verify").out == f"No module is expected in {K1}, which boots next (GRUB).\n"
    machine.source(extra='AUTOINSTALL="no"\n')
    machine.root.ok("add", "foo/1.0")
    assert "No module is expected" in machine.root.ok("verify").out


def test_other_kernels(machine):
    machine.install()
    assert machine.root.ok("verify", "-k", K1).rc == 0
    result = machine.root("verify", "-k", K2)
    assert result.rc == 30 and f"Kernel {K2}:" in result.out and f"dkms install foo/1.0 -k {K2}" in result.out
    rc, document = machine.verify("--all-kernels")
    assert rc == 30 and [(k["release"], k["next_boot"], k["verdict"]) for k in document["kernels"]] == [(K1, True, "loads"), (K2, False, "problem")]
    shutil.rmtree(machine.root.modules / K2 / "build") # a kernel without headers is judged all the same
    assert machine.verify("--all-kernels")[0] == 30
    result = machine.root("verify", "-k", "6.9.9-nope")
    assert result.rc == 21 and "6.9.9-nope is not installed" in result.err


def test_an_index_describes_a_module_that_was_signed_again(machine):
    """A new signature changes nothing that depmod reads, so depmod is not due. It stays due if it was."""
    machine.root.framework("try_sign_modules=true\n")
    machine.root.keys()
    machine.kernel(K1, OPTIONS + 'CONFIG_MODULE_SIG_HASH="sha256"\n')
    machine.install()
    for _ in range(2):
        machine.root.ok("sign", "--all", "--force")
        assert machine.answer() == (0, "loads", ["loads"], [])
    os.utime(machine.file())
    assert machine.answer()[3] == ["depmod-due"]
    machine.root.ok("sign", "--all", "--force")
    assert machine.answer()[3] == ["depmod-due"]
    machine.depmod()
    assert machine.answer()[3] == []


def test_signing_names_boot_images(machine):
    """The last line of 'dkms sign' names a boot image that contains a module with its old signature, and how to make it again."""
    machine.root.framework("try_sign_modules=true\n")
    machine.root.keys()
    machine.kernel(K1, OPTIONS + 'CONFIG_MODULE_SIG_HASH="sha256"\n')
    machine.install("foo", module("foo", info=["srcversion=A1"]))
    image = machine.root.path / f"boot/initrd.img-{K1}"
    (machine.root.path / "usr/sbin").mkdir(parents=True, exist_ok=True)
    for program in ("update-initramfs", "mkinitramfs"):
        (machine.root.path / "usr/sbin" / program).write_text("")
    image.write_bytes(newc([("init", b""), (f"usr/lib/modules/{K1}/updates/dkms/foo.ko", machine.file().read_bytes())]))
    assert "boot image" not in machine.root.ok("sign", "--all").err # nothing was signed
    (machine.root.tree / "mok.key").unlink()
    (machine.root.tree / "mok.pub").rename(machine.root.tree / "mok.pub.1")
    machine.root.ok("generate_mok")
    result = machine.root.ok("sign", "--all")
    assert f"Warning: The boot image /boot/initrd.img-{K1} still contains foo with another signature. To make the image again, run 'update-initramfs -u -k {K1}'." in result.err, result
    image.write_bytes(newc([("init", b""), (f"usr/lib/modules/{K1}/updates/dkms/foo.ko", machine.file().read_bytes())]))
    assert "boot image" not in machine.root.ok("sign", "--all").err
    image.write_bytes(newc([("init", b"")]))
    assert "boot image" not in machine.root.ok("sign", "--all", "--force").err


FEATURES = "kmod version {}\0+ZSTD -XZ +ZLIB +LIBCRYPTO -EXPERIMENTAL"


@pytest.mark.parametrize("suffix, kmod, options, readable", [
    (".zst", 30, "", True), (".xz", 30, "", False), (".xz", 30, "CONFIG_MODULE_DECOMPRESS=y\nCONFIG_MODULE_COMPRESS_XZ=y\n", False),
    (".xz", 31, "", False), (".xz", 31, "CONFIG_MODULE_DECOMPRESS=y\nCONFIG_MODULE_COMPRESS_XZ=y\n", True),
    (".xz", 34, "CONFIG_MODULE_DECOMPRESS=y\nCONFIG_MODULE_COMPRESS_ZSTD=y\n", False), (".xz", None, "", True)])
def test_who_decompresses(machine, suffix, kmod, options, readable):
    """modprobe, by the words in its program, or the kernel, which modprobe asks since version 31. kmod: None: an unknown modprobe"""
    machine.kernel(K1, OPTIONS + options)
    (machine.root.path / "usr/bin").mkdir(parents=True, exist_ok=True)
    (machine.root.path / "usr/bin/kmod").write_text(f"\x7fELF\0{FEATURES.format(kmod) if kmod else 'busybox'}\0")
    (machine.root.modules / K1 / f"kernel/lib/x.ko{suffix}").write_bytes(b"")
    machine.install()
    assert [path.suffix for path in (machine.root.modules / K1 / "updates/dkms").iterdir()] == [suffix]
    machine.depmod()
    rc, verdict, answers, codes = machine.answer()
    assert ("suffix-unreadable" in codes, answers == ["hidden"], rc == 30) == (not readable, not readable, not readable), (verdict, codes)


# ---- what is wrong ----

def broken_source(machine):
    machine.install()
    shutil.rmtree(machine.root.src / "foo-1.0")


def never_tried(machine):
    machine.source()
    machine.root.ok("add", "foo/1.0")


def failed(machine):
    machine.source(extra='MAKE[0]="false"\n')
    assert machine.root("install", "foo/1.0", "-k", K1).rc == 10


def excluded(machine):
    machine.source(extra='BUILD_EXCLUSIVE_KERNEL_MIN="99"\n')
    machine.root.ok("add", "foo/1.0")


def not_installed(machine):
    machine.source()
    machine.root.ok("build", "foo/1.0", "-k", K1)


def changed_headers(machine):
    machine.install()
    (machine.root.modules / K1 / "build/include/config/auto.conf").write_text(OPTIONS + "CONFIG_NEW=y\n")


def missing(machine):
    machine.install()
    machine.file().unlink()


def differs(machine):
    machine.install()
    machine.file().write_bytes(module("foo", info=["other=1"]))


def no_index(machine):
    machine.install()
    (machine.root.modules / K1 / "modules.dep.bin").unlink()


def not_indexed(machine):
    machine.install()
    shutil.move(machine.file(), machine.root.path / "foo.ko")
    machine.depmod()
    shutil.move(machine.root.path / "foo.ko", machine.file())


def newer_than_index(machine):
    machine.install()
    os.utime(machine.root.modules / K1 / "modules.dep.bin", (1, 1))


def shadowed(machine):
    machine.install()
    (machine.root.modules / K1 / "extra").mkdir()
    (machine.root.modules / K1 / "extra/foo.ko").write_bytes(module("foo"))
    (machine.root.path / "etc/depmod.d").mkdir()
    (machine.root.path / "etc/depmod.d/x.conf").write_text("search extra updates built-in\n")
    subprocess.run(["depmod", "-C", machine.root.path / "etc/depmod.d", "-b", machine.root.path, K1], check=True)


def built_in(machine):
    machine.install("inside")


def no_module(machine):
    machine.install()
    content = b"nothing that a kernel reads"
    for path in (machine.file(), machine.root.tree / f"foo/1.0/{K1}/{ARCH}/module/foo.ko"):
        path.write_bytes(content)


def replaced(**change):
    """The file and the built one are another module than the one that was checked after the build."""
    def change_it(machine):
        machine.install()
        content = module("foo", **change)
        for path in (machine.file(), machine.root.tree / f"foo/1.0/{K1}/{ARCH}/module/foo.ko"):
            path.write_bytes(content)
        machine.depmod()
    return change_it


def other_kernel(machine):
    """The same release, built again with other symbols."""
    machine.install()
    machine.kernel(K1, symbols={"_printk": 0xb0})


def other_layout(machine):
    machine.install()
    machine.kernel(K1, symbols={"module_layout": 0xa0})


def other_headers(machine):
    machine.install()
    machine.symvers(K1, {**SYMBOLS, "gpl_one": 0xc0})


def other_types(kernel, options=""):
    """The image @kernel has other types than the headers, if it is not b"types"."""
    def make(machine):
        config = OPTIONS + "CONFIG_DEBUG_INFO_BTF_MODULES=y\n" + options
        machine.kernel(K1, config, btf=b"types")
        machine.install(content=module("foo", btf=(".BTF",)))
        machine.kernel(K1, config, btf=kernel, headers=False)
    return make


def enforced(machine):
    machine.install()
    machine.kernel(K1, OPTIONS + "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_FORCE=y\n")


def forbidden(machine):
    machine.install()
    machine.menu(K1, "quiet module_blacklist=bar,foo")


WRONG = {
    "source gone": (broken_source, 0, "warning", ["loads"], "source-gone"),
    "never tried": (never_tried, 30, "problem", [], "never-tried"),
    "build failed": (failed, 30, "problem", [], "build-failed"),
    "excluded": (excluded, 0, "excluded", [], "excluded"),
    "not installed": (not_installed, 30, "problem", [], "not-installed"),
    "changed headers": (changed_headers, 0, "warning", ["loads"], "inputs-changed"),
    "missing": (missing, 30, "problem", ["absent"], "file-missing"),
    "differs": (differs, 30, "problem", ["loads"], "file-differs"),
    "no index": (no_index, 30, "problem", ["loads"], "index-unreadable"),
    "not indexed": (not_indexed, 30, "problem", ["hidden"], "not-indexed"),
    "newer than the index": (newer_than_index, 0, "warning", ["loads"], "depmod-due"),
    "shadowed": (shadowed, 30, "problem", ["hidden"], "shadowed"),
    "built in": (built_in, 30, "problem", ["hidden"], "built-in"),
    "no module": (no_module, 30, "problem", ["refused"], "not-elf"),
    "crc": (replaced(versions={"_printk": 1}), 30, "problem", ["refused"], "crc"),
    "crc missing": (replaced(versions={"_printk": None}), 30, "problem", ["refused"], "crc-missing"),
    "layout": (replaced(versions={"module_layout": 1}), 30, "problem", ["refused"], "layout-crc"),
    "undefined": (replaced(needs=("nowhere",)), 30, "problem", ["refused"], "undefined"),
    "weak": (replaced(weak=("nowhere",)), 0, "loads", ["loads"], None),
    "gpl only": (replaced(needs=("gpl_one",), license="MIT"), 30, "problem", ["refused"], "gpl-only"),
    "duplicate": (replaced(exports=[("gpl_one", 1, False, "")]), 30, "problem", ["refused"], "duplicate-export"),
    "own export": (replaced(exports=[("mine", 1, False, "")]), 0, "loads", ["loads"], None),
    "other release": (replaced(release="6.0.0-other"), 0, "loads", ["loads"], "other-release"),
    "other flags": (replaced(flags=f"{K1} SMP mod_unload modversions "), 30, "problem", ["refused"], "other-flags"),
    "stripped": (replaced(tables=0), 30, "problem", ["refused"], "stripped-symbols"),
    "other kernel": (other_kernel, 30, "problem", ["refused"], "crc"),
    "other layout": (other_layout, 30, "problem", ["refused"], "layout-crc"),
    "other headers": (other_headers, 0, "warning", ["loads"], "headers-of-another-build"),
    "types": (other_types(b"types"), 0, "loads", ["loads"], None),
    "other types": (other_types(b"others"), 30, "problem", ["refused"], "btf-mismatch"),
    "other types, tolerated": (other_types(b"others", "CONFIG_MODULE_ALLOW_BTF_MISMATCH=y\n"), 0, "warning", ["loads"], "btf-mismatch"),
    "unsigned": (enforced, 30, "problem", ["refused"], "unsigned"),
    "forbidden": (forbidden, 30, "problem", ["refused"], "cmdline-blacklist"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong(machine, name):
    make, rc, verdict, answers, code = WRONG[name]
    make(machine)
    found = machine.answer()
    assert found[:3] == (rc, verdict, answers) and (code in found[3] if code else found[3] == []), found
    if code is None:
        return
    text = machine.root("verify", "--verbose")
    assert text.rc == rc and f"({code})" in text.out
    if rc == 30:
        assert "PROBLEM: " in text.out and text.err == f"\nError! 1 of 1 modules will not be there after a boot of {K1}.\n"


def test_a_module_needs_another(machine):
    """The symbols of other modules of dkms are found; if such a module does not load, neither does the one that needs it."""
    machine.install("bar", module("bar", exports=[("bar_open", 5, False, "")]))
    machine.install("foo", module("foo", needs=("bar_open",), versions={"bar_open": 5}))
    machine.depmod()
    assert machine.root.ok("verify").out == f"2 modules load in {K1}, which boots next (GRUB).\n"
    machine.kernel(K1, symbols={"_printk": 0xb0})
    rc, document = machine.verify()
    codes = {m["module"]: [f["code"] for f in m["files"][0]["findings"]] for m in document["kernels"][0]["modules"]}
    assert rc == 30 and codes["bar"] == ["crc"] and "dependency" in codes["foo"]


def test_a_symbol_of_another_module_changed(machine):
    machine.install("bar", module("bar", exports=[("bar_open", 5, False, "")]))
    machine.install("foo", module("foo", needs=("bar_open",), versions={"bar_open": 6}))
    machine.depmod()
    rc, document = machine.verify("foo")
    assert rc == 30 and [f["code"] for f in document["kernels"][0]["modules"][0]["files"][0]["findings"]] == ["crc"]


# ---- options ----

def test_strict_and_monitor(machine):
    machine.install()
    changed_headers(machine)
    assert machine.root("verify").rc == 0 and machine.root("verify", "--strict").rc == 30
    result = machine.root("verify", "--monitor")
    assert result.rc == 1 and result.err == ""
    assert result.out == "DKMS WARNING - 0 modules will not load | modules=1;;;0 problems=0;;1 warnings=1 unknown=0\n"
    machine.file().unlink()
    result = machine.root("verify", "--monitor")
    assert result.rc == 2 and result.out.startswith("DKMS CRITICAL - 1 modules will not load | modules=1;;;0 problems=1;;1 ")


def test_words(machine):
    machine.install()
    result = machine.root("verify", "nope")
    assert result.rc == 3 and "nope is not registered" in result.err
    result = machine.root("verify", "foo/2.0")
    assert result.rc == 3 and "foo/2.0 is not registered" in result.err


def test_next_kernel_without_modules(machine):
    machine.install()
    machine.menu("6.9.9-gone")
    (machine.root.path / "boot/vmlinuz-6.9.9-gone").write_bytes(bzimage(gzip.compress(b"x"), "6.9.9-gone"))
    result = machine.root("verify")
    assert result.rc == 30 and "6.9.9-gone, has no modules" in result.err


def test_no_menu(machine):
    machine.install()
    shutil.rmtree(machine.root.path / "boot/grub")
    result = machine.root("verify", "--verbose")
    assert "the newest kernel" in result.out
    assert machine.verify()[1]["kernels"][0]["boot"]["confidence"] == "unknown"


# ---- what cannot be read ----

def test_user_without_rights(machine):
    """What a user may not read is unknown, and never missing or wrong."""
    machine.install()
    (machine.root.path / f"boot/vmlinuz-{K1}").chmod(0o600)
    (machine.root.modules / K1 / "build/Module.symvers").unlink()
    result = as_nobody(machine.root, "verify", "--json")
    (found,) = json.loads(result.out)["kernels"][0]["modules"]
    assert result.rc == 31 and found["verdict"] == "unknown", found
    assert [finding["code"] for finding in found["files"][0]["findings"]] == ["symbols-unknown"]


def test_user_who_cannot_read_a_module(machine):
    machine.install()
    (module,) = (machine.root.modules / K1 / "updates/dkms").glob("foo.ko*")
    module.chmod(0o600)
    result = as_nobody(machine.root, "verify", "--json")
    (found,) = json.loads(result.out)["kernels"][0]["modules"]
    codes = [(finding["code"], finding["result"]) for finding in found["files"][0]["findings"]]
    assert result.rc == 31 and found["verdict"] == "unknown" and ("needs-root", "unknown") in codes, found
    assert all(how == "unknown" for _, how in codes), codes


def test_answers_are_remembered(machine):
    """The second look starts no helper that reads the kernel."""
    machine.install()
    machine.root.ok("verify")
    facts = machine.root.tree / ".dkms/facts"

    def stored():
        machine.root.ok("verify")
        return {path.name: path.stat().st_mtime_ns for path in facts.glob("*")}
    def settled():
        before = stored()
        return any("modules-" in name for name in before) and stored() == before
    eventually(settled) # not while the files have just changed
    assert any(name.startswith("kernel-") for name in stored())


def test_nothing_is_changed(machine):
    machine.install()
    before = machine.root.snapshot()
    machine.root.ok("verify", "--verbose")
    machine.root("verify", "--all-kernels")
    assert machine.root.snapshot() == before
