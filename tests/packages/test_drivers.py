"""Packages of drivers: the guides in docs/guide, followed in a new Debian without anything, and the test of such packages."""
import pathlib
import re
import shutil
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lib"))

import debian  # noqa: E402
import guide  # noqa: E402


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A new Debian without anything, and the packages of dkms in the home directory of the reader of the guides."""
    debs = debian.packages(tmp_path_factory)
    root = debian.bootstrap("bookworm", tmp_path_factory.mktemp("machine") / "root", pivot=True)
    (root.path / "root/new").mkdir()
    for package in [*debs.glob("dkms_*.deb"), *debs.glob("dh-dkms_*.deb")]:
        shutil.copy(package, root.path / "root/new")
    try:
        yield root
    finally:
        root.delete()


def test_minimal_system(machine):
    """The installation brings the user for builds, and neither systemd nor a compiler."""
    machine.ok("apt-get install -qq --no-install-recommends /root/new/dkms_*.deb")
    packages = machine.ok("dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n'")
    assert "systemd-standalone-sysusers ii" in packages and not re.search(r"^(systemd|gcc|gcc-\d+|linux-headers\S*) ii", packages, re.M)
    assert "_dkms:" in machine.ok("getent passwd _dkms")
    assert machine.status() == []
    machine.ok("dpkg --purge dkms")


def test_guide_to_packaging(machine):
    """A new user follows docs/guide/packaging.md."""
    text = guide.read("packaging.md")
    reader = guide.Reader(machine, "/root/new")
    reader.write(text)
    reader.follow(text, {"sudo autopkgtest": 8, "sudo dkms build ./my-driver": 10})
    machine.ok("dkms remove my-driver/1.0 --all; rm -r /usr/src/my-driver-1.0; sed -i '/#error/d' /root/new/my-driver/my-driver.c; "
               "apt-get purge -qq 'linux-headers-.*rt-amd64'")


VARIANTS = {
    "excluded": ("echo BUILD_EXCLUSIVE_KERNEL_MAX=5.0 >> usr/src/my-driver-1.0/dkms.conf", 0, "SKIP my-driver/1.0 KERNEL"),
    "broken": ("echo '#error \"no\"' >> usr/src/my-driver-1.0/my-driver.c", 1, "FAIL my-driver/1.0 KERNEL"),
    "dependency": ("sed -i /^Depends/d DEBIAN/control", 1, "FAIL my-driver-dkms (does not depend on dkms)"),
    "left-over": ("echo exit 0 > DEBIAN/prerm", 1, "FAIL my-driver/1.0 (still registered"),
    "order": ("""cp -r usr/src/my-driver-1.0 usr/src/base-1.0; rm usr/src/base-1.0/my-driver.c
        sed 's/my_driver/base/' usr/src/my-driver-1.0/my-driver.c > usr/src/base-1.0/base.c; sed -i s/my-driver/base/ usr/src/base-1.0/*
        echo 'BUILD_DEPENDS[0]=base' >> usr/src/my-driver-1.0/dkms.conf
        sed -i '/^if/i [ "$1" != configure ] || /usr/lib/dkms/common.postinst base 1.0' DEBIAN/postinst
        sed -i '/^case/i dkms remove base/1.0 --all || :' DEBIAN/prerm""", 0, "PASS my-driver/1.0 KERNEL"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_dkms_autopkgtest(machine, variant):
    """What the test of packages finds in changed packages."""
    change, code, line = VARIANTS[variant]
    kernel = guide.Reader(machine, "/root").kernel("amd64")
    (machine.path / "root/variant").mkdir()
    try:
        machine.ok(f"cd /root/variant; dpkg-deb -R ../new/my-driver-dkms_1.0_all.deb x; cd x; {change}; cd ..; dpkg-deb -b x my-driver-dkms_1.0_all.deb")
        result = machine.run("cd /root/variant; mkdir artifacts; AUTOPKGTEST_ARTIFACTS=$PWD/artifacts /usr/lib/dkms/dkms-autopkgtest my-driver-dkms_1.0_all.deb")
        assert result.returncode == code and "I: " + line.replace("KERNEL", kernel) in result.stdout, result.stdout
        assert not (machine.path / "etc/dkms/no-autoinstall").exists()
        logs = machine.ok("tar -tzf /root/variant/artifacts/my-driver-dkms-make-logs.tar.gz")
        assert variant != "broken" or f"./my-driver/1.0/{kernel}/make.log\n" in logs
    finally:
        machine.run("dpkg --purge --force-all my-driver-dkms; for m in $(dkms status | sed 's/[:,].*//' | sort -u); do dkms remove $m --all; done; rm -rf /root/variant")
    assert machine.status() == []


def test_rpm_of_the_driver(machine):
    """The spec file of the guide: build, installation, upgrade and removal, with rpm in this Debian."""
    machine.ok("apt-get install -qq rpm procps")
    tar, build, _ = re.search(r"^```sh\n((?:.*\n){3})```", guide.read("packaging.md", "Fedora"), re.M)[1].splitlines()
    kernel = guide.Reader(machine, "/root").kernel("amd64")
    options = "--force-debian --nodeps /root/rpmbuild/RPMS/noarch/my-driver-dkms-"
    machine.ok(f"cd /root/new; {tar}; {build}; rpm -i {options}1.0-1*.noarch.rpm")
    assert f"my-driver/1.0, {kernel}, x86_64: installed" in machine.status() and machine.modules(kernel) == ["my-driver"]
    machine.ok(f"cd /root/new; cp -r my-driver next; cd next; sed -i s/1[.]0/1.1/ dkms.conf my-driver.c packaging/*; cd ..; "
               f"{tar.replace('1.0', '1.1').replace('^my-driver', '^next').removesuffix('my-driver')}next; {build.replace('my-driver/', 'next/')}; rpm -U {options}1.1-1*.noarch.rpm")
    assert f"my-driver/1.1, {kernel}, x86_64: installed" in machine.status() and "my-driver/1.0" not in "".join(machine.status())
    assert machine.modules(kernel) == ["my-driver"] and not (machine.path / "usr/src/my-driver-1.0").exists()
    machine.ok("rpm -e --force-debian --nodeps my-driver-dkms")
    assert machine.status() == [] and machine.modules(kernel) == []


def test_guide_to_images(machine):
    """docs/guide/images.md, with an image in this machine. The second image has the same kernel and nothing else."""
    image = debian.bootstrap("bookworm", machine.path / "mnt/image")
    try:
        reader = guide.Reader(machine, "/root/new", machine.path / "mnt/image")
        reader.prepare = "mount -t proc proc /mnt/image/proc"
        reader.follow(guide.read("images.md", "Packages in a chroot"))
        reader.follow(guide.read("images.md", "A driver without a package"))
        kernel = reader.kernel("amd64")
        small = machine.path / "mnt/small/lib/modules" / kernel
        small.mkdir(parents=True)
        for name in ("modules.order", "modules.builtin"):
            (small / name).touch()
        (machine.path / "mnt/small/etc").mkdir()
        shutil.copy(machine.path / "etc/os-release", machine.path / "mnt/small/etc")
        reader.follow(guide.read("images.md", "An image without a compiler"))
        assert [path.name.split(".")[0] for path in small.rglob("updates/dkms/*.ko*")] == ["my-driver"]
    finally:
        image.delete()
