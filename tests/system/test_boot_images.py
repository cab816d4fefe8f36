"""dkms verify: the copies of modules in boot images, and the configuration of modprobe."""
import json
import lzma

import pytest
from conftest import K1, K2, as_nobody
from kernels import bzimage, newc, unified
from test_verify import Machine, module

UPDATE = f"update-initramfs -u -k {K1}"
COPY = f"usr/lib/modules/{K1}/updates/dkms/foo.ko"


@pytest.fixture
def machine(root):
    """A machine with initramfs-tools, and the module foo."""
    machine = Machine(root)
    machine.install()
    (root.path / "usr/sbin").mkdir(parents=True)
    for name in ("update-initramfs", "mkinitramfs"):
        (root.path / "usr/sbin" / name).touch()
    return machine


def image(machine, *files):
    (machine.root.path / f"boot/initrd.img-{K1}").write_bytes(newc([("init", b"#!/bin/sh\n"), *files]))


def put(machine, path, text):
    file = machine.root.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def findings(machine):
    """The exit status, and the findings: code, result, text, advice."""
    rc, document = machine.verify()
    (found,) = document["kernels"][0]["modules"]
    return rc, [(f["code"], f["result"], f["text"], f.get("advice")) for file in found["files"] for f in file["findings"]]


def installed(machine):
    return machine.file().read_bytes()


# What the image contains, and what is found.
COPIES = {
    "none": (lambda machine: [], 0, None),
    "equal": (lambda machine: [(COPY, installed(machine))], 0, None),
    "compressed": (lambda machine: [(COPY + ".xz", lzma.compress(installed(machine), check=lzma.CHECK_CRC32))], 0, None),
    "replaced in the image": (lambda machine: [(COPY, b"old"), (COPY, installed(machine))], 0, None),
    "for another kernel": (lambda machine: [(COPY.replace(K1, K2), b"other")], 0, None),
    "another build": (lambda machine: [(COPY, module("foo", info=["x=y"]))], 30,
                      ("image-stale", "problem", f"the boot image /boot/initrd.img-{K1} holds another build of foo than the one installed", UPDATE)),
    "of the kernel": (lambda machine: [(f"lib/modules/{K1}/kernel/foo.ko", module("foo", info=["intree=Y"]))], 30,
                      ("image-stale", "problem", f"the boot image /boot/initrd.img-{K1} holds another build of foo than the one installed", UPDATE)),
    "damaged": (lambda machine: [(COPY + ".xz", b"\xfd7zXZ\0damaged")], 31,
                ("image-copy-unknown", "unknown", f"whether the boot image /boot/initrd.img-{K1} holds the installed foo is not known", UPDATE)),
    "hidden": (lambda machine: [("squashfs-root.img", b"hsqs")], 31,
               ("image-copy-unknown", "unknown", f"whether the boot image /boot/initrd.img-{K1} holds the installed foo is not known", UPDATE)),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies(machine, name):
    files, rc, finding = COPIES[name]
    image(machine, *files(machine))
    assert findings(machine) == (rc, [finding] if finding else [])


def test_a_wanted_module(machine):
    put(machine, "etc/initramfs-tools/modules", "foo\n")
    assert findings(machine) == (30, [("image-missing", "problem", f"the boot image /boot/initrd.img-{K1} lacks foo, which /etc/initramfs-tools/modules names", UPDATE)])


def test_a_module_that_another_needs(machine):
    """A module in the image needs foo."""
    machine.source("bar", module("bar", needs=("_printk", "of_foo")), version="1.0")
    machine.file().write_bytes(module("foo", exports=[("of_foo", 5, False, "")]))
    machine.file("bar").write_bytes(module("bar", needs=("_printk", "of_foo")))
    machine.depmod()
    image(machine, (COPY.replace("foo", "bar"), machine.file("bar").read_bytes()))
    found = findings(machine)[1]
    assert ("image-missing", "problem", f"the boot image /boot/initrd.img-{K1} lacks foo, which bar in it needs", UPDATE) in found


def test_configuration_of_modprobe(machine):
    """Lines that the image does not have yet."""
    image(machine, (COPY, installed(machine)), ("etc/modprobe.d/a.conf", b"options foo x=1\n"))
    put(machine, "etc/modprobe.d/a.conf", "# a comment\noptions  foo x=1\noptions bar y=2\n")
    assert findings(machine) == (0, [])
    put(machine, "etc/modprobe.d/a.conf", "options foo x=2\n")
    assert findings(machine) == (0, [("image-config", "warning", "the boot image and /etc/modprobe.d/a.conf differ in a line about foo: options foo x=2", UPDATE)])


@pytest.mark.parametrize("content, why", [(b"x" * 600, "a part of it has an unknown format or compression"), (b"", "it is empty or cannot be read")])
def test_unreadable_images(machine, content, why):
    (machine.root.path / f"boot/initrd.img-{K1}").write_bytes(content)
    rc, found = findings(machine)
    assert rc == 31 and found == [("image-unreadable", "unknown", f"the boot image /boot/initrd.img-{K1} cannot be read: {why}", None)]


def test_user_without_rights(machine):
    """An image that only root may read is unknown, although a module is missing in it."""
    put(machine, "etc/initramfs-tools/modules", "foo\n")
    (machine.root.path / f"boot/initrd.img-{K1}").chmod(0o600)
    result = as_nobody(machine.root, "verify", "--json")
    (found,) = json.loads(result.out)["kernels"][0]["modules"]
    codes = [(f["code"], f["result"], f["advice"]) for f in found["files"][0]["findings"]]
    assert result.rc == 31 and codes == [("image-unreadable", "unknown", "Run the command as root.")], result


def test_unified_kernel_image(machine):
    """systemd-boot starts a file that contains the kernel, its boot image and its command line."""
    root = machine.root.path
    kernel = (root / f"boot/vmlinuz-{K1}").read_bytes()
    for path in (root / "boot").iterdir():
        if path.is_file() and "config" not in path.name:
            path.unlink()
    (root / "boot/grub/grub.cfg").unlink()
    (root / "efi/EFI/Linux").mkdir(parents=True)

    def make(copy):
        (root / "efi/EFI/Linux/debian.efi").write_bytes(unified([
            (".osrel", b'ID=debian\nPRETTY_NAME="Debian"\n'), (".cmdline", b"quiet module_blacklist=bar\n"), (".uname", K1.encode()),
            (".linux", kernel), (".initrd", newc([(COPY, copy)]))]))
    make(installed(machine))
    rc, document = machine.verify()
    boot = document["kernels"][0]["boot"]
    assert (rc, boot["loader"], boot["entry"], boot["cmdline"]) == (0, "systemd-boot", "Debian", "quiet module_blacklist=bar"), document
    assert boot["initrds"] == ["/efi/EFI/Linux/debian.efi"] and document["kernels"][0]["release"] == K1
    make(module("foo", info=["x=y"]))
    assert findings(machine)[1] == [("image-stale", "problem", "the boot image /efi/EFI/Linux/debian.efi holds another build of foo than the one installed", UPDATE)]


ALLOWED = {
    "blacklist": ("blacklist foo\n", "", 0, "blacklisted"), "of another": ("blacklist bar\n", "", 0, None),
    "install": ("install foo /bin/false\n", "", 30, "install-override"), "command": ("install foo /bin/x\n", "", 0, "install-override"),
    "softdep": ("softdep foo pre: nowhere\n", "", 0, "softdep-absent"), "softdeps": ("softdep foo pre: own post: inside\n", "", 0, None),
    "cmdline": ("", "modprobe.blacklist=foo", 0, "cmdline-blacklist")}


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(machine, name):
    text, cmdline, rc, code = ALLOWED[name]
    put(machine, "etc/modprobe.d/a.conf", text)
    machine.menu(K1, cmdline)
    found = findings(machine)
    assert found[0] == rc and [f[0] for f in found[1]] == ([code] if code else []), found


def test_a_kernel_without_image(machine):
    (machine.root.path / f"boot/initrd.img-{K1}").unlink()
    (machine.root.path / f"boot/vmlinuz-{K2}").write_bytes(bzimage(b"x", K2))
    put(machine, "etc/initramfs-tools/modules", "foo\n")
    assert "image-missing" not in [f[0] for f in findings(machine)[1]]
