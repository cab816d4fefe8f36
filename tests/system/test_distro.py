"""What depends on the distribution, with an os-release in the root and a stand-in for rpm."""
import os

import pytest
from conftest import ARCH, K1

PLACES = [  # ID, ID_LIKE, directory of modules
    ("debian", None, "updates/dkms"), ("ubuntu", "debian", "updates/dkms"), ("linuxmint", "ubuntu debian", "updates/dkms"),
    ("fedora", None, "extra"), ("rhel", "fedora", "extra"), ("centos", "rhel fedora", "extra"),
    ("opensuse-leap", "suse opensuse", "updates"), ("sles", "suse", "updates"), ("arch", None, "updates/dkms"),
    ("manjaro", "arch", "updates/dkms"), ("gentoo", None, "kernel/drivers/misc"), ("alpine", None, "kernel/drivers/misc"),
    ("void", None, "kernel/drivers/misc"),
]
HEADERS = [("debian", f"linux-headers-{K1}"), ("ubuntu", f"linux-headers-{K1}"), ("fedora", f"kernel-devel-{K1}"),
           ("rhel", f"kernel-devel-{K1}"), ("sles", "kernel-default-devel"), ("arch", "linux-headers"),
           ("gentoo", "the sources of that kernel, configured and prepared"), ("alpine", "linux-lts-dev"), ("void", "linux-headers")]


@pytest.mark.parametrize("name, like, place", PLACES)
def test_destination(root, name, like, place):
    root.os_release(name, like)
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, "-a", ARCH)
    assert (root.modules / K1 / place / "foo.ko").is_file()
    root.ok("remove", "foo/1.0", "-k", K1, "-a", ARCH)
    assert not (root.modules / K1 / place.split("/")[0]).exists()


@pytest.mark.parametrize("name, package", HEADERS)
def test_headers_package(root, name, package):
    root.os_release(name)
    root.source()
    root.kernel("6.1.0-9-bare", headers=False)
    result = root("build", "foo/1.0", "-k", "6.1.0-9-bare", "-a", ARCH)
    assert result.rc == 21 and package.replace(K1, "6.1.0-9-bare") in result.err


RELEASES = [ # distribution, release, what to install
    ("debian", "6.8.12-4-pve", "proxmox-headers-6.8.12-4-pve (apt install proxmox-headers-6.8.12-4-pve)"),
    ("debian", "6.2.16-3-pve", "pve-headers-6.2.16-3-pve (apt install pve-headers-6.2.16-3-pve)"),
    ("debian", "6.6.20+rpt-rpi-v8", "linux-headers-6.6.20+rpt-rpi-v8 (apt install linux-headers-6.6.20+rpt-rpi-v8)"),
    ("ubuntu", "6.8.0-40-generic", "linux-headers-6.8.0-40-generic (apt install linux-headers-6.8.0-40-generic)"),
    ("fedora", "6.8.5-301.fc40.x86_64", "kernel-devel-6.8.5-301.fc40.x86_64 (dnf install kernel-devel-6.8.5-301.fc40.x86_64)"),
    ("fedora", "6.8.5-301.fc40.x86_64+debug", "kernel-debug-devel-6.8.5-301.fc40.x86_64 (dnf install kernel-debug-devel-6.8.5-301.fc40.x86_64)"),
    ("rhel", "5.15.0-200.131.el8uek.x86_64", "kernel-uek-devel-5.15.0-200.131.el8uek.x86_64 (dnf install"),
    ("suse", "6.4.0-150600.21-default", "kernel-default-devel (zypper install kernel-default-devel)"),
    ("suse", "6.4.0-150600.8-azure", "kernel-azure-devel (zypper install kernel-azure-devel)"),
    ("arch", "6.6.1-arch1-1", "linux-headers (pacman -S linux-headers)"), ("arch", "6.6.1-1-lts", "linux-lts-headers (pacman -S linux-lts-headers)"),
    ("arch", "6.6.1-zen1-1-zen", "linux-zen-headers (pacman -S linux-zen-headers)"), ("arch", "6.6.20-1-MANJARO", "linux66-headers (pacman -S linux66-headers)"),
    ("alpine", "6.6.20-0-virt", "linux-virt-dev (apk add linux-virt-dev)"), ("void", "6.6.20_1", "linux6.6-headers (xbps-install linux6.6-headers)"),
    ("gentoo", "6.6.20-gentoo-dist", "=sys-kernel/gentoo-kernel-bin-6.6.20 (emerge =sys-kernel/gentoo-kernel-bin-6.6.20)"),
    ("gentoo", "6.6.20-gentoo-r1-dist", "=sys-kernel/gentoo-kernel-bin-6.6.20-r1 (emerge"), ("gentoo", "6.6.20-gentoo-r2", "=sys-kernel/gentoo-sources-6.6.20-r2 (emerge"),
    ("gentoo", "6.6.20-mine", "the sources of that kernel, configured and prepared,"), ("nixos", "6.6.20", "the header package of that kernel,")]


@pytest.mark.parametrize("name, release, package", RELEASES)
def test_headers_of_a_release(root, name, release, package):
    root.os_release(name)
    root.source()
    root.kernel(release, headers=False)
    result = root("build", "foo/1.0", "-k", release, "-a", ARCH)
    assert result.rc == 21 and f"\nInstall {package}" in result.err, result


def test_package_that_a_kernel_names(root):
    root.os_release("arch")
    root.source()
    (root.kernel("6.9.1-cachyos", headers=False) / "pkgbase").write_text("linux-cachyos\n")
    assert "Install linux-cachyos-headers (pacman -S linux-cachyos-headers)" in root("build", "foo/1.0", "-k", "6.9.1-cachyos").err


def with_rpm(tmp_path, script):
    directory = tmp_path / "bin"
    directory.mkdir(exist_ok=True)
    (directory / "rpm").write_text("#!/bin/sh\n" + script)
    (directory / "rpm").chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}"}


def test_arch_is_that_of_the_kernel_package(root, tmp_path):
    root.os_release("fedora")
    root.source()
    env = with_rpm(tmp_path, 'case $4 in */lib/modules/*) echo "filesystem noarch"; echo "kernel-core i686" ;; esac\n')
    root.ok("build", "foo/1.0", "-k", K1, env=env)
    assert root.status() == [f"foo/1.0, {K1}, i686: built"]


def test_arch_is_the_machines_when_nobody_owns_the_kernel(root, tmp_path):
    root.os_release("fedora")
    root.source()
    root.ok("build", "foo/1.0", "-k", K1, env=with_rpm(tmp_path, "echo 'not owned by any package'; exit 1\n"))
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built"]


def test_rpm_is_not_asked_on_debian(root, tmp_path):
    root.source()
    env = with_rpm(tmp_path, f"touch {tmp_path}/asked\n")
    root.ok("install", "foo/1.0", "-k", K1, env=env)
    root.ok("remove", "foo/1.0", "-k", K1, env=env)
    assert not (tmp_path / "asked").exists()


def test_directories_of_packages_stay(root, tmp_path):
    root.os_release("fedora")
    root.source()
    env = with_rpm(tmp_path, 'case $4 in */extra) echo kernel-core ;; *) exit 1 ;; esac\n')
    root.ok("install", "foo/1.0", "-k", K1, "-a", ARCH, env=env)
    root.ok("uninstall", "foo/1.0", "-k", K1, "-a", ARCH, env=env)
    assert (root.modules / K1 / "extra").is_dir() and not list((root.modules / K1 / "extra").iterdir())


def test_no_os_release(root):
    (root.path / "etc/os-release").unlink()
    assert root("--version").rc == 4
    (root.path / "usr/lib").mkdir()
    (root.path / "usr/lib/os-release").write_text("ID=arch\n")
    assert root("--version").rc == 0
