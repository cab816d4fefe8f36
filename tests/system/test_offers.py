"""dkms forecast: kernels that package managers offer. Fake package managers replay what real ones printed, and serve
packages that the tests make."""
import json
import os
import subprocess

import pytest

from conftest import DKMS, FAKE_MAKEFILE, Result, Root
from test_forecast import PICKY_MAKEFILE, make_deb, make_pacman, make_rpm, module, modules, words_of
import schema

NEW, OLD = "6.12.120+deb12-amd64", "6.12.117+deb12-amd64"
# What apt-get -s of Debian 12 prints.
UPGRADE = f"""Reading package lists...
Building dependency tree...
Reading state information...
Calculating upgrade...
The following NEW packages will be installed:
  linux-headers-{NEW} linux-image-{NEW}
The following packages will be upgraded:
  bash linux-image-amd64
2 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Inst bash [5.2.15-2+b8] (5.2.15-2+b9 Debian:12.9/stable [amd64])
Conf bash (5.2.15-2+b9 Debian:12.9/stable [amd64])
Inst linux-image-{NEW} (6.12.120-1~deb12u1 Debian-Security:12/stable-security [amd64])
Inst linux-image-amd64 [6.12.117-1~deb12u1] (6.12.120-1~deb12u1 Debian-Security:12/stable-security [amd64])
Conf linux-image-{NEW} (6.12.120-1~deb12u1 Debian-Security:12/stable-security [amd64])
"""


class HostRoot(Root):
    """The system of this machine, with its own sources, tree, kernels and settings, and with fake programs in PATH."""

    def __init__(self, path):
        super().__init__(path)
        self.fake = path.parent / "fake"
        (self.fake / "bin").mkdir(parents=True)
        (self.fake / "show").mkdir()
        (self.fake / "pool").mkdir()
        self.calls = self.fake / "calls"
        self.system = None # that of this machine

    def command(self):
        binds = [(self.path / "usr/src", "/usr/src"), (self.path / "lib/modules", "/usr/lib/modules"),
                 (self.path / "etc/dkms", "/etc/dkms"), (self.path / "var/lib/dkms", "/var/lib/dkms")]
        for directory, _ in binds:
            directory.mkdir(parents=True, exist_ok=True)
        # /etc and /var/lib of the machine stay as they are: overlays have the directories to mount on.
        lower = self.path.parent / "lower"
        (lower / "etc/dkms").mkdir(parents=True, exist_ok=True)
        (lower / "lib/dkms").mkdir(parents=True, exist_ok=True)
        if self.system is not None:
            (lower / "etc/os-release").write_text(f"ID={self.system}\n")
        script = (f"mount -t overlay -o lowerdir={lower}/etc:/etc overlay /etc && "
                  f"mount -t overlay -o lowerdir={lower}/lib:/var/lib overlay /var/lib && "
                  + " && ".join(f"mount --bind {a} {b}" for a, b in binds) + ' && exec "$@"')
        return ["unshare", "-m", "sh", "-c", script, "sh", DKMS]

    def __call__(self, *arguments, env=None, **keywords):
        environment = {**os.environ, "LC_ALL": "C", "PATH": f"{self.fake}/bin:{os.environ['PATH']}", **(env or {})}
        result = Result(subprocess.run([*self.command(), *map(str, arguments)], capture_output=True, text=True, env=environment,
                                       timeout=120, check=False, stdin=subprocess.DEVNULL))
        if schema.asked_for(arguments):
            schema.document(result.out)
        return result

    def program(self, name, text):
        path = self.fake / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\ncd_fake={self.fake}\n{text}')
        path.chmod(0o755)

    def ran(self, word):
        return sum(word in line for line in self.calls.read_text().splitlines()) if self.calls.exists() else 0


@pytest.fixture
def host(tmp_path):
    return HostRoot(tmp_path / "root")


@pytest.fixture
def apt(host):
    (host.fake / "upgrade").write_text(UPGRADE)
    host.program("apt-get", 'case "$*" in *dist-upgrade) cat $cd_fake/upgrade ;; *download*) for word; do case $word in '
                            '*=[0-9]*) cp "$cd_fake/pool/${word%%=*}.deb" . || { echo "E: Failed to fetch $word" >&2; exit 100; } ;; '
                            'esac; done ;; esac\n')
    host.program("apt-cache", 'eval "name=\\$$#"; cat "$cd_fake/show/$name" 2>/dev/null || exit 100\n')
    host.program("dpkg-query", 'printf "%s\\n" "linux-kbuild-6.12 installed" "gcc-12 installed" "bash installed" "old config-files"\n')
    return host


def offer_headers(host, makefile=PICKY_MAKEFILE, release=NEW):
    """Packages like those of Debian: the headers need a common part, which is included by its real path."""
    common, version = "linux-headers-6.12.120+deb12-common", "6.12.120-1~deb12u1"
    (host.fake / f"show/linux-headers-{release}").write_text(
        f"Package: linux-headers-{release}\nVersion: {version}\nDepends: linux-base (>= 4.12~), {common} (= {version}), "
        f"linux-image-{release} (= {version}) | linux-image-{release}-unsigned (= {version}), gcc-12, tool-new\n\n"
        f"Package: linux-headers-{release}\nVersion: 1\nDepends: nothing\n")
    (host.fake / f"show/{common}").write_text(f"Package: {common}\nVersion: {version}\n")
    (host.fake / "show/tool-new").write_text("Package: tool-new\nVersion: 1.2\nDepends: tool-virtual, bash\n")
    make_deb(host.fake / f"pool/linux-headers-{release}.deb",
             {f"usr/src/linux-headers-{release}/include/config/auto.conf": "CONFIG_MODULES=y\n",
              f"usr/src/linux-headers-{release}/Makefile": f"include /usr/src/{common}/Makefile\n",
              f"usr/lib/modules/{release}/build": f"-> /usr/src/linux-headers-{release}"})
    make_deb(host.fake / f"pool/{common}.deb", {f"usr/src/{common}/Makefile": makefile})
    make_deb(host.fake / "pool/tool-new.deb", {"usr/bin/dkms-test-tool": "#!/bin/sh\nexit 0\n"})


def answer(host, *arguments, rc=0):
    result = host("forecast", *arguments, "--json=short")
    assert result.rc == rc, result
    return json.loads(result.out)


def test_apt(apt):
    """The kernel of the upgrade, its headers and what they need, fetched once; later everything is taken over."""
    offer_headers(apt)
    module(apt, "good")
    module(apt, "bad", "BROKEN")
    document = answer(apt, rc=11)
    assert words_of(document, NEW) == {"good": "builds", "bad": "fails"}
    candidate, = document["candidates"]
    assert candidate["headers"] == "fetched"
    packages = {p["name"]: p for p in candidate["packages"]}
    assert list(packages) == [f"linux-image-{NEW}", f"linux-headers-{NEW}", "linux-headers-6.12.120+deb12-common", "tool-new"]
    assert packages[f"linux-image-{NEW}"]["origin"] == "Debian-Security:12/stable-security"
    result = apt("forecast")
    assert result.rc == 11 and f"Offered: {NEW} (linux-image-{NEW}, Debian-Security" in result.out, result
    assert "good/1.0  builds" in result.out and "apt-mark hold linux-image-amd64 linux-headers-amd64" in result.out
    assert apt.ran("download") == 1
    # the upgrade
    kernel = apt.modules / NEW
    kernel.mkdir()
    (kernel / "build").symlink_to(f"/usr/src/linux-headers-{NEW}")
    headers = apt.src / f"linux-headers-{NEW}"
    (headers / "include/config").mkdir(parents=True)
    (headers / "include/config/auto.conf").write_text("CONFIG_MODULES=y\n")
    (headers / "Makefile").write_text("all:\n\texit 1\n")
    result = apt("autoinstall", "-k", NEW)
    assert result.rc == 11 and "Taking over" in result.out, result
    assert (kernel / "updates/dkms/good.ko").read_text() == "good \n"


def test_tools(apt):
    """Tools that the headers need, and that are not installed, are there for the build."""
    offer_headers(apt, makefile=FAKE_MAKEFILE.replace("for f", "/usr/bin/dkms-test-tool && for f"))
    module(apt, "good")
    assert words_of(answer(apt), NEW) == {"good": "builds"}
    assert not os.path.exists("/usr/bin/dkms-test-tool")


def test_nothing(apt):
    (apt.fake / "upgrade").write_text("Reading package lists...\n0 upgraded, 0 newly installed, 0 to remove.\n")
    module(apt, "good")
    result = apt("forecast")
    assert result.rc == 0 and result.out == "Nothing newer is offered.\n", result
    assert answer(apt)["candidates"] == []


def test_no_headers(apt):
    """No package with headers: 21. They cannot be fetched: 31. apt fails: 31."""
    module(apt, "good")
    document = answer(apt, rc=21)
    assert document["candidates"][0]["headers"] == "missing" and document["candidates"][0]["modules"] == []
    offer_headers(apt)
    (apt.fake / "pool/tool-new.deb").unlink()
    result = apt("forecast")
    assert result.rc == 31 and "Failed to fetch tool-new=1.2" in result.out, result
    apt.program("apt-get", 'echo "E: The package lists are broken" >&2; exit 100\n')
    result = apt("forecast")
    assert result.rc == 31 and "package lists are broken" in result.err, result
    apt.program("apt-get", "exit 0\n")
    assert apt("forecast").rc == 0


def test_named(apt):
    """-k selects an offered kernel, or another one that has headers."""
    offer_headers(apt)
    module(apt, "good")
    assert words_of(answer(apt, "-k", NEW), NEW) == {"good": "builds"}
    offer_headers(apt, release=OLD)
    document = answer(apt, "-k", OLD)
    assert [c["release"] for c in document["candidates"]] == [OLD] and words_of(document, OLD) == {"good": "builds"}
    assert set(modules(document, OLD)) == {"good"}
    assert apt("forecast", "-k", "1.2.3").rc == 21


def test_damaged_package(apt):
    offer_headers(apt)
    module(apt, "good")
    (apt.fake / "pool/tool-new.deb").write_bytes(b"!<arch>\nrubbish")
    result = apt("forecast")
    assert result.rc == 3 and "tool-new.deb" in result.err, result


FEDORA = "6.8.9-300.fc40.x86_64"


@pytest.fixture
def dnf(host):
    """What dnf 4 of Debian 12 prints about a repository."""
    host.system = "fedora"
    (host.fake / "kernel-core").write_text(f"kernel-core {FEDORA} updates\n\n")
    (host.fake / f"kernel-devel-{FEDORA}").write_text(f"kernel-devel {FEDORA} updates\n\n")
    host.program("dnf", 'for last; do :; done; case "$*" in *repoquery*) cat "$cd_fake/$last" 2>/dev/null; exit 0 ;; '
                        '*download*) cp "$cd_fake/pool/$last.rpm" "$4" || { echo "No package $last available." >&2; exit 1; } ;; esac\n')
    return host


def test_dnf(dnf):
    module(dnf, "good")
    prefix = f"usr/src/kernels/{FEDORA}"
    make_rpm(dnf.fake / f"pool/kernel-devel-{FEDORA}.rpm",
             {f"{prefix}/include/config/auto.conf": "CONFIG_MODULES=y\n", f"{prefix}/Makefile": PICKY_MAKEFILE,
              f"lib/modules/{FEDORA}/build": f"-> /{prefix}"})
    document = answer(dnf)
    assert words_of(document, FEDORA) == {"good": "builds"}
    assert document["candidates"][0]["packages"] == [{"name": "kernel-core", "version": FEDORA, "origin": "updates"},
                                                     {"name": "kernel-devel", "version": FEDORA, "origin": "updates"}]
    module(dnf, "bad", "BROKEN")
    result = dnf("forecast")
    assert result.rc == 11 and "dnf versionlock add kernel-core" in result.out and dnf.ran("download") == 1, result
    (dnf.fake / f"kernel-devel-{FEDORA}").unlink()
    assert answer(dnf, rc=21)["candidates"][0]["headers"] == "missing"
    (dnf.fake / "kernel-core").write_text("")
    assert dnf("forecast").out == "Nothing newer is offered.\n"


SUSE = "6.12.0-160000.8-default"


@pytest.fixture
def zypper(host):
    """What zypper of Debian 12 prints about a repository."""
    host.system = "opensuse-leap"
    (host.fake / "updates").write_text(
        "<?xml version='1.0'?>\n<stream>\n<update-status version=\"0.6\">\n<update-list>\n"
        '<update kind="package" name="kernel-default" edition="6.12.0-160000.8.1" arch="x86_64" edition-old="6.12.0-160000.7.1">'
        '<summary>The Standard Kernel</summary><description>x</description><license/><source url="dir:///r" alias="r"/></update>'
        '<update kind="package" name="kernel-default-extra" edition="6.12.0-160000.8.1" arch="x86_64"/></update-list>\n'
        "</update-status>\n</stream>\n")
    (host.fake / "search").write_text(
        '<?xml version=\'1.0\'?>\n<stream>\n<search-result version="0.0">\n<solvable-list>\n' + "".join(
            f'<solvable status="not-installed" name="{name}" kind="package" edition="{edition}" arch="noarch" repository="r"/>\n'
            for name, edition in (("kernel-default-devel", "6.12.0-160000.8.1"), ("kernel-default-devel", "6.12.0-160000.7.1"),
                                  ("kernel-devel", "6.12.0-160000.8.2")))
        + "</solvable-list>\n</search-result>\n</stream>\n")
    host.program("zypper", 'case "$*" in *list-updates*) cat $cd_fake/updates ;; '
                           '*search*) cat $cd_fake/search; grep -q solvable $cd_fake/search || exit 104 ;; '
                           '*download*) while [ "$1" != download ]; do [ "$1" != --pkg-cache-dir ] || dir=$2; shift; done; shift; '
                           'mkdir -p "$dir/r/noarch"; for word; do cp "$cd_fake/pool/$word.rpm" "$dir/r/noarch" || exit 4; done ;; esac\n')
    return host


@pytest.mark.parametrize("link", [True, False])
def test_zypper(zypper, link):
    """The headers of a flavour, with those of all flavours; the build directory may have no link."""
    module(zypper, "good")
    common, own = "usr/src/linux-6.12.0-160000.8", "usr/src/linux-6.12.0-160000.8-obj/x86_64/default"
    files = {f"{own}/include/config/auto.conf": "CONFIG_MODULES=y\n", f"{own}/Makefile": f"include /{common}/Makefile\n"}
    if link:
        files[f"lib/modules/{SUSE}/build"] = f"-> /{own}"
    make_rpm(zypper.fake / "pool/kernel-default-devel=6.12.0-160000.8.1.rpm", files)
    make_rpm(zypper.fake / "pool/kernel-devel=6.12.0-160000.8.2.rpm", {f"{common}/Makefile": PICKY_MAKEFILE})
    document = answer(zypper)
    assert words_of(document, SUSE) == {"good": "builds"}
    assert [p["name"] for p in document["candidates"][0]["packages"]] == ["kernel-default", "kernel-default-devel", "kernel-devel"]
    module(zypper, "bad", "BROKEN")
    result = zypper("forecast")
    assert result.rc == 11 and "zypper addlock kernel-default" in result.out and zypper.ran("download") == 1, result
    (zypper.fake / "search").write_text('<stream>\n<message type="info">No matching items found.</message>\n</stream>\n')
    assert answer(zypper, rc=21)["candidates"][0]["headers"] == "missing"
    (zypper.fake / "updates").write_text("<stream><update-list>")
    assert zypper("forecast").rc == 31
    (zypper.fake / "updates").write_text("<stream/>")
    assert zypper("forecast").out == "Nothing newer is offered.\n"


ARCH_LINUX = "6.12.2-arch1-1"


@pytest.fixture
def pacman(host):
    """What checkupdates and pacman of Arch Linux print. The directory of the lists is the one that dkms gives checkupdates."""
    host.system = "arch"
    (host.fake / "updates").write_text("linux 6.12.1.arch1-1 -> 6.12.2.arch1-1\nlinux-headers 6.12.1.arch1-1 -> 6.12.2.arch1-1\n"
                                       "linux-firmware 20241017.22a6c7d-1 -> 20241111.b5885ec5-1\n")
    (host.fake / "found").write_text("linux-headers\n")
    host.program("checkupdates", '[ -s $cd_fake/updates ] || exit 2; mkdir -p "$CHECKUPDATES_DB/sync"; cat $cd_fake/updates\n')
    host.program("pacman", 'for word; do case $word in --*) option=$word ;; /*) [ "$option" != --dbpath ] || [ -d "$word/sync" ] || exit 9; '
                           '[ "$option" != --cachedir ] || dir=$word ;; esac; done; case "$1" in -Ss) grep . $cd_fake/found ;; '
                           '-Sp) echo "pahole 1:1.27-1 extra"; echo "linux-headers 6.12.2.arch1-1 core" ;; '
                           '-Sw*) cp $cd_fake/pool/* "$dir" || { echo "error: failed to retrieve some files" >&2; exit 1; } ;; esac\n')
    return host


def test_pacman(pacman):
    module(pacman, "good")
    kernel = f"usr/lib/modules/{ARCH_LINUX}/build"
    make_pacman(pacman.fake / "pool/linux-headers-6.12.2.arch1-1-x86_64.pkg.tar.gz",
                {f"{kernel}/include/config/auto.conf": "CONFIG_MODULES=y\n", f"{kernel}/Makefile": PICKY_MAKEFILE})
    (pacman.fake / "pool/linux-headers-6.12.2.arch1-1-x86_64.pkg.tar.gz.sig").write_text("signature")
    document = answer(pacman)
    assert words_of(document, ARCH_LINUX) == {"good": "builds"}
    assert [p["name"] for p in document["candidates"][0]["packages"]] == ["linux", "pahole", "linux-headers"]
    assert not (pacman.tree / ".dkms/ahead/manager").exists()
    assert (pacman.tree / ".dkms/ahead").stat().st_mode & 0o777 == 0o755, "pacman 7 downloads as another user"
    module(pacman, "bad", "BROKEN")
    result = pacman("forecast")
    assert result.rc == 11 and "IgnorePkg = linux linux-headers" in result.out and pacman.ran("-Sw") == 1, result
    (pacman.fake / "found").write_text("")
    assert answer(pacman, rc=21)["candidates"][0]["headers"] == "missing"
    (pacman.fake / "updates").write_text("")
    assert pacman("forecast").out == "Nothing newer is offered.\n"
    (pacman.fake / "bin/checkupdates").unlink() # then pacman itself is asked; it ends with 1 in both cases
    pacman.program("pacman", 'case "$1" in -Qu) exit 1 ;; -Qq) echo linux ;; esac\n')
    assert pacman("forecast").out == "Nothing newer is offered.\n"
    pacman.program("pacman", 'echo "error: failed to initialize alpm library" >&2; exit 1\n')
    result = pacman("forecast")
    assert result.rc == 31 and "failed to initialize alpm" in result.err, result


ALPINE = "6.6.63-2-lts"


@pytest.fixture
def apk(host):
    """What apk prints, in the form of its source."""
    host.system = "alpine"
    (host.fake / "upgrade").write_text("(1/2) Upgrading linux-lts (6.6.31-r0 -> 6.6.63-r2)\n(2/2) Upgrading linux-pam (1.5.2-r0 -> 1.6.1-r0)\n"
                                       "OK: 100 MiB in 50 packages\n")
    (host.fake / "found").write_text("linux-lts-dev-6.6.63-r2\n")
    host.program("apk", 'case "$*" in *upgrade*) cat $cd_fake/upgrade ;; search*) cat $cd_fake/found ;; '
                        'fetch*) cp $cd_fake/pool/* "$4" || exit 1 ;; esac\n')
    return host


def test_apk(apk):
    module(apk, "good")
    prefix = f"usr/src/linux-headers-{ALPINE}"
    make_pacman(apk.fake / "pool/linux-lts-dev-6.6.63-r2.apk",
                {f"{prefix}/include/config/auto.conf": "CONFIG_MODULES=y\n", f"{prefix}/Makefile": PICKY_MAKEFILE,
                 f"lib/modules/{ALPINE}/build": f"-> /{prefix}"})
    assert words_of(answer(apk), ALPINE) == {"good": "builds"}
    module(apk, "bad", "BROKEN")
    result = apk("forecast")
    assert result.rc == 11 and "apk add 'linux-lts<6.6.63'" in result.out and apk.ran("fetch") == 1, result
    (apk.fake / "found").write_text("")
    assert answer(apk, rc=21)["candidates"][0]["headers"] == "missing"
    (apk.fake / "upgrade").write_text("OK: 100 MiB in 50 packages\n")
    assert apk("forecast").out == "Nothing newer is offered.\n"


def test_another_root(root):
    """The package manager of another root is not asked."""
    module(root, "good")
    result = root("forecast")
    assert result.rc == 31 and "--headers" in result.err, result
