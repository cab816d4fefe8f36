"""apt upgrades the kernel of Debian 12 and 13 with four drivers. Before the restart, 'dkms verify' names the drivers that the new
kernel will not load. Then this kernel runs in an emulator with these modules, and answers as predicted.

The tests of a release share one upgrade, because kernels take minutes to install."""
import json
import lzma
import pathlib
import re
import shutil
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/boot"), str(TOP / "tests/lib")]

import debian  # noqa: E402
import machine  # noqa: E402

METAS = ("linux-image-amd64", "linux-headers-amd64")

SOURCE = """\
#include <linux/delay.h>
#include <linux/module.h>
DECLARATION
static int __init start (void) { ACTION; return 0; }
static void __exit stop (void) { }
module_init (start);
module_exit (stop);
MODULE_DESCRIPTION ("Driver of a test");
MODULE_LICENSE ("GPL");
MODULE_VERSION ("1.0");
"""
# name -> (declaration, action, words for make). All of them load with the old kernel. With the new one:
# - "outdated" does not build, because a function is gone;
# - "undefined" needs a symbol that does not exist, and modpost is told to accept that;
# - "misled" is built with headers that have another CRC of msleep than the kernel.
DRIVERS = {
    "good": ("", 'pr_info ("good\\n")', ""),
    "outdated": ("#ifdef OLD\nstatic void gone_since (void) { }\n#endif", "gone_since ()", ""),
    "undefined": ("#ifdef OLD\nstatic void never_was (void) { }\n#else\nvoid never_was (void);\n#endif", "never_was ()", "KBUILD_MODPOST_WARN=1"),
    "misled": ("", "msleep (1)", ""),
}
PREDICTED = {"good": ("loads", None), "undefined": ("refused", "ENOENT"), "misled": ("refused", "EINVAL")} # answer, error of finit_module(2)
FINDINGS = {"outdated": "build-failed", "undefined": "undefined", "misled": "crc"}

# Runs before the script of dkms, and turns the headers of the new kernel into those of another build.
SPOIL = """\
#!/bin/sh
file=/usr/src/linux-headers-$1/Module.symvers
[ ! -f "$file" ] || sed -i 's/^0x[0-9a-f]*\\tmsleep\\t/0x12345678\\tmsleep\\t/' "$file"
"""
# In place of update-grub, which needs the disks of a machine.
MENU = """\
#!/bin/sh
mkdir -p /boot/grub
newest=$(ls /boot/vmlinuz-* | sort -V | tail -n 1)
printf 'set default="0"\\nmenuentry "Debian" {\\n  linux %s root=/dev/vda\\n  initrd %s\\n}\\n' \\
  "$newest" "/boot/initrd.img-${newest#*-}" > /boot/grub/grub.cfg
"""


def add_script(root, place, text):
    path = root.path / "etc/kernel" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


class Upgrade:
    """A root with the drivers, before and after an upgrade of the kernel."""

    def __init__(self, root, lab, debs):
        self.root, self.lab = root, lab
        shutil.copytree(debs, root.path / "debs")
        (root.path / "etc/initramfs-tools/conf.d").mkdir(parents=True)
        (root.path / "etc/initramfs-tools/conf.d/small").write_text("MODULES=list\n") # a large image takes minutes
        add_script(root, "postinst.d/zz-menu", MENU)
        upgrade = self._install_old_kernel()
        self.old, = self._releases()
        root.ok("apt-get install -qq /debs/dkms_*.deb")
        self._write_drivers()
        root.ok("; ".join(f"dkms install {name}/1.0 -k {self.old}" for name in DRIVERS), timeout=900)
        self.before = self._verify()
        for hooks in ("postinst.d", "header_postinst.d"):
            add_script(root, f"{hooks}/aa-spoil", SPOIL)
        self.said = root.ok(upgrade, timeout=1800)
        self.new, = set(self._releases()) - {self.old}
        self.after = self._verify()

    def _install_old_kernel(self):
        """Returns: the command that installs a newer one"""
        text = self.root.ok(f"apt-cache madison {METAS[0]}")
        versions = [line.split("|")[1].strip() for line in text.splitlines()]
        if len(set(versions)) > 1: # the newest one comes first
            self.root.ok(f"apt-get install -qq {' '.join(f'{name}={versions[-1]}' for name in METAS)}", timeout=1800)
            return "apt-get dist-upgrade"
        newest = self.root.ok(f"apt-cache depends {METAS[0]}").split("linux-image-")[-1].strip()
        series = [name for name in self.root.kernels_on_offer() if debian.age(name)[:2] == debian.age(newest)[:2] and name.endswith(f"-{newest.split('-')[-1]}")]
        old = max((name for name in series if debian.age(name) < debian.age(newest)), key=debian.age)
        self.root.ok(f"apt-get install -qq linux-image-{old} linux-headers-{old}", timeout=1800)
        return f"apt-get install -qq {' '.join(METAS)}"

    def _write_drivers(self):
        for name, (declaration, action, words) in DRIVERS.items():
            source = self.root.path / f"usr/src/{name}-1.0"
            source.mkdir()
            (source / f"{name}.c").write_text(SOURCE.replace("DECLARATION", declaration).replace("ACTION", action))
            (source / "Kbuild").write_text(f"obj-m := {name}.o\nccflags-$(if $(filter {self.old},$(KERNELRELEASE)),y) += -DOLD\n")
            (source / "dkms.conf").write_text(f'PACKAGE_NAME="{name}"\nPACKAGE_VERSION="1.0"\nBUILT_MODULE_NAME[0]="{name}"\n'
                                              f'DEST_MODULE_LOCATION[0]="/updates"\nAUTOINSTALL="yes"\n'
                                              f'MAKE[0]="make -C $kernel_source_dir M=$dkms_tree/{name}/1.0/build {words} modules"\n')

    def _releases(self):
        return [path.name.removeprefix("vmlinuz-") for path in (self.root.path / "boot").glob("vmlinuz-*")]

    def _verify(self):
        """Returns: exit status, document"""
        result = self.root.run("dkms verify --json=short")
        return result.returncode, json.loads(result.stdout.splitlines()[-1])

    def judged(self):
        """Returns: what dkms says about each driver"""
        kernel, = self.after[1]["kernels"]
        return {module["module"]: module for module in kernel["modules"]}

    def boot(self):
        """Boots the new kernel with the modules that dkms installed. Returns: what it says about each of them"""
        tree = self.lab / "tree"
        source, target = (path / "lib/modules" / self.new for path in (self.root.path, tree))
        target.mkdir(parents=True)
        for index in source.glob("modules.*"):
            shutil.copy(index, target)
        shutil.copytree(source / "updates", target / "updates")
        files, cases = {}, []
        for path in sorted((source / "updates/dkms").iterdir()):
            name = path.name.split(".")[0]
            plain = self.lab / f"{name}.ko" # Linux 6.1 cannot decompress it
            plain.write_bytes(lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes())
            files[f"plain/{name}.ko"] = plain
            cases += [(f"{name}-by-name", "modprobe", "/", name), (f"{name}-file", "load", f"/plain/{name}.ko", "0")]
        kernel = self.lab / "vmlinux"
        kernel.write_bytes(machine.unpack_vmlinux(self.root.path / f"boot/vmlinuz-{self.new}"))
        return machine.boot(self.lab, "upgraded", kernel, machine.initramfs(self.lab, "guest", {".": tree}, files, cases)).cases


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def upgrade(request, tmp_path_factory):
    debs = debian.packages(tmp_path_factory)
    lab = tmp_path_factory.mktemp(request.param)
    root = debian.bootstrap(request.param, lab / "root")
    try:
        yield Upgrade(root, lab, debs)
    finally:
        root.delete()


def test_verify_names_the_broken_drivers(upgrade):
    status, document = upgrade.before
    assert status == 0 and document["summary"]["ok"] == len(DRIVERS), document
    status, document = upgrade.after
    kernel, = document["kernels"]
    assert status == 30 and kernel["release"] == upgrade.new, document
    broken = {}
    for name, module in upgrade.judged().items():
        findings = [*module["findings"], *(finding for file in module["files"] for finding in file["findings"])]
        broken[name] = {finding["code"] for finding in findings if finding["result"] == "problem"}
    assert broken == {name: {FINDINGS[name]} if name in FINDINGS else set() for name in DRIVERS}, document
    assert sorted(re.findall(r"^(\w+)/1\.0 +PROBLEM: ", upgrade.said, re.M)) == sorted(FINDINGS), "apt ends with the answer of dkms"


def test_the_new_kernel_answers_as_predicted(upgrade):
    judged, cases = upgrade.judged(), upgrade.boot()
    files = {name: file for name in DRIVERS for file in judged[name]["files"]}
    assert {name: (file["answer"], file.get("errno")) for name, file in files.items()} == PREDICTED
    assert {case.removesuffix("-file") for case in cases if case.endswith("-file")} == set(PREDICTED)
    for name, (answer, errno) in PREDICTED.items():
        assert cases[f"{name}-file"]["loaded"] == (errno or "OK"), cases
        assert (cases[f"{name}-by-name"]["loaded"] == "OK") == (answer == "loads"), cases
    assert cases["good-by-name"]["taint"] == files["good"]["taint"] and cases["good-by-name"]["version"] == "1.0"
