"""Boot images that initramfs-tools and dracut of Debian make: dkms verify compares the modules in them.

The tests share one root, and run in the order of the file: making images takes time."""
import gzip
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "lib"), str(TESTS / "system")]

import debian  # noqa: E402
from conftest import Root  # noqa: E402
from kernels import bzimage  # noqa: E402
from modules import pack  # noqa: E402

SOURCE = """\
#include <linux/module.h>
static int speed = VALUE;
module_param (speed, int, 0444);
static int __init start (void) { pr_info ("%d\\n", speed); return 0; }
static void __exit stop (void) { }
module_init (start);
module_exit (stop);
MODULE_LICENSE ("GPL");
"""
NAMES = ("foo", "e1000", "ordinary")


class Lab(Root):
    """A Debian with a kernel that consists of two modules. Modules are compiled outside of it, and copied by their recipes."""

    def __init__(self, debian_root, work):
        self.debian, self.path = debian_root, debian_root.path
        self.tree, self.src, self.modules = (self.path / part for part in ("var/lib/dkms", "usr/src", "lib/modules"))
        (self.path / "etc/dkms").mkdir(parents=True)
        headers = sorted(pathlib.Path("/usr/src").glob("linux-headers-*/include/config/auto.conf"))
        assert headers, "no kernel headers in /usr/src; scripts/install-deps demo installs them"
        self.headers = headers[0].parents[2]
        self.release = self.headers.name.removeprefix("linux-headers-")
        self.image = self.path / f"boot/initrd.img-{self.release}"
        self.built = {value: self.compile(work / str(value), value) for value in (1, 2)}
        kernel = self.kernel(self.release)
        for name, place in (("e1000", "kernel/drivers/net/ethernet/intel/e1000"), ("ordinary", "kernel/drivers/misc")):
            (kernel / place).mkdir(parents=True)
            (kernel / place / f"{name}.ko.xz").write_bytes(pack((self.built[1] / f"{name}.ko").read_bytes(), ".ko.xz"))
        (kernel / "modules.order").write_text("kernel/drivers/net/ethernet/intel/e1000/e1000.ko\nkernel/drivers/misc/ordinary.ko\n")
        for name in ("modules.builtin", "modules.builtin.modinfo"):
            (kernel / name).touch()
        debian_root.ok(f"depmod {self.release}") # dkms keeps an index up to date, and creates none
        (self.path / f"boot/config-{self.release}").write_text("CONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\nCONFIG_MODULES=y\n")

    def compile(self, directory, value):
        directory.mkdir(parents=True)
        (directory / "Kbuild").write_text("".join(f"obj-m += {name}.o\n" for name in NAMES) + f"ccflags-y += -g -DVALUE={value}\n")
        for name in NAMES:
            (directory / f"{name}.c").write_text(SOURCE)
        subprocess.run(["make", "-s", "-C", self.headers, f"M={directory}", "modules"], check=True, capture_output=True)
        return directory

    def put(self, name, value):
        """Installs the build @value of a module."""
        directory = self.src / f"{name}-{value}"
        directory.mkdir()
        (directory / "dkms.conf").write_text(f'PACKAGE_NAME="{name}"\nPACKAGE_VERSION="{value}"\nBUILT_MODULE_NAME[0]="{name}"\nMAKE[0]="cp {name}.binary {name}.ko"\n'
                                             'DEST_MODULE_LOCATION[0]="/updates"\nSTRIP="no"\nAUTOINSTALL="yes"\n')
        shutil.copy(self.built[value] / f"{name}.ko", directory / f"{name}.binary")
        self.ok("install", f"{name}/{value}", "-k", self.release, "--force")

    def findings(self, name):
        """The findings about the boot image: codes and advice."""
        document = json.loads(self("verify", name, "-k", self.release, "--json").out)
        found = [finding for module in document["kernels"][0]["modules"] for file in module["files"] for finding in file["findings"]]
        return [(finding["code"], finding["result"], finding.get("advice")) for finding in found if finding["check"] == "boot-image"]

    def members(self):
        """Names of the modules in the image."""
        helper = pathlib.Path(sys.modules["conftest"].DKMS).parent / "helpers/dkms-facts"
        text = subprocess.run([helper, "image", self.image], capture_output=True, check=True).stdout.decode()
        return set(re.findall(r"/([^/\0]+)\.ko[.a-z]*\0", text))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    root = debian.bootstrap("bookworm", tmp_path_factory.mktemp("images") / "root")
    try:
        root.ok("apt-get install -qq initramfs-tools kmod xz-utils bzip2 lz4 lzop zstd")
        yield Lab(root, tmp_path_factory.mktemp("compiled"))
    finally:
        root.delete()


def test_initramfs_tools(lab):
    """A module of the root file system, a wanted one that is missing, a decompressed copy, and a copy of another build."""
    lab.put("foo", 1)
    assert (lab.modules / lab.release / "updates/dkms/foo.ko.xz").exists()
    assert lab.findings("foo") == []
    lab.debian.ok(f"update-initramfs -c -k {lab.release}")
    assert lab.findings("foo") == [] and "foo" not in lab.members()
    command = f"update-initramfs -u -k {lab.release}"
    with (lab.path / "etc/initramfs-tools/modules").open("a") as file:
        file.write("foo\n")
    assert lab.findings("foo") == [("image-missing", "problem", command)]
    lab.debian.ok(command)
    assert lab.findings("foo") == [] and "foo" in lab.members()
    lab.put("foo", 2)
    assert lab.findings("foo") == [("image-stale", "problem", command)]
    (lab.path / "etc/modprobe.d/foo.conf").write_text("options foo speed=3\n")
    lab.debian.ok(command)
    assert lab.findings("foo") == []
    (lab.path / "etc/modprobe.d/foo.conf").write_text("options foo speed=4\n")
    assert lab.findings("foo") == [("image-config", "warning", command)]
    lab.debian.ok(command)
    assert lab.findings("foo") == []


COMPRESSIONS = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "lz4": b"\2\x21\x4c\x18", "lzma": b"\x5d\0\0", "lzop": b"\x89LZO", "xz": b"\xfd7zXZ",
                "zstd": b"\x28\xb5\x2f\xfd"}


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressions_of_initramfs_tools(lab, name):
    conf, settings = lab.path / "etc/initramfs-tools/conf.d/compression", lab.path / f"boot/config-{lab.release}"
    conf.write_text(f"COMPRESS={name}\n")
    before = settings.read_text()
    settings.write_text(before + f"CONFIG_RD_{'LZO' if name == 'lzop' else name.upper()}=y\n")
    try:
        lab.debian.ok(f"update-initramfs -u -k {lab.release}")
        assert lab.image.read_bytes().startswith(COMPRESSIONS[name])
        assert lab.findings("foo") == [] and "foo" in lab.members()
    finally:
        conf.unlink()
        settings.write_text(before)


def test_a_replaced_driver(lab):
    """initramfs-tools copies modules of some directories by name. It does not find a name whose file was moved aside."""
    assert "e1000" in lab.members()
    lab.put("e1000", 2)
    assert lab.findings("e1000") == [("image-stale", "problem", f"update-initramfs -u -k {lab.release}")]
    lab.debian.ok(f"update-initramfs -u -k {lab.release}")
    assert "e1000" not in lab.members()
    assert lab.findings("e1000") == [("driver-gone-early", "warning", f"Add e1000 to /etc/initramfs-tools/modules, then run 'update-initramfs -u -k {lab.release}'.")]
    lab.put("ordinary", 2)
    assert lab.findings("ordinary") == []


def test_dracut(lab):
    """dracut strips modules, so that their bytes differ."""
    lab.debian.ok("apt-get purge -qq initramfs-tools; apt-get install -qq dracut binutils systemd-boot-efi; rm -rf /etc/initramfs-tools")
    lab.image.unlink()
    (lab.path / "etc/dracut.conf.d/foo.conf").write_text('add_drivers+=" foo "\ndracutmodules+=" base kernel-modules "\nhostonly=no\n')
    command = f"dracut --force --kver {lab.release}"
    assert lab.findings("foo") == []
    lab.debian.ok(command)
    assert lab.findings("foo") == [] and "foo" in lab.members()
    shutil.rmtree(lab.src / "foo-1")
    lab.ok("remove", "foo/1", "--all", "--force")
    lab.put("foo", 1)
    assert lab.findings("foo") == [("image-stale", "problem", command)]
    lab.debian.ok(command)
    assert lab.findings("foo") == []
    assert "e1000" not in lab.members() and lab.findings("e1000") == []
    (lab.path / "etc/dracut.conf.d/more.conf").write_text('add_drivers+=" e1000 "\n')
    assert lab.findings("e1000") == [("image-missing", "problem", command)]
    (lab.path / "etc/dracut.conf.d/more.conf").unlink()


def test_unified_kernel_image(lab):
    """dracut makes one for this kernel. Of the kernel in it, only the header matters: it names the release."""
    lab.image.unlink()
    (lab.path / "boot/efi/EFI/Linux").mkdir(parents=True)
    (lab.path / f"boot/vmlinuz-{lab.release}").write_bytes(bzimage(gzip.compress(b"kernel"), lab.release))
    name = f"/boot/efi/EFI/Linux/debian-{lab.release}.efi"
    make = f"dracut --force --uefi --kernel-image /boot/vmlinuz-{lab.release} --kernel-cmdline root=/dev/x --add-drivers foo {name} {lab.release}"
    lab.debian.ok(make)
    assert lab.findings("foo") == []
    lab.ok("remove", "foo/2", "--all", "--force")
    shutil.rmtree(lab.src / "foo-2")
    lab.put("foo", 2)
    assert lab.findings("foo") == [("image-stale", "problem", f"dracut --force --uefi --kver {lab.release}")]
