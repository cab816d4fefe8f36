"""The guides in docs/guide are correct: their files are written, their commands run in order, and the output is compared.

In a guide, a block after a line that ends with "`NAME`:" is the content of the file NAME. A block "console" contains commands
after "$ " or "MACHINE$ ", each with its output. A line "..." stands for any lines. Durations are not compared. With DKMS_RENEW_GUIDES=1 the
outputs in the guides are replaced by those of this run.
"""
import difflib
import gzip
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from conftest import DKMS
from test_readme import A, B, Machine
from test_secureboot import CONFIG, GLOBAL, SHIM
from test_signatures import X509, Keys, openssl, signature_list

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import caches  # noqa: E402
from kernels import bzimage, certificate_list, vmlinux  # noqa: E402
from modules import full_module  # noqa: E402

GUIDES = pathlib.Path(__file__).resolve().parents[2] / "docs/guide"
BLOCK = re.compile(r"(?:`(?P<file>[\w./-]+)`:\n\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)

# Commands that are not run, because they need another machine: a registry, firmware, a new boot.
ELSEWHERE = re.compile(r"sudo (apt|dnf|pacman|zypper|mokutil|reboot|update-initramfs|dracut)\b|mokutil |apt |git clone |man |dpkg-buildpackage|sbuild|autopkgtest|sudo dkms secureboot --|sudo modprobe")

KEY = "RWT/9XCX+ze6osFp6zg8IQKJ7IH7scRoUHHW78e7qEmEJkc9DqMwxXfH" # stands for the key of a run

# The makefile of the headers. It makes modules with the data that dkms and modinfo read. Kernel B no longer has from_timer().
COMPILER = r"""K := @KERNEL@
all:
	@cd $(M) && for f in *.c; do \
	  m=$${f%.c}; n=$$(grep -n -m 1 from_timer $$f | cut -d: -f1); echo "  CC [M]  $$PWD/$$m.o"; \
	  if test -n "$$n" && ! grep -q from_timer $(CURDIR)/include/linux/timer.h; then \
	    echo "$$PWD/$$f:$$n:24: error: implicit declaration of function 'from_timer' [-Wimplicit-function-declaration]"; \
	    echo "make[2]: *** [scripts/Makefile.build:229: $$m.o] Error 1"; exit 2; fi; \
	  if test -e $(CURDIR)/$$m.whole; then cp $(CURDIR)/$$m.whole $$m.ko; continue; fi; \
  v=$$(sed -n 's/^MODULE_VERSION *("\(.*\)");/\1/p' $$f); \
	  printf 'version=%s\0license=GPL\0name=%s\0vermagic=$(K) SMP preempt mod_unload modversions \0' "$$v" $$m >modinfo; \
	  printf '' | as -o $$m.o - && objcopy --add-section .modinfo=modinfo $$m.o $$m.ko || exit 1; echo "  LD [M]  $$PWD/$$m.ko"; done
"""


def like_a_machine(machine):
    """The headers of both kernels, and signatures, which dkms does not make in other roots by default."""
    machine.framework("try_sign_modules=true\n")
    for kernel in (A, B):
        (machine.modules / kernel / "build/include/config/auto.conf").write_text("CONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH=\"sha256\"\n")
        build = machine.modules / kernel / "build"
        (build / "Makefile").write_text(COMPILER.replace("@KERNEL@", kernel))
        (build / "include/linux").mkdir(parents=True, exist_ok=True)
        (build / "include/linux/module.h").write_text("")
    (machine.modules / A / "build/include/linux/timer.h").write_text("#define from_timer(var, callback_timer, timer_fieldname) \\\n\t0\n")
    (machine.modules / B / "build/include/linux/timer.h").write_text("#define timer_container_of(var, callback_timer, timer_fieldname) \\\n\t0\n")


def first_driver(machine):
    (machine.modules / B).rename(machine.path / "later")
    machine.hooks = {"sudo apt install linux-image-amd64 linux-headers-amd64": lambda: (machine.path / "later").rename(machine.modules / B)}


def source(directory, text=""):
    """Writes the source of radio/1.0."""
    directory.mkdir()
    (directory / "dkms.conf").write_text('PACKAGE_NAME=radio\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=radio\nDEST_MODULE_LOCATION=/updates\nAUTOINSTALL=yes\n')
    (directory / "Makefile").write_text("obj-m := radio.o\n")
    (directory / "radio.c").write_text('#include <linux/module.h>\n\n' + text + 'MODULE_VERSION ("1.0");\n')


def register(machine, text):
    """Writes the source of radio/1.0, and registers it."""
    source(machine.src / "radio-1.0", text)
    machine.ok("add", "radio/1.0")


def build_fails(machine):
    """radio/1.0 is installed for the old kernel, and uses a function that the new one does not have."""
    register(machine, "static void radio_tick (struct timer_list *t)\n{\n  struct radio *r = from_timer (r, t, timer);\n}\n")
    machine.ok("install", "radio/1.0", "-k", A)


def secure_boot(machine):
    """Secure Boot is on, and there is no key. The next boot enrols it."""
    register(machine, "")
    vermagic, variables = f"{B} SMP preempt mod_unload modversions ", machine.path / "sys/firmware/efi/efivars"
    (machine.src / "radio-1.0/radio.in").write_bytes(full_module("radio", versions={"module_layout": 1, "_printk": 2}, needs=("_printk",), info=["license=GPL", f"vermagic={vermagic}"], filler=512))
    (machine.modules / B / "build/Makefile").write_text("all:\n\t@cp $(M)/radio.in $(M)/radio.ko\n")
    keys = Keys(machine.path.parent)
    own = openssl("x509", "-in", keys.pair("kernel")[1], "-outform", "DER")
    plain = vmlinux([("module_layout", 1, False, ""), ("_printk", 2, False, "")], [f"Linux version {B} (x)", vermagic], data=certificate_list([own]))
    (machine.path / "boot/grub").mkdir(parents=True, exist_ok=True)
    (machine.path / f"boot/vmlinuz-{B}").write_bytes(bzimage(gzip.compress(plain, mtime=0), B, len(plain)))
    (machine.path / f"boot/config-{B}").write_text(CONFIG + "CONFIG_MODVERSIONS=y\n")
    (machine.path / "boot/grub/grub.cfg").write_text(f'set default="0"\nmenuentry "Debian" {{\n  linux /boot/vmlinuz-{B} root=/dev/vda\n}}\n')
    (machine.path / "etc/os-release").write_text("ID=debian\n")
    (machine.modules / B / "kernel/lib").mkdir(parents=True)
    (machine.modules / B / "kernel/lib/own.ko").write_bytes(full_module("own", versions={"module_layout": 1}, info=["license=GPL", f"vermagic={vermagic}", "intree=Y"]))
    (machine.modules / B / "modules.order").write_text("kernel/lib/own.ko\n")
    subprocess.run(["depmod", "-b", machine.path, B], check=True, capture_output=True)
    variables.mkdir(parents=True)

    def enrol(*certificates):
        (variables / f"MokListRT-{SHIM}").write_bytes(b"\7\0\0\0" + b"".join(signature_list(X509, der) for der in certificates))

    for name, value in (("SecureBoot", 1), ("SetupMode", 0)):
        (variables / f"{name}-{GLOBAL}").write_bytes(bytes([6, 0, 0, 0, value]))
    enrol(own)
    machine.hooks = {"sudo reboot": lambda: enrol(own, (machine.tree / "mok.pub").read_bytes())}


def from_dkms_3(machine):
    register(machine, "")
    machine.ok("install", "radio/1.0", "-k", A)


def security(machine):
    register(machine, "")
    (machine.path / "etc/dkms/framework.conf.d").mkdir()


def before_you_reboot(machine):
    """radio/1.0 is installed for the old kernel. The headers of the new one are in a directory; it boots next when it is installed."""
    build_fails(machine)
    for kernel in (A, B):
        magic = f"{kernel} SMP preempt mod_unload modversions "
        plain = vmlinux([("module_layout", 1, False, "")], [f"Linux version {kernel} (x)", magic])
        (machine.path / "boot").mkdir(exist_ok=True)
        (machine.path / f"boot/vmlinuz-{kernel}").write_bytes(bzimage(gzip.compress(plain, mtime=0), kernel, len(plain)))
        (machine.path / f"boot/config-{kernel}").write_text("CONFIG_X86_64=y\nCONFIG_64BIT=y\nCONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\n")
        (machine.modules / kernel / "build/radio.whole").write_bytes(full_module("radio", info=["license=GPL", f"vermagic={magic}"]))
        (machine.modules / kernel / "kernel").mkdir()
        (machine.modules / kernel / "kernel/own.ko").write_bytes(full_module("own", info=["license=GPL", f"vermagic={magic}", "intree=Y"]))
        (machine.modules / kernel / "modules.order").write_text("kernel/own.ko\n")
        (machine.modules / kernel / "modules.builtin").write_text("")
        subprocess.run(["depmod", "-b", machine.path, kernel], check=True, stderr=subprocess.DEVNULL)
    for place in ("postinst.d", "header_postinst.d"):
        hook = machine.path / "etc/kernel" / place / "dkms"
        hook.parent.mkdir(parents=True)
        hook.write_text("#!/bin/sh\n")
        hook.chmod(0o755)
    (machine.path / "sys/firmware/acpi").mkdir(parents=True) # no EFI
    headers = machine.home / "linux-headers/lib/modules" / B
    shutil.copytree(machine.modules / B, headers)
    (machine.modules / B).rename(machine.path / "later")

    def upgrade():
        (machine.path / "later").rename(machine.modules / B)
        (machine.path / "boot/grub").mkdir()
        (machine.path / "boot/grub/grub.cfg").write_text(f'set default="0"\nmenuentry "Debian" {{\n  linux /boot/vmlinuz-{B} root=/dev/vda\n}}\n')
        assert machine("autoinstall", "-k", B).rc == 11

    machine.hooks = {"sudo apt install linux-image-amd64 linux-headers-amd64": upgrade}


def another(machine, name):
    """A machine beside @machine, which is set up in the same way."""
    made = Machine(machine.path.parent.parent / name / "root")
    like_a_machine(made)
    source(made.home / "radio")
    return made


def fleet(machine):
    """A server, the machine that builds, one of the others, and two images. The files of the guide belong to them in this order."""
    source(machine.home / "radio")
    server = caches.Server()
    server.password, server.read_open = "dkms:secret", True
    laptop, image, following = (another(machine, name) for name in ("laptop", "image", "next"))
    machine.prompts = {"ci": machine, "laptop": laptop, "image": image, "next": following, "cache": None}
    machine.owners = {"/etc/dkms/framework.conf": [[machine], [laptop], [image, following]], "/etc/dkms/cache-netrc": [[machine]],
                      "/etc/dkms/cache-trust": [[laptop]]}
    machine.names = lambda: {"http://cache.example:8080": server.url, "cache.example:8080": server.url.split("/")[2], "cache.example ": "127.0.0.1 ",
                             "port 8080": f"port {server.server_port}", KEY: public_key(machine)}
    machine.hooks = {"dkms cache status # the server is off": server.close,
                     "sudo mkdir -p /mnt/image/var/cache": lambda: shutil.copytree(image.home / "artefact", following.home / "artefact", dirs_exist_ok=True)}


def public_key(machine):
    path = machine.path / "etc/dkms/cache.key.pub"
    return path.read_text().split()[-1] if path.exists() else KEY


def nightly_matrix(machine):
    (machine.home / "my-driver/my-driver.c").write_text("#include <linux/module.h>\n\nstatic void tick (struct timer_list *t)\n{\n"
                                                        "  struct state *s = from_timer (s, t, timer);\n}\n")


# These guides need packages and compilers: tests/packages/test_drivers.py follows them in new systems.
IN_SYSTEMS = {"packaging.md", "images.md"}
SETUP = {path.name: globals().get(path.stem.replace("-", "_"), lambda machine: None) for path in GUIDES.glob("*.md") if path.name not in IN_SYSTEMS}


class Reader:
    """Follows a guide on a machine."""

    def __init__(self, machine, place):
        self.machine, self.place = machine, place
        self.prompts = getattr(machine, "prompts", {"": machine})
        self.owners = getattr(machine, "owners", {})
        self.names = getattr(machine, "names", dict)
        self.digests = [] # that were printed, in this order
        (place / "bin").mkdir()
        self.program("sudo", '"$@"')
        self.program("reboot", "true")
        self.environment = {**os.environ, "LC_ALL": "C", "PATH": f"{place}/bin:{os.environ['PATH']}"}

    def program(self, name, command):
        (self.place / "bin" / name).write_text(f"#!/bin/sh\nexec {command}\n")
        (self.place / "bin" / name).chmod(0o755)

    def digest(self, match):
        """In place of a digest: another one for each, so that equal ones stay equal."""
        if match[0] not in self.digests:
            self.digests.append(match[0])
        return hashlib.sha256(str(self.digests.index(match[0])).encode()).hexdigest()

    def type(self, prompt, command):
        for start, action in getattr(self.machine, "hooks", {}).items():
            if command == start:
                action()
        machine = self.prompts[prompt]
        if machine is None or ELSEWHERE.match(command):
            return None
        command = command.replace(" --root /mnt/image", "").replace("/mnt/image", str(machine.path))
        if not re.match(r"(sudo )?dkms (?!cache generate_key)", command): # others do not know the root
            command = re.sub(r"(?<![\w./])/(usr/src|etc/dkms|var/lib/dkms|lib/modules|boot)\b", rf"{machine.path}\g<0>", command)
        self.program("dkms", f'{shlex.join(map(str, machine.command()))} "$@"')
        result = subprocess.run(["sh", "-c", command], cwd=machine.home, env=self.environment, check=False, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        text = re.sub(rf"(@|%40){machine.path.name}\b", "", result.stdout) # jobs of a matrix
        text = text.replace(f"dkms --root {machine.path} ", "dkms ").replace(str(machine.home), "/home/me").replace(str(machine.path), "")
        for name, real in self.names().items():
            text = text.replace(real, name)
        return steady(re.sub(r"\b[0-9a-f]{64}\b", self.digest, text))

    def write(self, name, text):
        """Writes a file of the guide to the machines that it is for."""
        for guide, real in self.names().items():
            text = text.replace(guide, real)
        for machine in self.owners[name].pop(0) if name in self.owners else [self.machine]:
            path = (machine.path if name.startswith("/") else machine.home) / name.lstrip("/")
            assert ".." not in path.parts
            path.parent.mkdir(parents=True, exist_ok=True)
            if name == "/etc/dkms/framework.conf":
                machine.framework(text + "try_sign_modules=true\n")
            else:
                path.write_text(text)

    def follow(self, block):
        """Returns: the block with the output of this run."""
        if block["file"]:
            self.write(block["file"], block["text"])
            return block["text"]
        if block["kind"] != "console":
            return block["text"]
        lines = []
        for part in re.split(r"^(?=\w*\$ )", block["text"], flags=re.M)[1:]:
            command, expected = part.split("\n", 1)
            while command.endswith("\\"):
                more, expected = expected.split("\n", 1)
                command += "\n" + more
            prompt, typed = command.split("$ ", 1)
            output = self.type(prompt, typed.replace("\\\n", ""))
            if output is None or matches(expected, output):
                output = expected
            lines.append(command + "\n" + output)
        return "".join(lines)


def steady(text):
    """The text without durations, and with the times of one day."""
    text = re.sub(r"\b(built|FAILED) +\d+ s", r"\1    0 s", re.sub(r"/\S*/dkms-matrix-\d+/\d+/", "/tmp/dkms-matrix-0/0/", text))
    text = re.sub(r"after \d+ ms", "after 0 ms", text)
    text = re.sub(r"built \d{4}-\d\d-\d\d", "built 2026-11-30", text)
    text = re.sub(r"\b\d{8}-(\d)\b", r"20261130-\1", text) # a repair of doctor
    text = re.sub(r"signed by [0-9A-F]{16}", "signed by A2BA37FB9770F5FF", text)
    text = re.sub(r"valid until \d{4}-\d\d-\d\d", "valid until 2126-11-06", text)
    text = text.replace("sudo mokutil --import /var/lib/dkms/mok.pub", "sudo dkms secureboot --enroll") # with --root, it is the former
    return re.sub(r"\d{4}-\d\d-\d\d (\d\d:\d\d)", "2026-11-30 09:30", re.sub(r" \(\d+\.\d s\)|, \d+\.\d s$", "", text, flags=re.M))


def matches(expected, output):
    pattern = "".join("(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in steady(expected).splitlines(keepends=True))
    return re.fullmatch(pattern, output) is not None


@pytest.mark.parametrize("name", sorted(SETUP))
def test_guide(name, tmp_path):
    machine = Machine(tmp_path / "first" / "root")
    like_a_machine(machine)
    SETUP[name](machine)
    reader = Reader(machine, tmp_path)
    text = (GUIDES / name).read_text()
    found, at = [], 0
    for block in BLOCK.finditer(text):
        found += [text[at:block.start("text")], reader.follow(block)]
        at = block.end("text")
    found = "".join([*found, text[at:]])
    if os.environ.get("DKMS_RENEW_GUIDES"):
        (GUIDES / name).write_text(found)
    assert not (difference := "\n".join(difflib.unified_diff(text.splitlines(), found.splitlines(), "the guide", "this run", lineterm="", n=1))), difference


def test_causes_in_the_table_exist(root):
    """The guide names causes of failed builds."""
    table = (GUIDES / "build-fails.md").read_text().split("## Frequent causes")[1].split("\n## ")[0]
    names = [name for row in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`([\w-]+)`", row) if name != "dkms"]
    assert len(names) > 6
    for name in names:
        root.ok("explain", name)


def test_every_guide_is_listed():
    text = (GUIDES / "README.md").read_text()
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", text)) == {path.name for path in GUIDES.glob("*.md")} - {"README.md"}
    assert "docs/guide" in (GUIDES.parents[1] / "README.md").read_text()
