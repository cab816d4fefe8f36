"""Secure Boot from the first module to a replaced key: what 'dkms verify' predicts, and what the kernel does."""
import json
import pathlib
import re
import shutil
import subprocess

import machine
import pytest
from stage import DKMS, Stage, headers, make_key, run

FIRST, SECOND = "first", "second" # names of the keys of the machine, and of the trees with modules that they have signed


class Owner:
    """A machine with Secure Boot, and its owner: installs a module, enrols keys, replaces the key, and signs again."""

    def __init__(self, lab):
        self.stage = Stage(lab, headers(r"^linux-headers-6\.1\."))
        self.root = self.stage.root("machine", "")
        self.tree = self.root / "var/lib/dkms"
        release = self.stage.release
        (self.root / "boot/grub").mkdir(parents=True)
        for name in (f"vmlinuz-{release}", f"config-{release}"):
            shutil.copy(self.stage.lab / "image/boot" / name, self.root / "boot")
        (self.root / "boot/grub/grub.cfg").write_text(f'set default="0"\nmenuentry "Debian" {{\n  linux /boot/vmlinuz-{release} root=/dev/vda\n}}\n')
        self.certificates = {"nobody": make_key(lab, "nobody", "rsa:2048")[1].read_bytes(), FIRST: (self.tree / "mok.pub").read_bytes()}
        self.states = {}  # name of the tree -> name of the enrolled key -> exit status, answer about the module

    def run(self, *words):
        return run(DKMS, "--root", self.root, *words)

    def programs(self, *words):
        """Runs dkms. Returns: names of the programs that it starts"""
        trace = self.stage.lab / "trace"
        run("strace", "-f", "-qq", "-e", "trace=execve", "-o", trace, DKMS, "--root", self.root, *words)
        return {pathlib.Path(path).name for path in re.findall(r'execve\("([^"]+)".* = 0$', trace.read_text(), re.M)}

    def record(self):
        """When the module was built, and from what."""
        found = json.loads((self.tree / "hello/1.0" / self.stage.release / "x86_64/.attempt.json").read_text())
        return {key: found[key] for key in ("time", "inputs") if key in found}

    def replace_key(self):
        (self.tree / "mok.key").unlink()
        (self.tree / "mok.pub").rename(self.tree / "mok.pub.1")
        self.run("generate_mok")
        self.certificates[SECOND] = (self.tree / "mok.pub").read_bytes()
        assert self.certificates[SECOND] != self.certificates[FIRST]

    def predict(self, enrolled):
        """Returns: the exit status of verify, the answer about the module, errno and codes of findings, on a machine with this key"""
        machine.write_variables(self.root, machine.owner_keys(self.certificates[enrolled]))
        process = subprocess.run([DKMS, "--root", self.root, "verify", "--json=short"], capture_output=True, text=True, check=False)
        (kernel,) = json.loads(process.stdout)["kernels"]
        (module,) = kernel["modules"]
        (file,) = module["files"]
        assert kernel["release"] == self.stage.release and kernel["next_boot"] and kernel["policy"]["enforced"]
        return process.returncode, file["answer"], file.get("errno"), [finding["code"] for finding in module["findings"] + file["findings"]]

    def keep(self, name):
        """Keeps a copy of the installed modules for the emulator."""
        shutil.copytree(self.root / "lib/modules", self.stage.lab / name / "lib/modules", symlinks=True)


@pytest.fixture(scope="module")
def owner(lab):
    """The whole story. The answers of dkms are kept for each tree and each enrolled key."""
    assert shutil.which("strace"), "no strace here; scripts/install-deps check installs it"
    self = Owner(lab)
    self.compiling = self.programs("build", "--force", "hello/1.0", "-k", self.stage.release)
    self.run("install", "--force", "hello/1.0", "-k", self.stage.release)
    self.before = self.record()
    self.keep(FIRST)
    self.predicted = {(FIRST, enrolled): self.predict(enrolled) for enrolled in self.certificates}
    self.replace_key()
    self.predicted[FIRST, SECOND] = self.predict(SECOND)
    self.signing = self.programs("sign", "--all")
    self.after = self.record()
    self.keep(SECOND)
    self.predicted |= {(SECOND, enrolled): self.predict(enrolled) for enrolled in self.certificates}
    trees = {name: self.stage.lab / name for name in (FIRST, SECOND)}
    cases = [("test", "ask"), *((name, "modprobe", f"/{name}", "hello") for name in trees)]
    files = {"var/lib/dkms/mok.key": self.tree / "mok.key", "var/lib/dkms/mok.pub": self.tree / "mok.pub", "etc/os-release": self.root / "etc/os-release",
             "etc/dkms/framework.conf": self.root / "etc/dkms/framework.conf", f"boot/config-{self.stage.release}": self.root / f"boot/config-{self.stage.release}"}
    self.initrd = machine.initramfs(self.stage.lab, "guest", trees, files, cases, dkms=DKMS)
    return self


@pytest.fixture(scope="module", params=["nobody", FIRST, SECOND])
def booted(owner, request):
    """The kernel as shipped, on a machine with one enrolled key. Returns: the name of the key, and the guest"""
    variables = machine.firmware(owner.stage.lab / f"{request.param}.fd", machine.owner_keys(owner.certificates[request.param]))
    return request.param, machine.boot(owner.stage.lab, request.param, owner.stage.vmlinuz, owner.initrd, variables=variables)


def test_a_module_loads_with_its_key_only(owner, booted):
    """What dkms predicts for each tree, and what the kernel does: with no key of dkms, with the first one, and with the second one."""
    enrolled, guest = booted
    assert guest.facts["enforced"] == "Y"
    for name in (FIRST, SECOND):
        case, predicted = guest.cases[name], owner.predicted[name, enrolled]
        if name == enrolled:
            assert predicted == (0, "loads", None, []) and case["loaded"] == "OK" and case["taint"] == "O", (predicted, case)
        else:
            assert predicted == (30, "refused", "EKEYREJECTED", ["key-unknown"]), predicted
            assert "Key was rejected by service" in case["loaded"] and "taint" not in case, case
            assert any("unavailable key is rejected" in line for line in case["kernel"]), case


def check_test(guest, status, enforced, accepted, trusted):
    """dkms in the guest has asked the kernel, with the second key. Nothing was loaded, and nothing taints the kernel."""
    case = guest.cases["test"]
    answer = json.loads(case["answer"])["secureboot"]["test"]
    assert [case["status"]] + [answer[name] for name in ("enforced", "accepted", "trusted")] == [str(status), enforced, accepted, trusted], case
    before, after = case["taints"].split(" ")
    assert before == after and case["modules"] == "0", case


def test_the_kernel_says_itself(booted):
    """'dkms secureboot --test' in the guest."""
    enrolled, guest = booted
    check_test(guest, 0 if enrolled == SECOND else 30, True, enrolled == SECOND, enrolled == SECOND)


@pytest.mark.parametrize("built_in", ["nobody", SECOND])
def test_a_kernel_that_enforces_nothing(owner, built_in):
    """It accepts any signature, and its answer shows all the same whether it has the certificate."""
    image = owner.stage.lab / f"vmlinux-{built_in}"
    image.write_bytes(machine.trusting(machine.unpack_vmlinux(owner.stage.vmlinuz), owner.certificates[built_in]))
    guest = machine.boot(owner.stage.lab, f"tolerant-{built_in}", image, owner.initrd)
    assert guest.facts["enforced"] == "N"
    check_test(guest, 0, False, True, built_in == SECOND)
    assert [guest.cases[name]["taint"] for name in (FIRST, SECOND)] == ["OE", "O" if built_in == SECOND else "OE"]


def test_signing_again_compiles_nothing(owner):
    """The programs that build are seen when a module is built, and not when it is signed again."""
    builders = {"cc1", "make", "gcc", "gcc-12", "as", "ld", "objtool"}
    assert {"cc1", "make", "dkms-sign"} <= owner.compiling
    assert "dkms-sign" in owner.signing and not builders & owner.signing, owner.signing
    assert owner.before == owner.after and owner.before["inputs"]
