"""dkms forecast and its hooks with real package managers of other distributions, which Debian has in packages: zypper, pacman and
dnf 4. Each gets a repository with a newer kernel and its headers.

The tests share one root."""
import json
import pathlib
import re
import shutil
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "lib"), str(TESTS / "system")]

import debian  # noqa: E402
from test_forecast import PICKY_MAKEFILE  # noqa: E402

CONF = ('PACKAGE_NAME="{0}"\nPACKAGE_VERSION="1.0"\nBUILT_MODULE_NAME[0]="{0}"\nDEST_MODULE_LOCATION[0]="/updates"\nAUTOINSTALL="yes"\n'
        'STRIP="no"\n')


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A Debian with these package managers, and two modules, one of which does not build for the new kernels."""
    root = debian.bootstrap("bookworm", tmp_path_factory.mktemp("debian") / "root")
    shutil.copytree(debian.packages(tmp_path_factory), root.path / "debs")
    try:
        root.ok("apt-get install -qq /debs/dkms_*.deb make zypper pacman-package-manager makepkg libarchive-tools rpm createrepo-c dnf", timeout=1800)
        prepare(root)
        yield root
    finally:
        root.delete()


def prepare(root):
    for name, text in (("good", ""), ("bad", "BROKEN")):
        source = root.path / f"usr/src/{name}-1.0"
        source.mkdir()
        (source / "dkms.conf").write_text(CONF.format(name))
        (source / f"{name}.c").write_text(f"{name} {text}\n")
        root.ok(f"dkms add {name}/1.0")


def identity(root, name):
    """dkms asks the package manager of the distribution in os-release."""
    path = root.path / "etc/os-release"
    path.unlink(missing_ok=True)
    path.write_text(f"ID={name}\n")


def setting(root, text):
    (root.path / "etc/dkms/framework.conf.d").mkdir(exist_ok=True)
    (root.path / "etc/dkms/framework.conf.d/forecast.conf").write_text(text)


def tree(root, directory, files):
    """Writes files in the root. Returns: their directory, as seen there"""
    place = root.path / directory
    shutil.rmtree(place, ignore_errors=True)
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text)
    return f"/{directory}"


def rpm(root, name, edition, files, arch="x86_64", extra=""):
    version, release = edition.split("-")
    place = tree(root, f"work/rpm/{name}", files or {f"usr/share/{name}-{edition}": "x"})
    (root.path / "work" / f"{name}.spec").write_text(
        f"Name: {name}\nVersion: {version}\nRelease: {release}\nSummary: {name}\nLicense: GPL\nBuildArch: {arch}\nAutoReqProv: no\n{extra}\n"
        f"%description\nx\n%install\ncp -a {place}/. %{{buildroot}}\n%files\n/*\n")
    root.ok(f"rpmbuild -bb --quiet --define '_rpmdir /work/rpms' --define '_topdir /work/top' /work/{name}.spec 2>&1")
    root.ok(f"mkdir -p /work/repo; find /work/rpms -name '{name}-{edition}.*.rpm' -exec mv {{}} /work/repo ';'")


def forecast(root, release):
    """Returns: the words for the modules, and the names of the packages"""
    result = root.run("dkms forecast --json=short")
    assert result.returncode == 11, result
    candidate, = json.loads(result.stdout.splitlines()[-1])["candidates"]
    assert candidate["release"] == release and candidate["headers"] == "fetched", candidate
    return {m["module"]: m["result"] for m in candidate["modules"]}, [p["name"] for p in candidate["packages"]]


EXPECTED = {"good": "builds", "bad": "fails"}
HEADERS = {"include/config/auto.conf": "CONFIG_MODULES=y\n"}


def test_zypper(root):
    """The kernel is among the updates, and its headers are two packages, of which one has another build number."""
    identity(root, "opensuse-leap")
    release, own, common = "6.12.0-160000.8-default", "usr/src/linux-6.12.0-160000.8-obj/x86_64/default", "usr/src/linux-6.12.0-160000.8"
    multi = "Provides: multiversion(kernel)"
    for number in (7, 8):
        rpm(root, "kernel-default", f"6.12.0-160000.{number}.1", None, extra=multi)
    rpm(root, "kernel-default-devel", "6.12.0-160000.8.1",
        {f"{own}/include/config/auto.conf": HEADERS["include/config/auto.conf"], f"{own}/Makefile": f"include /{common}/Makefile\n"}, extra=multi)
    rpm(root, "kernel-devel", "6.12.0-160000.8.2", {f"{common}/Makefile": PICKY_MAKEFILE}, arch="noarch", extra=multi)
    # libzypp reads /var/lib/rpm; rpm of Debian writes to another place
    root.ok("createrepo_c -q /work/repo; rpm --dbpath /var/lib/rpm --initdb; "
            "rpm --dbpath /var/lib/rpm -i --nodeps --justdb /work/repo/kernel-default-6.12.0-160000.7.1.x86_64.rpm 2>&1; "
            "zypper --non-interactive addrepo --no-gpgcheck dir:///work/repo r; zypper --non-interactive --no-gpg-checks refresh")
    assert forecast(root, release) == (EXPECTED, ["kernel-default", "kernel-default-devel", "kernel-devel"])
    assert root.run("dkms forecast").stdout.count("zypper addlock kernel-default") == 1
    root.ok("rpm --dbpath /var/lib/rpm -i --nodeps --justdb --force /work/repo/kernel-default-6.12.0-160000.8.1.x86_64.rpm 2>&1; rm -r /work/repo")
    assert root.ok("dkms forecast").endswith("Nothing newer is offered.\n")


def pacman_package(root, name, version, files):
    info = (f"pkgname = {name}\npkgbase = {name}\npkgver = {version}\npkgdesc = {name}\nurl = https://arch.invalid\nbuilddate = 1790000000\n"
            "packager = A <a@arch.invalid>\nsize = 1000\narch = any\n")
    place = tree(root, f"work/pacman/{name}", {".PKGINFO": info, **files})
    root.ok(f"mkdir -p /work/core; cd {place}; bsdtar -cf /work/core/{name}-{version}-any.pkg.tar .PKGINFO *")


def test_pacman(root):
    """The lists of the last -Sy have a newer kernel. The hook ends the upgrade, or lets it go on."""
    identity(root, "arch")
    release = "6.12.2-arch1-1"
    modules = f"usr/lib/modules/{release}"
    (root.path / "etc/pacman.conf").write_text("[options]\nArchitecture = auto\nSigLevel = Never\n[core]\nServer = file:///work/core\n")
    pacman_package(root, "linux", "6.12.1.arch1-1", {"usr/lib/modules/6.12.1-arch1-1/vmlinuz": "x"})
    root.ok("pacman --noconfirm -U /work/core/*.tar; rm /work/core/*")
    pacman_package(root, "linux", "6.12.2.arch1-1", {f"{modules}/vmlinuz": "x"})
    pacman_package(root, "linux-headers", "6.12.2.arch1-1",
                   {f"{modules}/build/Makefile": PICKY_MAKEFILE, f"{modules}/build/include/config/auto.conf": "CONFIG_MODULES=y\n"})
    root.ok("cd /work/core; repo-add -q core.db.tar *.pkg.tar; pacman -Sy")
    assert forecast(root, release) == (EXPECTED, ["linux", "linux-headers"])
    hooks(root)
    setting(root, "forecast=abort\n")
    before = root.ok("pacman -Q")
    result = root.run("pacman --noconfirm -Su linux-headers")
    assert result.returncode == 1 and result.stdout.count("FAILS") == 1 and "Error! 1 of 2 modules" in result.stdout, result
    assert root.ok("pacman -Q") == before and not (root.path / modules).exists()
    setting(root, "")
    text = root.ok("pacman --noconfirm -Su linux-headers")
    assert text.count("FAILS") == 1 and text.count("Warning: 1 of 2 modules") == 1, text
    assert "linux 6.12.2.arch1-1" in root.ok("pacman -Q")
    assert root.ok("dkms forecast").endswith("Nothing newer is offered.\n")


def place(root, source, target, mode=0o755):
    """Installs a hook, as meson would for its distribution."""
    text = (TESTS.parent / "data" / source).read_text()
    for name, path in (("sbindir", "/usr/sbin"), ("libdir", "/usr/lib/dkms"), ("moddir", "/usr/lib/modules"),
                       ("scriptdir", "/usr/share/libalpm/scripts")):
        text = text.replace(f"@{name}@", path)
    path = root.path / target
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def hooks(root):
    place(root, "hooks/forecast-run.in", "usr/lib/dkms/forecast-run")
    place(root, "pacman/dkms-forecast-hook.in", "usr/share/libalpm/scripts/dkms-forecast-hook")
    place(root, "pacman/60-dkms-forecast.hook.in", "etc/pacman.d/hooks/60-dkms-forecast.hook", 0o644)
    place(root, "dnf/dkms_forecast.py.in", "usr/lib/python3/dist-packages/dnf-plugins/dkms_forecast.py", 0o644)


def test_dnf(root):
    """The kernel is an upgrade. The plugin ends the transaction, or lets it go on."""
    identity(root, "fedora")
    edition = "6.8.9-300.fc40"
    release, prefix = f"{edition}.x86_64", f"usr/src/kernels/{edition}.x86_64"
    (root.path / "etc/yum.repos.d").mkdir(exist_ok=True)
    (root.path / "etc/yum.repos.d/test.repo").write_text("[test]\nname=test\nbaseurl=file:///work/repo\ngpgcheck=0\n")
    (root.path / "etc/dnf/dnf.conf").write_text("[main]\ngpgcheck=0\nreleasever=40\nmetadata_expire=0\n")
    for old in ("6.8.5-301.fc40", edition):
        rpm(root, "kernel-core", old, None)
    root.ok("rpm -i --nodeps --justdb /work/repo/kernel-core-6.8.5-301.fc40.x86_64.rpm 2>&1")
    rpm(root, "kernel-devel", edition, {f"{prefix}/include/config/auto.conf": "CONFIG_MODULES=y\n", f"{prefix}/Makefile": PICKY_MAKEFILE,
                                        f"lib/modules/{release}/build": f"-> /{prefix}"})
    root.ok("createrepo_c -q /work/repo")
    text = root.run("dnf -q repoquery --upgrades --latest-limit=1 --qf '%{name} %{version}-%{release}.%{arch} %{repoid}\\n' kernel-core").stdout
    assert re.search(rf"^kernel-core {re.escape(release)} test$", text, re.M), text
    hooks(root)
    setting(root, "forecast=abort\n")
    upgrade = f"dnf -y install kernel-core-{edition} kernel-devel-{edition}"
    before = root.ok("rpm -qa | sort")
    result = root.run(upgrade)
    assert result.returncode == 1 and result.stdout.count("FAILS") == 1 and "Error! 1 of 2 modules" in result.stdout, result
    assert root.ok("rpm -qa | sort") == before
    setting(root, "")
    text = root.ok(upgrade)
    assert text.count("Warning: 1 of 2 modules") == 1 and "kernel-devel-6.8.9" in root.ok("rpm -qa"), text
