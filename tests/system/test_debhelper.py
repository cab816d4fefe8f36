"""dh_dkms and the debhelper sequence dkms, with the example and with packages that differ from it."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = TOP / "examples/my-driver"
RULES = "#!/usr/bin/make -f\n%:\n\tdh $@\n"
WITH_SOURCE = RULES + "\noverride_dh_dkms:\n\tdh_dkms --source\n"
STOP = "$(error the Makefile was run)\n"

pytestmark = pytest.mark.skipif(not shutil.which("apt-get"), reason="debhelper is a tool of Debian")


class Package:
    """A copy of the source package in examples/my-driver."""

    def __init__(self, path):
        self.path = path / "my-driver"
        shutil.copytree(EXAMPLE, self.path)
        library = path / "lib/Debian/Debhelper/Sequence"
        library.mkdir(parents=True)
        shutil.copy(TOP / "debian/dh/dkms.pm", library)
        self.environment = dict(os.environ, PATH=f"{TOP}/debian/dh:{os.environ['PATH']}", PERL5LIB=str(path / "lib"), DH_AUTOSCRIPTDIR=str(TOP / "debian/dh"))

    def write(self, name, text, mode=0o644):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def rules(self, text):
        self.write("debian/rules", text, 0o755)

    def run(self, target="binary"):
        return subprocess.run(["fakeroot", "debian/rules", target], cwd=self.path, env=self.environment, capture_output=True, text=True, check=False)

    def ok(self, target="binary"):
        result = self.run(target)
        assert result.returncode == 0, result.stdout + result.stderr
        return result

    def fails(self):
        result = self.run()
        assert result.returncode != 0, result.stdout
        return result.stderr

    def deb(self):
        (deb,) = self.path.parent.glob("my-driver-dkms_*_all.deb")
        return deb

    def files(self):
        listing = subprocess.run(["dpkg-deb", "-c", self.deb()], check=True, capture_output=True, text=True).stdout
        return {name: mode for mode, name in re.findall(r"^(\S+) .* \./usr/src/(\S+[^/\s])(?: -> .*)?$", listing, re.M)}


@pytest.fixture
def package(tmp_path):
    return Package(tmp_path)


def test_the_example(package):
    """Its build runs no command of the Makefile, and the package has the source, the scripts and the dependency."""
    package.write("Makefile", (EXAMPLE / "Makefile").read_text() + STOP)
    result = package.ok()
    assert "warning" not in result.stderr.lower() and "Duplicate" not in result.stderr, result.stderr
    assert set(package.files()) == {f"my-driver-1.0/{name}" for name in ("Makefile", "dkms.conf", "my-driver.c")}
    scripts = package.path.parent / "scripts"
    subprocess.run(["dpkg-deb", "-e", package.deb(), scripts], check=True)
    assert "common.postinst 'my-driver' '1.0'" in (scripts / "postinst").read_text()
    assert "dkms remove 'my-driver/1.0' --all" in (scripts / "prerm").read_text()
    assert re.search(r"^Depends: dkms \(", (scripts / "control").read_text(), re.M)
    package.ok("clean")


def test_manual_page_and_example_agree():
    """The rules in dh_dkms(1) are those of the example, and the versions in the example are the same."""
    pod = (TOP / "debian/dh/dh_dkms").read_text()
    example = pod[pod.index("=head1 EXAMPLE"):pod.index("=head1 SEE ALSO")]
    build, rules = re.findall(r"\n\n((?:    .*\n|\n(?=    ))+)", example)
    assert build.strip() in (EXAMPLE / "debian/control").read_text()
    lines = [line.strip() for line in (EXAMPLE / "debian/rules").read_text().splitlines()]
    assert [line.strip() for line in rules.splitlines()] == [line.replace(" -Xpackaging/", "") for line in lines]
    versions = {re.search(pattern, (EXAMPLE / file).read_text(), re.M)[1] for file, pattern in (
        ("dkms.conf", r'^PACKAGE_VERSION="(.*)"'), ("my-driver.c", r'^MODULE_VERSION \("(.*)"\)'), ("debian/changelog", r"\A\S+ \((.*)\)"),
        ("packaging/my-driver-dkms.spec", r"^Version: +(.*)"), ("packaging/PKGBUILD", r"^pkgver=(.*)"))}
    assert versions == {"1.0"}


def test_the_guide_shows_the_example():
    """The files in docs/guide/packaging.md are those of the example."""
    text = (TOP / "docs/guide/packaging.md").read_text()
    shown = dict(re.findall(r"^`my-driver/(\S+)`:\n\n```\w*\n(.*?)^```$", text, re.M | re.S))
    assert shown == {str(path.relative_to(EXAMPLE)): path.read_text() for path in EXAMPLE.rglob("*") if path.is_file()}


def test_what_is_installed(package):
    """The source as it is, without hidden files and without what a compilation leaves."""
    package.rules(WITH_SOURCE.replace("--source", "--source -Xsecret -Xpackaging/"))
    for name in (".git/config", ".gitignore", "my-driver.o", "my-driver.ko", "my-driver.mod", "my-driver.mod.c", ".my-driver.o.cmd", "modules.order",
                 "sub/secret.txt", "sub/part.o"):
        package.write(name, "x")
    package.write("sub/part.c", "x")
    package.write("sub/debian/note", "x")
    package.write("configure-it.sh", "#!/bin/sh\n", 0o755)
    (package.path / "link.c").symlink_to("my-driver.c")
    package.ok()
    files = package.files()
    assert set(files) == {f"my-driver-1.0/{name}" for name in (
        "Makefile", "dkms.conf", "my-driver.c", "sub/part.c", "sub/debian/note", "configure-it.sh", "link.c")}
    assert files["my-driver-1.0/configure-it.sh"] == "-rwxr-xr-x" and files["my-driver-1.0/link.c"][0] == "l"


def test_several_modules(package):
    """Each dkms.conf of the list is installed with the source in its directory."""
    package.rules(WITH_SOURCE)
    for name in ("one", "two"):
        package.write(f"{name}/dkms.conf", f"PACKAGE_NAME={name}\nPACKAGE_VERSION=1.0\n")
        package.write(f"{name}/{name}.c", "x")
    package.write("debian/my-driver-dkms.dkms", "one/dkms.conf\ntwo/dkms.conf\n")
    package.ok()
    assert set(package.files()) == {f"{name}-1.0/{file}" for name in ("one", "two") for file in ("dkms.conf", f"{name}.c")}
    package.rules(WITH_SOURCE.replace("--source", "--source=one"))
    assert "needs a package with one dkms.conf" in package.fails()


def test_a_directory(package):
    package.rules(WITH_SOURCE.replace("--source", "--source=driver"))
    package.write("driver/dkms.conf", 'PACKAGE_NAME="my-driver"\nPACKAGE_VERSION="#MODULE_VERSION#"\n')
    package.write("driver/my-driver.c", "x")
    package.ok()
    assert set(package.files()) == {"my-driver-1.0/dkms.conf", "my-driver-1.0/my-driver.c"}


def test_a_package_without_source_is_refused(package):
    package.rules(RULES)
    package.write("debian/my-driver-dkms.dkms", (EXAMPLE / "dkms.conf").read_text())
    text = package.fails()
    assert "my-driver-dkms contains no source in /usr/src/my-driver-1.0" in text and "dh_dkms --source" in text
    package.rules(WITH_SOURCE.replace("--source", "--allow-empty"))
    package.ok()
    assert set(package.files()) == {"my-driver-1.0/dkms.conf"}
    package.rules(RULES)
    package.write("debian/my-driver-dkms.install", "my-driver.c usr/src/my-driver-1.0\n")
    package.ok()
    assert set(package.files()) == {"my-driver-1.0/dkms.conf", "my-driver-1.0/my-driver.c"}


def test_another_version_is_a_warning(package):
    package.write("dkms.conf", (EXAMPLE / "dkms.conf").read_text().replace("1.0", "0.9"))
    assert "has PACKAGE_VERSION=0.9, and the package has the version 1.0" in package.ok().stderr


TOOL = "\nPackage: my-tool\nArchitecture: all\nDescription: x\n x\n"


@pytest.mark.parametrize("files, rules, run", [
    ({}, "", False),
    ({}, "override_dh_auto_build:\n\ttouch built\n", True),  # what debian/rules names is run
    ({}, "execute_after_dh_auto_build:\n\ttouch built\n", True),
    ({"debian/control": (EXAMPLE / "debian/control").read_text() + TOOL}, "", True),  # programs are built
    ({"Makefile": "all:\n\ttouch built\n"}, "", True),  # not the Makefile of a module
    ({"debian/control": (EXAMPLE / "debian/control").read_text().replace("my-driver-dkms", "my-modules"), "debian/my-modules.dkms": "dkms.conf\n"}, "", False),
], ids=["module", "override", "after", "tool", "other-makefile", "name"])
def test_which_packages_are_compiled(package, files, rules, run):
    package.write("Makefile", "obj-m := my-driver.o\nall:\n\ttouch built\n")
    package.rules(WITH_SOURCE + "\n" + rules)
    for name, text in files.items():
        package.write(name, text)
    package.ok()
    assert (package.path / "built").exists() == run
