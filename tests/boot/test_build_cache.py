"""Two machines with different keys, and a server of the build cache: one builds, the other one takes the build and signs it
with its own key. A kernel that trusts the key of the second machine loads its module, and refuses that of the first one."""
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import caches
import host
import machine
import pytest
from stage import DKMS, Stage, headers, run

SIGNATURE = b"~Module signature appended~\n"
URL = "cache_url={}\n"


class Machine:
    """A root, and the programs that have run while hello was installed there."""

    def __init__(self, stage, server, name, files, settings=""):
        """@files: name in /etc/dkms -> text"""
        self.trace = stage.lab / f"{name}.trace"
        etc = stage.lab / f"{name}-host"
        (etc / "dkms").mkdir(parents=True)
        (etc / "dkms/framework.conf").write_text(URL.format(server.url))
        prefix = [*host.with_etc(etc), "strace", "-f", "-qq", "-s", "500", "-e", "trace=execve", "-o", self.trace]
        self.root = stage.root(name, "", URL.format(server.url) + settings, files=files, prefix=prefix)
        self.module = stage.module(self.root)
        self.certificate = self.root / "var/lib/dkms/mok.pub"
        lines = [line for line in self.trace.read_text().splitlines() if '"/dev/null"' not in line] # that asks a compiler for its options
        found = [re.search(r'execve\("([^"]+)".*( = 0| <unfinished \.\.\.>)$', line) for line in lines]
        started = {pathlib.Path(match[1]).name for match in found if match}
        self.compiled = sorted(started & {"cc1", "make"})
        assert "dkms-sign" in started
        made = self.root / "var/lib/dkms/hello/1.0" / stage.release
        self.log = next(made.glob("*/log/make.log")).read_text()


def split(module):
    """Returns: the module without its signature, and the signature"""
    data = module.read_bytes()
    assert data.endswith(SIGNATURE)
    end = len(data) - len(SIGNATURE) - 12
    start = end - int.from_bytes(data[end + 8:end + 12], "big")
    return data[:start], data[start:]


@pytest.fixture(scope="module")
def machines(lab):
    """Returns: the stage, the machine that builds, and the one that takes the build"""
    assert shutil.which("strace"), "no strace here; scripts/install-deps check installs it"
    stage = Stage(lab, headers(r"^linux-headers-6\.1\."))
    key = lab / "cache.key"
    run(pathlib.Path(DKMS).resolve().parent / "helpers/dkms-sign", "generate-cache-key", key)
    server = caches.Server()
    writer = Machine(stage, server, "writer", {"cache.key": key.read_text()}, "cache_write=yes\ncache_signing_key=/etc/dkms/cache.key\n")
    reader = Machine(stage, server, "reader", {"cache-trust": f"trust {key.with_name('cache.key.pub').read_text().split()[-1]}\n"})
    server.close()
    return stage, writer, reader


def test_the_second_machine_compiles_nothing(machines):
    """Its module has the same bytes, but for the signature."""
    _, writer, reader = machines
    assert writer.compiled == ["cc1", "make"] and reader.compiled == []
    assert reader.log.startswith("# from http://127.0.0.1:") and not writer.log.startswith("# from")
    (ours, signature), (theirs, other) = split(writer.module), split(reader.module)
    assert ours == theirs and signature != other
    assert writer.certificate.read_bytes() != reader.certificate.read_bytes()


def test_the_kernel_takes_the_signature_of_its_own_machine(machines):
    stage, writer, reader = machines
    image = stage.lab / "vmlinux"
    image.write_bytes(machine.trusting(machine.unpack_vmlinux(stage.vmlinuz), reader.certificate.read_bytes()))
    initrd = machine.initramfs(stage.lab, "guest", {"reader": reader.root}, {"writer.ko": writer.module, "reader.ko": reader.module},
                               [("depmod", "modprobe", "/reader", "hello"), ("own", "load", "/reader.ko", "0"), ("other", "load", "/writer.ko", "0")])
    guest = machine.boot(stage.lab, "cache", image, initrd, "module.sig_enforce=1")
    assert guest.facts["enforced"] == "Y"
    for name in ("depmod", "own"):
        case = guest.cases[name]
        assert case["loaded"] == "OK" and case["taint"] == "O" and case["unloaded"] == "yes", case
        assert any("hello from a module that dkms built" in line for line in case["kernel"])
    case = guest.cases["other"]
    assert case["loaded"] == "EKEYREJECTED" and "taint" not in case, case
    assert any("Loading of module with unavailable key is rejected" in line for line in case["kernel"])
