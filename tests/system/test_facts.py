"""dkms-facts: what a kernel image says about the modules that it loads."""
import bz2
import gzip
import hashlib
import lzma
import os
import pathlib
import re
import struct
import subprocess
import sys

import pytest
from conftest import DKMS, strace

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
from kernels import bzimage, certificate_list, newc, unified, vmlinux  # noqa: E402
from modules import Elf, module, pack  # noqa: E402

HELPER = pathlib.Path(DKMS).resolve().parent / "helpers/dkms-facts"
K = "6.1.0-1-test"
SYMBOLS = [("_printk", 0x12345678, False, ""), ("kfree", 0xdeadbeef, False, ""), ("gpl_one", 1, True, ""), ("spaced", 0x80000000, True, "DMA_BUF")]
LINES = ["12345678 _printk any ", "deadbeef kfree any ", "00000001 gpl_one gpl ", "80000000 spaced gpl DMA_BUF"]
VERSION = f"{K} (builder@host) #1 SMP"
VERMAGIC = f"{K} SMP preempt mod_unload modversions "
TEXTS = [f"Linux version {K} (x)", f"{K} (x) #1 SMP", VERMAGIC]


def facts(path, release=K):
    return ask("kernel", release, path)


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


def lz4(data):
    return subprocess.run(["lz4", "-lcq"], input=data, capture_output=True, check=True).stdout


def lzop(data, *options):
    return subprocess.run(["lzop", "-c", *options], input=data, capture_output=True, check=True).stdout


def lzma_alone(data):
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


# The second line: not for modules.
COMPRESSORS = {"gzip": gzip.compress, "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32), "zstd": zstd,
               "lz4": lz4, "lzma": lzma_alone, "bzip2": bz2.compress, "lzop": lzop}


@pytest.mark.parametrize("name", [*COMPRESSORS, None])
def test_kernel(tmp_path, name):
    """The symbols, the version text and the digest of the type information."""
    plain = vmlinux(SYMBOLS, TEXTS, b"types")
    (tmp_path / "vmlinuz").write_bytes(bzimage(COMPRESSORS[name](plain), size=len(plain)) if name else plain)
    version = {"version": [VERSION]} if name else {}
    assert facts(tmp_path / "vmlinuz") == {**version, "symbol": LINES, "vermagic": [VERMAGIC], "btf": [hashlib.sha256(b"types").hexdigest()]}


def test_version(tmp_path):
    (tmp_path / "vmlinuz").write_bytes(bzimage(gzip.compress(vmlinux(SYMBOLS)), K))
    assert facts(tmp_path / "vmlinuz")["version"] == [VERSION]
    (tmp_path / "vmlinuz").write_bytes(bzimage(b"damaged", K))
    found = facts(tmp_path / "vmlinuz")
    assert found["version"] == [VERSION] and "symbol" not in found


def test_one_table_of_symbols(tmp_path):
    """Newer kernels have a byte for each symbol, instead of a table for each kind."""
    (tmp_path / "vmlinux").write_bytes(vmlinux(SYMBOLS, flags=True))
    assert facts(tmp_path / "vmlinux")["symbol"] == LINES


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Three certificates, DER."""
    found = []
    for name in ("short", "of Someone " * 5, "third"):
        path = tmp_path_factory.mktemp("keys") / "der"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", os.devnull, "-outform",
                        "DER", "-out", path, "-subj", f"/CN={name}"], check=True, capture_output=True)
        found.append(path.read_bytes())
    return found


def aligned(text):
    return text + bytes(-len(text) % 8)


LISTS = {"none": (lambda c: b"", 0), "one": (lambda c: certificate_list(c[:1], 1), 1), "three": (lambda c: certificate_list(c, 1), 3),
         "of others": (lambda c: certificate_list(c[:2]), 2), "reserved": (lambda c: certificate_list(c, 2, 4096), 3),
         "without sizes": (lambda c: c[0] + b"text" * 20, 0), "other size": (lambda c: aligned(c[0]) + b"\1" * 16, 0),
         "other part": (lambda c: certificate_list(c, 2)[:-1] + b"\1", 0), "cut off": (lambda c: c[0][:-1], 0), "at the end": (lambda c: c[0], 0),
         "behind another": (lambda c: aligned(aligned(c[2]) + b"text" * 20) + certificate_list(c[:1], 1), 1)}


@pytest.mark.parametrize("name", LISTS)
def test_certificates(tmp_path, certificates, name):
    """Certificates that the build of the kernel contained, but no other ones in its image."""
    make, count = LISTS[name]
    (tmp_path / "vmlinux").write_bytes(vmlinux(SYMBOLS, TEXTS, data=make(certificates)))
    assert facts(tmp_path / "vmlinux").get("certificate", []) == [certificate.hex() for certificate in certificates[:count]]


SYMVERS = ("0x12345678\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n0x00000001\tgpl_one\tvmlinux\tEXPORT_SYMBOL_GPL\t\n"
           "0x80000000\tspaced\tvmlinux\tEXPORT_SYMBOL_GPL\tDMA_BUF\n0x5\tother\tdrivers/x/x\tEXPORT_SYMBOL\t\n"
           "0x00000000\tbare\tvmlinux\tEXPORT_SYMBOL\nnonsense\n\n0x1\tshort\n" + "0x7\t" + "x" * 5000 + "\tvmlinux\tEXPORT_SYMBOL\t\n0xff\tlast\tvmlinux\tEXPORT_SYMBOL\t")
LISTED = ["12345678 _printk any ", "00000001 gpl_one gpl ", "80000000 spaced gpl DMA_BUF", "- bare any ", "000000ff last any "]


@pytest.mark.parametrize("suffix", ["", ".ko.gz", ".ko.xz", ".ko.zst"])
def test_symvers(tmp_path, suffix):
    """The symbols of the kernel in a Module.symvers, in the form of those in an image."""
    (tmp_path / "symvers").write_bytes(pack(SYMVERS.encode(), suffix))
    assert ask("symvers", tmp_path / "symvers") == {"symbol": LISTED}
    (tmp_path / "symvers").write_bytes(b"0x1\ta\tdrivers/x/x\tEXPORT_SYMBOL\t\n")
    assert ask("symvers", tmp_path / "symvers") == {"error": ["it lists no symbols of the kernel"]}
    (tmp_path / "symvers").write_bytes(b"")
    assert ask("symvers", tmp_path / "symvers") == {"error": ["it is empty or cannot be read"]}
    assert ask("symvers", tmp_path / "absent") == {"error": ["it is empty or cannot be read"]}


def test_without_crcs(tmp_path):
    (tmp_path / "vmlinux").write_bytes(vmlinux(SYMBOLS, [f"{K} SMP mod_unload "], crcs=False))
    found = facts(tmp_path / "vmlinux")
    assert found["symbol"][0] == "- _printk any " and found["vermagic"] == [f"{K} SMP mod_unload "] and "btf" not in found


@pytest.mark.parametrize("text", ["6.1.0-1-testing SMP ", f"x{K} SMP preempt ", f"{K} SMP with other words", f"{K}", f"{K} "])
def test_other_texts_are_no_version(tmp_path, text):
    (tmp_path / "vmlinux").write_bytes(vmlinux(SYMBOLS, [text]))
    assert "vermagic" not in facts(tmp_path / "vmlinux")


UNREADABLE = {
    "empty": (b"", "empty"), "text": (b"x" * 4096, "known format"), "another": (bzimage(b"\x89LZ\0" * 100), "compressed in a way"),
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
    calls = strace("-e", "trace=setresuid,setuid,prctl,mmap,openat", HELPER, "kernel", K, tmp_path / "vmlinuz").stderr
    opened = calls.index("vmlinuz")
    dropped = re.search(r"set(res)?uid\(65534", calls[opened:])
    assert dropped and "PR_SET_NO_NEW_PRIVS" in calls[opened:]
    assert "openat" not in calls[opened + dropped.end():], "no file is opened afterwards"


# ---- boot images ----

MICROCODE = [("kernel/x86/microcode/GenuineIntel.bin", b"code" * 100)]
FILES = [("init", b"#!/bin/sh\n"), (f"usr/lib/modules/{K}/updates/dkms/foo.ko", b"first"), (f"lib/modules/{K}/kernel/bar.ko.xz", pack(b"bar", ".ko.xz")),
         ("etc/modprobe.d/x.conf", b"blacklist y\nz\n\n"), ("usr/lib/modules/extra.ko", b"flat"), ("bin/foo.ko", b"no module")]


def line(path, content):
    return f"{hashlib.sha256(content).hexdigest()} {path}"


EXPECTED = {"module": [line(f"usr/lib/modules/{K}/updates/dkms/foo.ko", b"first"), line(f"lib/modules/{K}/kernel/bar.ko.xz", b"bar"), line("usr/lib/modules/extra.ko", b"flat")],
            "config": [line("etc/modprobe.d/x.conf", b"blacklist y\nz\n\n")], "text": ["blacklist y\nz"]}


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
    assert found == {"module": [line(f"usr/lib/modules/{K}/updates/dkms/foo.ko", b"old"), *EXPECTED["module"]], "config": EXPECTED["config"], "text": EXPECTED["text"]}


def test_an_inner_file_system(tmp_path):
    assert image(tmp_path, newc([("squashfs-root.img", b"hsqs")])) == {"inner": ["squashfs-root.img"]}


DAMAGED = {
    "empty": (b"", "empty"), "text": (b"x" * 500, "unknown format"), "no end": (newc(FILES, trailer=False), "cut off"), "cut off": (newc(FILES)[:200], "cut off"),
    "compressed, cut off": (gzip.compress(newc(FILES))[:-20], "decompressed"), "no number": (newc(FILES).replace(b"070701", b"07070Z", 1), "unknown format"),
    "a bad number": (newc(FILES)[:54] + b"zzzzzzzz" + newc(FILES)[62:], "damaged"), "a large file": (newc(FILES)[:54] + b"ffffffff" + newc(FILES)[62:], "cut off"),
    "nested": (gzip.compress(gzip.compress(gzip.compress(newc(FILES)))), "several times"), "unknown": (newc(MICROCODE) + b"\x89LZ\0" + bytes(60), "unknown format"),
    "lzop": (lzop(newc(FILES))[:-1], "decompressed"), "lzop, damaged": (lzop(newc(FILES))[:-40] + bytes(40), "decompressed"),
    "lzop, header": (lzop(newc(FILES))[:30], "decompressed"), "lzop, no header": (lzop(newc(FILES))[:9], "decompressed"),
    "lzop, large": (lzop(newc(FILES))[:-4] + b"\x7f\xff\xff\xff" * 20, "decompressed"),
    "bzip2": (bz2.compress(newc(FILES))[:-1], "decompressed"), "bzip2, damaged": (bz2.compress(newc(FILES))[:-5] + bytes(5), "decompressed"), "lz4": (lz4(newc(FILES))[:-10], "unknown format"),
    "lz4, far": (b"\x02\x21\x4c\x18\5\0\0\0\x10a\xff\xff\0", "decompressed"), "lz4, no distance": (b"\x02\x21\x4c\x18\5\0\0\0\x10a\0\0\0", "decompressed"),
    "lz4, no end": (b"\x02\x21\x4c\x18\2\0\0\0\xf0\xff", "decompressed"), "lzma": (lzma_alone(newc(FILES))[:-20], "decompressed"),
    "configuration": (newc(FILES) + b"\xff\xff\xff\xff" + bytes(4) + b"#BOOTCONFIG\n", "configuration")}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_images(tmp_path, name):
    content, why = DAMAGED[name]
    assert why in image(tmp_path, content)["error"][0]


def build_id(identity, size=None, name=b"GNU\0", kind=3):
    return struct.pack("<III", len(name), len(identity) if size is None else size, kind) + name + identity


def identified(note, info=("srcversion=ABC", "vermagic=6.1 SMP")):
    elf = Elf()
    elf.section(".modinfo", b"".join(field.encode() + b"\0" for field in info))
    if note is not None:
        elf.section(".note.gnu.build-id", note, 7)
    elf.tables()
    return elf.bytes()


SIGNED = b"message" + bytes(12) + b"~Module signature appended~\n"


@pytest.mark.parametrize("suffix", [".ko", ".ko.xz", ".ko.gz", ".ko.zst"])
def test_what_identifies_a_module(tmp_path, suffix):
    """In an image and by itself, compressed or not."""
    plain, path = identified(build_id(b"\1\2\xff")) + SIGNED, f"lib/modules/{K}/foo{suffix}"
    expected = {"build-id": ["0102ff"], "srcversion": ["ABC"], "vermagic": ["6.1 SMP"], "signed": ["1"]}
    assert image(tmp_path, newc([(path, pack(plain, suffix))])) == {"module": [line(path, plain)], **expected}
    (tmp_path / f"foo{suffix}").write_bytes(pack(plain, suffix))
    assert ask("module", tmp_path / f"foo{suffix}") == {"module": [line(tmp_path / f"foo{suffix}", plain)], **expected}


@pytest.mark.parametrize("content", [identified(build_id(b"1", size=2)), identified(build_id(b"1", size=0)), identified(build_id(b"x" * 65)), identified(build_id(b"1", kind=1)),
                                     identified(build_id(b"1", name=b"Lin\0")), identified(b"GNU"), identified(None), b"\x7fELF", b""])
def test_modules_without_identity(tmp_path, content):
    found = image(tmp_path, newc([("lib/modules/foo.ko", content)]))
    assert found["module"] == [line("lib/modules/foo.ko", content)] and "build-id" not in found and "signed" not in found


def test_several_modules(tmp_path):
    """The output of each file ends with "end", also after an error."""
    (tmp_path / "one.ko").write_bytes(module("one"))
    (tmp_path / "two.ko.xz").write_bytes(b"\xfd7zXZ\0damaged")
    result = subprocess.run([HELPER, "module", tmp_path / "one.ko", tmp_path / "two.ko.xz", tmp_path / "three.ko"], capture_output=True, check=True, timeout=60)
    ends = [part.split("\0") for part in result.stdout.decode().split("end\0\0")]
    assert len(ends) == 4 and ends[0][:2] == ["module", line(tmp_path / "one.ko", module("one"))] and ends[1][0] == "error" and "decompressed" in ends[1][1]
    assert ends[2][0] == "error" and "cannot be read" in ends[2][1] and ends[3] == [""]


def test_a_module_that_cannot_be_decompressed(tmp_path):
    assert image(tmp_path, newc([("lib/modules/foo.ko.xz", b"\xfd7zXZ\0damaged")])) == {"module": ["- lib/modules/foo.ko.xz"]}


def test_large_configurations_have_no_text(tmp_path):
    for content in (b"#" * 65537, b"a\0b"):
        assert set(image(tmp_path, newc([("etc/modprobe.d/a.conf", content)]))) == {"config"}


# ---- unified kernel images ----

UNAMES = [(".osrel", b"ID=debian\nPRETTY_NAME=\"Debian 13\"\n"), (".cmdline", b"root=/dev/sda1 quiet\n\0"), (".uname", K.encode())]
UNIFIED = {"uname": [K], "cmdline": ["root=/dev/sda1 quiet"], "osrel": ["ID=debian\nPRETTY_NAME=\"Debian 13\""]}


def test_unified_image(tmp_path):
    """Its boot image, its kernel, and its texts."""
    plain = vmlinux(SYMBOLS, TEXTS, b"types")
    kernel = bzimage(gzip.compress(plain), size=len(plain))
    (tmp_path / "k.efi").write_bytes(unified([(".text", b"stub"), *UNAMES, (".linux", kernel), (".initrd", newc(MICROCODE) + zstd(newc(FILES)))]))
    assert ask("image", tmp_path / "k.efi") == {**UNIFIED, **EXPECTED}
    assert ask("unified", tmp_path / "k.efi") == UNIFIED
    assert facts(tmp_path / "k.efi") == {"version": [VERSION], "symbol": LINES, "vermagic": [VERMAGIC], "btf": [hashlib.sha256(b"types").hexdigest()]}


def test_release_of_a_unified_image(tmp_path):
    """Older dracut adds no section with the release. It is in the header of the kernel, too."""
    (tmp_path / "k.efi").write_bytes(unified([(".linux", bzimage(gzip.compress(b"kernel"), "6.9.9-x"))]))
    assert ask("unified", tmp_path / "k.efi") == {"uname": ["6.9.9-x"]}
    (tmp_path / "k.efi").write_bytes(unified([(".uname", K.encode()), (".linux", bzimage(gzip.compress(b"kernel"), "6.9.9-x"))]))
    assert ask("unified", tmp_path / "k.efi") == {"uname": [K]}


WHOLE = unified([*UNAMES, (".linux", b"kernel"), (".initrd", newc(FILES))])
ODD = {"no initrd": (unified([*UNAMES, (".linux", b"kernel")]), "without a boot image", ""), "no kernel": (unified(UNAMES), "without a boot image", "not a unified"),
       "cut off": (WHOLE[:-1024], "without a boot image", ""), "no program": (newc(FILES), "", "not a unified"), "headers cut off": (WHOLE[:0x130], "without", "not a unified"),
       "many sections": (WHOLE.replace(struct.pack("<HH", 0x8664, 5), b"\x64\x86\xff\xff"), "", ""), "a far header": (WHOLE[:0x3c] + b"\xff" * 4 + WHOLE[0x40:], "unknown format", "not a"),
       "a large section": (WHOLE.replace(struct.pack("<III", len(b"kernel"), 0x1000, 512), b"\xff" * 12), "", "not a unified")}


@pytest.mark.parametrize("name", ODD)
def test_odd_unified_images(tmp_path, name):
    content, as_image, as_unified = ODD[name]
    (tmp_path / "k.efi").write_bytes(content)
    for word, why in (("image", as_image), ("unified", as_unified)):
        error = ask(word, tmp_path / "k.efi").get("error", [""])[0]
        assert bool(error) == bool(why) and why in error, (word, error)
