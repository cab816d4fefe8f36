"""dkms-facts: what a kernel image says about the modules that it loads."""
import gzip
import hashlib
import lzma
import os
import pathlib
import re
import subprocess
import sys

import pytest
from conftest import DKMS, strace

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
from kernels import bzimage, newc, vmlinux  # noqa: E402
from modules import pack  # noqa: E402

HELPER = pathlib.Path(DKMS).resolve().parent / "helpers/dkms-facts"
K = "6.1.0-1-test"
SYMBOLS = [("_printk", 0x12345678, False, ""), ("kfree", 0xdeadbeef, False, ""), ("gpl_one", 1, True, ""), ("spaced", 0x80000000, True, "DMA_BUF")]
LINES = ["12345678 _printk any ", "deadbeef kfree any ", "00000001 gpl_one gpl ", "80000000 spaced gpl DMA_BUF"]
VERMAGIC = f"{K} SMP preempt mod_unload modversions "
TEXTS = [f"Linux version {K} (x)", f"{K} (x) #1 SMP", VERMAGIC]


def facts(path, release=K):
    return ask("kernel", path, release)


def ask(*words):
    result = subprocess.run([HELPER, *words], capture_output=True, check=True, timeout=60)
    words = result.stdout.decode().split("\0")
    assert words.pop() == "" and len(words) % 2 == 0
    found = {}
    for key, value in zip(words[::2], words[1::2]):
        found.setdefault(key, []).append(value)
    assert found.pop("end") == [""] and result.stderr == b""
    return found


def zstd(data):
    return subprocess.run(["zstd", "-cq"], input=data, capture_output=True, check=True).stdout


COMPRESSORS = {"gzip": gzip.compress, "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32), "zstd": zstd}


@pytest.mark.parametrize("name", [*COMPRESSORS, None])
def test_kernel(tmp_path, name):
    """The symbols, the version text and the digest of the type information."""
    plain = vmlinux(SYMBOLS, TEXTS, b"types")
    (tmp_path / "vmlinuz").write_bytes(bzimage(COMPRESSORS[name](plain), size=len(plain)) if name else plain)
    assert facts(tmp_path / "vmlinuz") == {"symbol": LINES, "vermagic": [VERMAGIC], "btf": [hashlib.sha256(b"types").hexdigest()]}


def test_without_crcs(tmp_path):
    (tmp_path / "vmlinux").write_bytes(vmlinux(SYMBOLS, [f"{K} SMP mod_unload "], crcs=False))
    found = facts(tmp_path / "vmlinux")
    assert found["symbol"][0] == "- _printk any " and found["vermagic"] == [f"{K} SMP mod_unload "] and "btf" not in found


@pytest.mark.parametrize("text", ["6.1.0-1-testing SMP ", f"x{K} SMP preempt ", f"{K} SMP with other words", f"{K}", f"{K} "])
def test_other_texts_are_no_version(tmp_path, text):
    (tmp_path / "vmlinux").write_bytes(vmlinux(SYMBOLS, [text]))
    assert "vermagic" not in facts(tmp_path / "vmlinux")


UNREADABLE = {
    "empty": (b"", "empty"), "text": (b"x" * 4096, "known format"), "lz4": (bzimage(b"LZ4!" * 100), "compressed in a way"),
    "cut off": (bzimage(gzip.compress(b"x" * 1000)[:-10]), "decompressed"), "no ELF file": (bzimage(gzip.compress(b"not a kernel" * 100)), ""),
    "no symbols": (vmlinux([]), "exports no symbols"), "half an ELF file": (vmlinux(SYMBOLS)[:600], ""),
    "no table": (vmlinux(SYMBOLS).replace(b"__ksymtab_strings", b"__ksymtab_strange"), "no table")}


@pytest.mark.parametrize("name", UNREADABLE)
def test_why_it_cannot_be_read(tmp_path, name):
    content, why = UNREADABLE[name]
    (tmp_path / "vmlinuz").write_bytes(content)
    found = facts(tmp_path / "vmlinuz")
    assert "symbol" not in found and why in found["error"][0], found


def test_a_missing_file(tmp_path):
    assert "cannot be read" in facts(tmp_path / "nothing")["error"][0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to drop")
def test_it_has_no_rights_when_it_parses(tmp_path):
    (tmp_path / "vmlinuz").write_bytes(vmlinux(SYMBOLS))
    calls = strace("-e", "trace=setresuid,setuid,prctl,mmap,openat", HELPER, "kernel", tmp_path / "vmlinuz", K).stderr
    opened = calls.index("vmlinuz")
    dropped = re.search(r"set(res)?uid\(65534", calls[opened:])
    assert dropped and "PR_SET_NO_NEW_PRIVS" in calls[opened:]
    assert "openat" not in calls[opened + dropped.end():], "no file is opened afterwards"


# ---- boot images ----

MICROCODE = [("kernel/x86/microcode/GenuineIntel.bin", b"code" * 100)]
FILES = [("init", b"#!/bin/sh\n"), (f"usr/lib/modules/{K}/updates/dkms/foo.ko", b"first"), (f"lib/modules/{K}/kernel/bar.ko.xz", pack(b"bar", ".ko.xz")),
         ("etc/modprobe.d/x.conf", b"blacklist y\n"), ("usr/lib/modules/extra.ko", b"flat"), ("bin/foo.ko", b"no module")]


def line(path, content):
    return f"{hashlib.sha256(content).hexdigest()} {path}"


EXPECTED = {"module": [line(f"usr/lib/modules/{K}/updates/dkms/foo.ko", b"first"), line(f"lib/modules/{K}/kernel/bar.ko.xz", b"bar"), line("usr/lib/modules/extra.ko", b"flat")],
            "config": [line("etc/modprobe.d/x.conf", b"blacklist y\n")]}


def image(tmp_path, content):
    (tmp_path / "initrd").write_bytes(content)
    return ask("image", tmp_path / "initrd")


@pytest.mark.parametrize("name", [*COMPRESSORS, None])
def test_image(tmp_path, name):
    """Microcode, zeros, a compressed archive and a boot configuration, one after the other."""
    pack_up = COMPRESSORS[name] if name else lambda data: data
    config = b"kernel.quiet\n"
    end = config + len(config).to_bytes(4, "little") + bytes(4) + b"#BOOTCONFIG\n"
    assert image(tmp_path, newc(MICROCODE) + bytes(512 - 4) + pack_up(newc(FILES)) + end) == EXPECTED


def test_every_part_of_an_image_counts(tmp_path):
    """Modules can be in an uncompressed early part, and a later file replaces an earlier one."""
    early = newc([(f"usr/lib/modules/{K}/updates/dkms/foo.ko", b"old")])
    found = image(tmp_path, early + bytes(8) + gzip.compress(newc(FILES[:2])) + zstd(newc(FILES[2:], b"070702")))
    assert found == {"module": [line(f"usr/lib/modules/{K}/updates/dkms/foo.ko", b"old"), *EXPECTED["module"]], "config": EXPECTED["config"]}


def test_an_inner_file_system(tmp_path):
    assert image(tmp_path, newc([("squashfs-root.img", b"hsqs")])) == {"inner": ["squashfs-root.img"]}


DAMAGED = {
    "empty": (b"", "empty"), "text": (b"x" * 500, "unknown format"), "no end": (newc(FILES, trailer=False), "cut off"), "cut off": (newc(FILES)[:200], "cut off"),
    "compressed, cut off": (gzip.compress(newc(FILES))[:-20], "decompressed"), "no number": (newc(FILES).replace(b"070701", b"07070Z", 1), "unknown format"),
    "a bad number": (newc(FILES)[:54] + b"zzzzzzzz" + newc(FILES)[62:], "damaged"), "a large file": (newc(FILES)[:54] + b"ffffffff" + newc(FILES)[62:], "cut off"),
    "nested": (gzip.compress(gzip.compress(gzip.compress(newc(FILES)))), "several times"), "lz4": (newc(MICROCODE) + b"\x02\x21\x4c\x18" + bytes(60), "unknown format"),
    "configuration": (newc(FILES) + b"\xff\xff\xff\xff" + bytes(4) + b"#BOOTCONFIG\n", "configuration")}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_images(tmp_path, name):
    content, why = DAMAGED[name]
    assert why in image(tmp_path, content)["error"][0]
