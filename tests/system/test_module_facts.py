"""dkms-modinfo: what a module file says about itself, for all forms that kernels have used, and what modprobe would load."""
import errno
import gzip
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from conftest import DKMS

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
from modules import full_module, pack  # noqa: E402

HELPER = pathlib.Path(DKMS).resolve().parent / "helpers/dkms-modinfo"
EXPORTS = [("plain", 0x11, False, ""), ("gpl_one", 0x80000022, True, ""), ("spaced", 0x33, True, "module:a,b"), ("last", 0x44, False, "DMA_BUF")]
VERSIONS = {"module_layout": 0x1, "printk": 0xfffffff2, "x" * 200: 0x3}
INFO = ["license=GPL", "vermagic=6.1 SMP ", "intree=Y", "import_ns=A", "import_ns=B"]


def facts(*paths, user=None):
    command = [HELPER, "--facts", *paths] if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", HELPER, "--facts", *paths]
    result = subprocess.run(command, capture_output=True, check=True, timeout=60)
    words = result.stdout.decode().split("\0")
    assert words.pop() == "" and len(words) % 2 == 0 and result.stderr == b""
    files = [{}]
    for key, value in zip(words[::2], words[1::2]):
        files[-1].setdefault(key, []).append(value)
        if key == "end":
            files.append({})
    assert files.pop() == {} and len(files) == len(paths)
    return files


def one(tmp_path, content, suffix=".ko"):
    path = tmp_path / ("m" + suffix)
    path.write_bytes(content)
    return facts(path)[0]


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("big", [True, False])
@pytest.mark.parametrize("options", [{}, {"crcs": "value"}, {"gpl": "flags"}], ids=["table", "value", "flags"])
def test_exports(tmp_path, wide, big, options):
    """The kind, the checksum and the namespace of each exported symbol."""
    found = one(tmp_path, full_module("m", EXPORTS, VERSIONS, ["printk"], info=INFO, wide=wide, big=big, **options))
    assert found["export"] == [name for name, *_ in EXPORTS] and sorted(found["gpl"]) == ["gpl_one", "spaced"]
    assert found["crc"] == [f"0x{crc:08x} {name}" for name, crc, *_ in EXPORTS]
    assert found["space"] == ["spaced module:a,b", "last DMA_BUF"]
    assert found["module"] == ["1"] and "error" not in found and found["class"] == ["2" if wide else "1"]


def test_exports_without_checksums(tmp_path):
    found = one(tmp_path, full_module("m", EXPORTS, None, info=INFO, crcs="none"))
    assert "crc" not in found and len(found["export"]) == 4 and "versioned" not in found and "version" not in found


@pytest.mark.parametrize("extended, names", [(False, ["module_layout", "printk", "x" * 55]), (True, list(VERSIONS)), ("only", list(VERSIONS))])
def test_checksums(tmp_path, extended, names):
    """If the form of Linux 6.14 exists, kernels read no other. It holds long names."""
    found = one(tmp_path, full_module("m", (), VERSIONS, ["printk"], ["maybe"], INFO, extended=extended))
    assert found["version"] == [f"0x{crc:08x} {name}" for name, crc in zip(names, VERSIONS.values())]
    assert found["versioned"] == ["1"] and found.get("extended") == (["1"] if extended else None)
    assert found["undefined"] == ["printk"] and found["weak"] == ["maybe"]


@pytest.mark.parametrize("suffix, kind", [(".ko", None), (".ko.gz", ["gzip"]), (".ko.xz", ["xz"]), (".ko.zst", ["zstd"])])
def test_file(tmp_path, suffix, kind):
    """The digest of the uncompressed file, the compression by its content, and the parts that kernels check."""
    content = full_module("m", struct_size=1344, info=INFO, btf=[".BTF"])
    found = one(tmp_path, pack(content, suffix), ".ko")
    assert found["sha256"] == [hashlib.sha256(content).hexdigest()] and found.get("compression") == kind
    assert found["struct"] == ["1344"] and found["tables"] == ["1"] and found["btf"] == ["1"] and "btf-base" not in found
    assert found["modinfo.import_ns"] == ["A", "B"] and found["modinfo.intree"] == ["Y"]


def test_odd_files(tmp_path):
    found = one(tmp_path, full_module("m", btf=[".BTF", ".BTF.base"], tables=2))
    assert found["btf-base"] == ["1"] and found["tables"] == ["2"]
    assert one(tmp_path, full_module("m", tables=0))["tables"] == ["0"]
    assert one(tmp_path, b"") == {"empty": ["1"], "error": ["it is empty or cannot be read"], "end": [""]}
    assert one(tmp_path, gzip.compress(b""))["empty"] == ["1"]
    text = one(tmp_path, b"text\n")
    assert text["sha256"] == [hashlib.sha256(b"text\n").hexdigest()] and text["error"] == ["it is not an ELF file"]
    assert facts(tmp_path / "absent")[0]["unread"] == [str(errno.ENOENT)]
    (tmp_path / "fifo.ko").unlink(missing_ok=True)
    os.mkfifo(tmp_path / "fifo.ko")
    assert facts(tmp_path / "fifo.ko")[0] == {"error": ["it is empty or cannot be read"], "end": [""]}


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs another user")
def test_private_files(tmp_path):
    """Root reads a file that the helper could not open after it has dropped its rights; another user is told why not."""
    path = pathlib.Path("/dev/shm") / f"dkms-private-{os.getpid()}.ko"
    try:
        path.write_bytes(full_module("m", info=INFO))
        path.chmod(0o600)
        assert facts(path)[0]["module"] == ["1"]
        (refused, ) = facts(path, user=65534)
        assert refused["unread"] == [str(errno.EACCES)] and "module" not in refused
    finally:
        path.unlink()


# ---- dkms-modinfo lookup ----


def depmod(tmp_path, files, builtin=("kernel/tty/tty.ko", )):
    """A directory of modules with the indexes of depmod."""
    directory = tmp_path / "lib/modules/6.1.0-1-test"
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    (directory / "modules.order").write_text("".join(f"{name}\n" for name in files if name.startswith("kernel/")))
    if builtin is not None:
        (directory / "modules.builtin").write_text("".join(f"{name}\n" for name in builtin))
    subprocess.run(["depmod", "-b", tmp_path, "6.1.0-1-test"], check=True, capture_output=True, timeout=60)
    return directory


def lookup(directory, *names, user=None):
    command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
    result = subprocess.run([*command, HELPER, "lookup", directory, *names], capture_output=True, check=True, timeout=60)
    words = result.stdout.decode().split("\0")
    assert words.pop() == "" and result.stderr == b""
    if words[0] == "unread":
        return words[1]
    found = [{}]
    for key, value in zip(words[::2], words[1::2]):
        found[-1].setdefault(key, []).append(value.replace(f"{directory}/", ""))
        if key == "end":
            del found[-1]["end"]
            found.append({})
    assert found.pop() == {}
    return found


MODULES = {"kernel/a.ko": full_module("a", [("from_a", 1, False, "")], {"module_layout": 1}, info=["license=GPL"]),
           "kernel/b.ko": full_module("b", (), {"module_layout": 1, "from_a": 1}, ["from_a"], info=["license=GPL", "depends=a", "alias=other"]),
           "updates/dkms/a.ko": full_module("a", [("from_a", 1, False, "")], {"module_layout": 1}, info=["license=GPL"]),
           "updates/tty.ko": full_module("tty", info=["license=GPL"])}


def test_lookup(tmp_path):
    directory = depmod(tmp_path, MODULES)
    found = lookup(directory, "a", "b", "symbol:from_a", "symbol:other", "tty", "absent", "other")
    assert found == [{"module": ["a"], "path": ["updates/dkms/a.ko"]},
                     {"module": ["b"], "path": ["kernel/b.ko"], "depends": ["updates/dkms/a.ko"]},
                     {"module": ["a"], "path": ["updates/dkms/a.ko"]},
                     {"absent": ["1"]},
                     {"builtin": ["1"], "module": ["tty"], "path": ["updates/tty.ko"]},
                     {"absent": ["1"]},
                     {"module": ["b"], "path": ["kernel/b.ko"], "depends": ["updates/dkms/a.ko"]}]


def test_lookup_without_builtin_list(tmp_path):
    directory = depmod(tmp_path, MODULES, builtin=None)
    assert lookup(directory, "a", "tty") == [{"module": ["a"], "path": ["updates/dkms/a.ko"]}, {"module": ["tty"], "path": ["updates/tty.ko"]}]
    (directory / "modules.builtin.bin").unlink(missing_ok=True)
    assert lookup(directory, "tty") == [{"module": ["tty"], "path": ["updates/tty.ko"]}]


@pytest.mark.parametrize("name", ["modules.dep.bin", "modules.symbols.bin", "modules.builtin.bin"])
def test_lookup_in_bad_index(tmp_path, name):
    """An index that cannot be read is an error, and not an index without the module."""
    assert lookup(tmp_path / "absent", "a") == f"{errno.ENOENT} modules.dep.bin"
    directory = depmod(tmp_path, MODULES)
    good = (directory / name).read_bytes()
    (directory / name).write_bytes(bytes(len(good)))
    assert lookup(directory, "a", "symbol:x") == f"{errno.EBADMSG} {name}"
    (directory / name).unlink()
    answer = lookup(directory, "a", "symbol:x")
    assert isinstance(answer, list) if name == "modules.builtin.bin" else answer == f"{errno.ENOENT} {name}"
    if name == "modules.symbols.bin":
        assert lookup(directory, "a") == [{"module": ["a"], "path": ["updates/dkms/a.ko"]}]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs another user")
@pytest.mark.parametrize("builtin", [(), None])
def test_lookup_in_private_index(tmp_path, builtin):
    base = pathlib.Path("/dev/shm") / f"dkms-lookup-{os.getpid()}-{builtin is None}"
    try:
        directory = depmod(base, MODULES, builtin)
        (directory / "modules.dep.bin").chmod(0o600)
        expected = [{"module": ["a"], "path": ["updates/dkms/a.ko"]}]
        assert lookup(directory, "a") in ([expected] if builtin is not None else [expected, f"{errno.EACCES} modules.dep.bin"])
        assert lookup(directory, "a", user=65534) == f"{errno.EACCES} modules.dep.bin"
    finally:
        shutil.rmtree(base)
