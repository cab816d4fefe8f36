"""The real zfs-dkms of Debian releases: apt builds and installs it for the kernel of the release, an archive carries the
builds to another root, that kernel loads the modules in the emulator and stores files in a pool, and apt purges it.

DKMS_ZFS lists the releases. DKMS_ZFS_SETTINGS contains additional lines of framework.conf. Each build takes seven minutes of
one processor. Logs and results are written to the directory 'zfs' in the build directory.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path[:0] = [str(TOP / "tests/lib"), str(TOP / "tests/boot")]

import debian  # noqa: E402
import machine  # noqa: E402
from conftest import RECORD  # noqa: E402

SUITES = os.environ.get("DKMS_ZFS", "bookworm trixie").split()
os.environ.setdefault("DKMS_BOOT_TIMEOUT", "1200") # the guest does more than in other tiers
SETTINGS = os.environ.get("DKMS_ZFS_SETTINGS", "").replace("\\n", "\n")
KEEP = pathlib.Path(os.environ.get("DKMS", TOP / "build/src/dkms")).resolve().parents[1] / "zfs"
OLD, NEW = {"spl", "zavl", "znvpair", "zunicode", "zcommon", "zfs", "icp", "zlua", "zzstd"}, {"spl", "zfs"} # since 2.2
FACTS = {"modprobe": "OK", "enforced": "Y", "create": "OK", "snapshot": "OK", "export": "OK", "content": "same", "scrub": "ONLINE",
         "destroy": "OK", "unload": "OK"}


class Machine:
    """A root with our packages, a kernel of the release with headers, and a key pair whose certificate fits into the kernel image."""

    def __init__(self, suite, path):
        self.suite, self.keep, self.seconds = suite, KEEP / suite, {}
        self.root = debian.bootstrap(suite, path, pivot=True)
        self.keep.mkdir(parents=True, exist_ok=True)

    def timed(self, name, script):
        start = time.monotonic()
        try:
            return self.root.ok(script)
        finally:
            self.seconds[name] = time.monotonic() - start

    def prepare(self):
        root = self.root
        root.ok("apt-get install -qq git make openssl")
        debian.run("git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", TOP, root.path / "root/dkms")
        self.timed("our packages", "cd /root/dkms && make deb && apt-get install -qq ./build/packages/dkms_*.deb")
        (root.path / "etc/dkms/framework.conf.d/test.conf").write_text(f"try_sign_modules=true\n{SETTINGS}\n")
        for user in re.findall(r"^build_user=(\S+)$", SETTINGS, re.M):
            root.ok(f"id {user} || useradd --system --home /nonexistent --shell /usr/sbin/nologin {user}")
        # The kernel of the release; newer kernels may be too new for its zfs.
        (self.kernel,) = re.findall(r"^  Depends: linux-image-(\d\S*)$", root.ok("apt-cache depends linux-image-amd64"), re.M)
        # Newer kernels have a short certificate, which cannot be replaced by an RSA certificate.
        if debian.age(self.kernel) >= [6, 12]:
            root.ok("mkdir -p /var/lib/dkms; cd /var/lib/dkms; umask 077; openssl req -new -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
                    "-nodes -sha256 -days 3650 -subj /CN=zfs-test -keyout mok.key -outform DER -out mok.pub")
        # An initramfs for the disk of the emulator only.
        root.ok("mkdir -p /boot /etc/initramfs-tools/conf.d; echo MODULES=list >/etc/initramfs-tools/conf.d/small; "
                "apt-get install -qq initramfs-tools; printf '%s\\n' virtio_pci virtio_blk ext4 >/etc/initramfs-tools/modules")
        self.timed("kernel", f"apt-get install -qq linux-image-{self.kernel} linux-headers-{self.kernel}")

    def install(self):
        self.output = self.timed("zfs-dkms", "apt-get install -qq zfs-dkms zfsutils-linux")
        (line,) = [line for line in self.root.status() if line.startswith("zfs/")]
        self.version, _, self.arch = re.match(r"zfs/([^,]+), ([^,]+), ([^,:]+)", line).groups()
        self.result = self.root.path / f"var/lib/dkms/zfs/{self.version}/{self.kernel}/{self.arch}"
        self.record()

    def record(self):
        log = (self.result / "log/make.log").read_text()
        (self.keep / "make.log").write_text(log)
        (self.keep / "apt.log").write_text(self.output)
        modinfo = self.root.ok(f"modinfo -k {self.kernel} zfs spl")
        (self.keep / "modinfo").write_text(modinfo)
        RECORD[self.suite] = [f"zfs {self.version} for {self.kernel}; " + ", ".join(f"{name} {s:.0f} s" for name, s in self.seconds.items()),
                              *log.splitlines()[-12:],
                              *[line for line in modinfo.splitlines() if re.match("filename|version|vermagic|depends|signer|sig_id", line)]]

    def line(self, state):
        return f"zfs/{self.version}, {self.kernel}, {self.arch}: {state}"

    def modules(self):
        """The installed files of each module."""
        return {p.name.split(".ko")[0]: p for p in (self.root.path / "lib/modules" / self.kernel / "updates/dkms").glob("*.ko*")}

    def modinfo(self, field):
        names = " ".join(sorted(self.modules()))
        return dict(zip(names.split(), self.root.ok(f"for m in {names}; do modinfo -k {self.kernel} -F {field} $m | head -n 1; done").splitlines()))

    def extras(self):
        return {name: (self.result / name).read_bytes() for name in ("zfs_config.h", "Module.symvers")}

    def boot(self, lab):
        """Boots the kernel with our certificate from the root."""
        shutil.copy(HERE / "check.sh", self.root.path / "check")
        (self.root.path / "check").chmod(0o755)
        image, disk = lab / "vmlinux", lab / "disk"
        image.write_bytes(machine.trusting(machine.unpack_vmlinux(self.root.path / f"boot/vmlinuz-{self.kernel}"),
                                           (self.root.path / "var/lib/dkms/mok.pub").read_bytes()))
        debian.run("truncate", "-s", "6G", disk)
        debian.run("mkfs.ext4", "-q", "-d", self.root.path, disk)
        try:
            return machine.boot(lab, "zfs", image, self.root.path / f"boot/initrd.img-{self.kernel}",
                                append="root=/dev/vda rw init=/check", disk=disk)
        finally:
            disk.unlink()
            for kind in ("console", "result"):
                if (lab / f"zfs.{kind}").exists():
                    shutil.copy(lab / f"zfs.{kind}", self.keep / f"guest.{kind}")


@pytest.fixture(scope="module", params=SUITES)
def zfs(request, tmp_path_factory):
    for program in ("debootstrap", "qemu-system-x86_64", "mkfs.ext4", "git"):
        assert shutil.which(program), f"no {program} here; scripts/install-deps boot package installs it"
    self = Machine(request.param, tmp_path_factory.mktemp(request.param) / "root")
    try:
        self.prepare()
        self.install()
        yield self
    finally:
        self.root.delete()


def test_apt_builds_and_installs_it(zfs):
    assert zfs.root.status() == [zfs.line("installed")]
    assert "without a sandbox" not in zfs.output and "Error" not in zfs.output, zfs.output
    assert set(zfs.modules()) == (OLD if debian.age(zfs.version) < [2, 2] else NEW)
    assert all(path.stat().st_size > 1000 for path in zfs.modules().values())


def test_log(zfs):
    log = (zfs.result / "log/make.log").read_text()
    assert re.findall(r"^# exit code: (\d+)$", log, re.M) == ["0", "0", "0"]
    commands = re.findall(r"^# command: (.*)$", log, re.M)
    assert re.search(rf"/configure (--disable-dependency-tracking )?--prefix=/usr --with-config=kernel "
                     rf"--with-linux=/lib/modules/{re.escape(zfs.kernel)}/source --with-linux-obj=/lib/modules/{re.escape(zfs.kernel)}/build ", commands[0])
    assert f"scripts/dkms.postbuild -n zfs -v {zfs.version} -a {zfs.arch} -k {zfs.kernel} -t /var/lib/dkms" in commands[2]


def test_modules_say_what_they_are_for(zfs):
    assert set(word.split()[0] for word in zfs.modinfo("vermagic").values()) == {zfs.kernel}
    signer = zfs.root.ok("openssl x509 -inform DER -in /var/lib/dkms/mok.pub -noout -subject -nameopt multiline").split("= ")[-1].strip()
    assert set(zfs.modinfo("signer").values()) == {signer}
    assert all(zfs.version in version for version in zfs.modinfo("version").values()) # zzstd has an additional version before it
    assert not [m for m, path in zfs.modules().items() if ".debug_info" in zfs.root.ok(
        f"case {path.name} in *.xz) xz -dc ;; *) cat ;; esac </{path.relative_to(zfs.root.path)} >/tmp/m && readelf -SW /tmp/m")]
    index = (zfs.root.path / "lib/modules" / zfs.kernel / "modules.dep").read_text()
    (line,) = re.findall(r"^updates/dkms/zfs\.ko\S*:(.*)$", index, re.M)
    assert set(re.findall(r"updates/dkms/([^/. ]+)\.ko", line)) == set(zfs.modules()) - {"zfs"}


def test_what_other_packages_need_is_kept(zfs):
    extras = {name: text.decode() for name, text in zfs.extras().items()}
    assert re.search(rf'^#define ZFS_META_VERSION "{re.escape(zfs.version)}"', extras["zfs_config.h"], re.M)
    assert re.search(r"^0x[0-9a-f]{8}\tspl_kmem_alloc\t", extras["Module.symvers"], re.M)
    assert json.loads((zfs.result / ".record.json").read_text())["modules"]


def test_the_kernel_loads_it_and_keeps_a_pool(zfs, tmp_path):
    guest = zfs.boot(tmp_path)
    RECORD[zfs.suite] += [f"guest: {key} {guest.facts.get(key)}" for key in ("release", *FACTS)]
    RECORD[zfs.suite] += [f"guest: {module} {case}" for module, case in guest.cases.items()]
    assert guest.facts["release"] == zfs.kernel
    assert {key: guest.facts.get(key) for key in FACTS} == FACTS, guest.facts
    sources = zfs.modinfo("srcversion")
    for module in zfs.modules():
        case = guest.cases[module]
        # O: from outside the kernel tree, P: most licences are not the GPL. No E: the kernel trusts the signature.
        assert case["taint"] in ("O", "PO"), (module, case)
        assert zfs.version in case["version"] and case["srcversion"] == sources[module]


def test_it_goes_and_comes_back_without_another_build(zfs):
    root, spec = zfs.root, f"zfs/{zfs.version} -k {zfs.kernel}"
    before, files = zfs.extras(), {name: path.read_bytes() for name, path in zfs.modules().items()}
    root.ok(f"dkms uninstall {spec}")
    assert root.status() == [zfs.line("built")] and zfs.modules() == {}
    root.ok(f"dkms install {spec}")
    assert {name: path.read_bytes() for name, path in zfs.modules().items()} == files
    root.ok(f"dkms mktarball {spec} --archive /root/zfs.tar.gz && dkms unbuild {spec}")
    shutil.copy(root.path / "root/zfs.tar.gz", zfs.keep)
    assert root.status() == [f"zfs/{zfs.version}: added"] and not zfs.result.parent.exists()
    root.ok("dkms ldtarball --force /root/zfs.tar.gz")
    assert root.status() == [zfs.line("built")] and zfs.extras() == before
    root.ok(f"dkms install {spec}")
    assert {name: path.read_bytes() for name, path in zfs.modules().items()} == files


def test_purge_leaves_nothing(zfs):
    zfs.root.ok("apt-get purge -qq zfs-dkms")
    assert zfs.root.status() == [] and zfs.modules() == {}
    assert not (zfs.root.path / "var/lib/dkms/zfs").exists()
    assert not (zfs.root.path / f"usr/src/zfs-{zfs.version}").exists()
    assert "zfs.ko" not in (zfs.root.path / "lib/modules" / zfs.kernel / "modules.dep").read_text()
